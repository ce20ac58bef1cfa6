/* cmd_methods: `poslab methods`: the registered methods, as text, Markdown or JSON.
 *
 * Everything is derived from the description of each method (position/position.h), so a new file in methods/
 * appears without further change. Measured costs are added if CMD_METHODS_COST names a file with them.
 */
#ifndef POSLAB_CLI_CMD_METHODS_H
#define POSLAB_CLI_CMD_METHODS_H

#include "position/position.h"

/* A line, or an object, for each: name, label, hooks, claims, numbers learnt by the default model, paper, and
   the time over the control's if CMD_METHODS_COST says it (as `poslab bench --format csv` prints it).
   Formats: text (or NULL), md, json. Fails on another format or a damaged file. */
#define CMD_METHODS_COST "results/methods/cost.csv"
bool cmd_methods_list(FILE *out, const char *format, Error *err);

/* Options, claims, hooks and citation of one. Fails if there is none of that name. */
bool cmd_methods_show(const char *name, FILE *out, bool json, Error *err);

#endif
