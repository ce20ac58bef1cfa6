/* cmd_methods: the commands about methods: `methods`, the registered ones, and `bench`, what methods cost
 * (cli/cmd_bench.h measures it). A method is converted to JSON, which is printed as such or as a table. */
#ifndef POSLAB_CLI_CMD_METHODS_H
#define POSLAB_CLI_CMD_METHODS_H

#include "cli/arguments.h"

/* A table of options with their types, defaults and ranges; owned by the arena. */
Table *cmd_methods_options(const char *title, const OptionField *fields, int count, Arena *arena);

#endif
