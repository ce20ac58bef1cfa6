/* cmd_methods: the commands about methods and tasks: `methods` and `tasks`, the registered ones, and `bench`,
 * what methods cost (cli/cmd_bench.h measures it). */
#ifndef POSLAB_CLI_CMD_METHODS_H
#define POSLAB_CLI_CMD_METHODS_H

#include "cli/arguments.h"

extern const Command cmd_methods_methods, cmd_methods_tasks, cmd_methods_bench;

extern const char *const cmd_methods_formats[]; /* "text", "md", "json", NULL */

/* A line, or an object, for each: name, label, hooks, claims, numbers learnt by the default model, paper, and
   the time over the control's if CMD_METHODS_COST says it (as `poslab bench --format csv` prints it).
   Fails on a damaged file. */
#define CMD_METHODS_COST "results/methods/cost.csv"
bool cmd_methods_list(FILE *out, const char *format, Error *err);

/* Options, claims, hooks and citation of one. Fails if there is none of that name. */
bool cmd_methods_show(const char *name, FILE *out, bool json, Error *err);

#endif
