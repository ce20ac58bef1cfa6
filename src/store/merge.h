/* merge: `poslab merge DB OTHER...`: what other databases know, added to this one.
 *
 * Nothing that is there is overwritten. A run that is there and trained keeps its training; a run that is
 * only planned or failed here, and trained there, takes over theirs. Evaluations, requests, experiments and
 * reference numbers come in where they are missing, so merging again changes nothing. Weights are not copied:
 * run folders stay where they are.
 *
 * A run that both have trained must agree, to the last bit, in its configuration, the losses of its updates
 * and its evaluations. One that does not is a conflict: it is named, and nothing of it comes in. An
 * experiment of the same name but another configuration stays as it is here; its runs come in all the same.
 */
#ifndef POSLAB_STORE_MERGE_H
#define POSLAB_STORE_MERGE_H

#include "store/database.h"

/* Each of `others` (NULL-terminated) in one transaction; a line about each, and about each conflict, to
 *`out`. conflicts: how many. Errors name the file. */
bool merge_databases(Database *store, const char *const *others, FILE *out, int64_t *conflicts, Error *err);

#endif
