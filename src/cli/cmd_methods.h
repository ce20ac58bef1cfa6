/* cmd_methods: the command `methods`, which lists and describes methods, and the options of `bench`
 * (cli/cmd_bench.h measures). A method is converted to JSON; tables are made from it.
 */
#ifndef POSLAB_CLI_CMD_METHODS_H
#define POSLAB_CLI_CMD_METHODS_H

#include "tasks/task.h"
#include "cli/arguments.h"

/* Prints the options of a task; configs/README.md has the options that all tasks have. */
bool cmd_methods_task(FILE *out, const Task *task, Arena *arena, Error *err);

#endif
