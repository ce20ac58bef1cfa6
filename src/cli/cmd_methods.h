/* catalog: `poslab methods`: the registered methods, as text or as JSON. */
#ifndef POSLAB_CATALOG_H
#define POSLAB_CATALOG_H

#include "position/position.h"

/* A line, or an object, for each: name, label, hooks, claims, numbers learnt by the default model, paper, and
   the time over the control's if CATALOG_COST says it (as `poslab bench --format csv` prints it). Formats:
   text (or NULL), md, json. Fails on another format or a damaged file. */
#define CATALOG_COST "results/methods/cost.csv"
bool catalog_list(FILE *out, const char *format, Err *err);

/* Options, claims, hooks and citation of one. Fails if there is none of that name. */
bool catalog_show(const char *name, FILE *out, bool json, Err *err);

#endif
