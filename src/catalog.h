/* catalog: `poslab methods`: the registered methods, as text or as JSON. */
#ifndef POSLAB_CATALOG_H
#define POSLAB_CATALOG_H

#include "position.h"

void catalog_list(FILE *out, bool json); /* a line, or an object, for each */

/* Options, claims, hooks and citation of one. Fails if there is none of that name. */
bool catalog_show(const char *name, FILE *out, bool json, Err *err);

#endif
