/* cmd_methods: the commands about methods: `methods`, the registered ones, and `bench`,
 * what methods cost (cli/cmd_bench.h measures it). */
#ifndef POSLAB_CLI_CMD_METHODS_H
#define POSLAB_CLI_CMD_METHODS_H

#include "cli/arguments.h"

extern const Command cmd_methods_methods, cmd_methods_bench;

/* A row, or an object, for each: name, label, hooks, claims, numbers learnt by the default model, paper, and
   for people the time over the control's if CMD_METHODS_COST has it (as `poslab bench --format csv` prints
   it). Fails on a damaged file. */
#define CMD_METHODS_COST "results/methods/cost.csv"
bool cmd_methods_list(TableFormat format, FILE *out, Error *err);

/* Options, a row for each, claims, hooks and citation of one method. Fails if there is none of that name. */
bool cmd_methods_show(const char *name, TableFormat format, FILE *out, Error *err);

/* A table of options with their types, defaults and ranges; owned by the arena. */
Table *cmd_methods_options(const char *title, const OptionField *fields, int count, Arena *arena);

#endif
