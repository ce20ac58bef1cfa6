/* cmd_methods: the command `methods`, which lists and describes methods, and the options of `bench`
 * (cli/cmd_bench.h measures). A method is converted to JSON; tables are made from it.
 */
#ifndef POSLAB_CLI_CMD_METHODS_H
#define POSLAB_CLI_CMD_METHODS_H

#include "cli/arguments.h"

/* A table of options with their types, defaults and ranges; owned by the arena. */
Table *cmd_methods_options(const char *title, const OptionField *fields, int count, Arena *arena);

#endif
