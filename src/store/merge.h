/* merge: imports result files, and the databases of `poslab merge DB OTHER...`.
 *
 * A result file replaces the stored training of its run, because both are the same computation. Stored
 * evaluations stay. Importing a result file again changes nothing.
 *
 * Merging a database overwrites no result. A training is imported if this database has none for that run.
 * Missing evaluations, requests, experiments and reference numbers are added, so merging again changes
 * nothing. Weights are copied on request.
 *
 * If both databases have the training of a run, its config, the losses of its updates and its evaluations
 * must be equal bit for bit. If they are not, the run is a conflict: it is reported and nothing of it is
 * imported. If an experiment has the same name and another config, this database keeps its config and
 * imports the runs.
 */
#ifndef POSLAB_STORE_MERGE_H
#define POSLAB_STORE_MERGE_H

#include "store/database.h"

/* Imports a result file in one transaction: the outcome of its run, the training log and the
   evaluations. */
bool merge_result(Database *store, const char *path, Error *err);

/* Merges each of `others` (NULL-terminated) in a transaction of its own. Prints one line for each database
   and each conflict to `out`; *conflicts is the number of conflicts. Errors name the file. `weights`: also
   copies the weights of their trained runs, unless this database has them or the run is a conflict. Damaged
   weights are reported, not copied, and counted as conflicts. The caller holds DATABASE.lock if `weights`
   is set. */
bool merge_databases(Database *store, const char *const *others, bool weights, FILE *out, int64_t *conflicts,
                     Error *err);

#endif
