/* merge: imports result files, and the databases of `poslab merge DB OTHER...`.
 *
 * A result file replaces the stored training of its run, because both are the same computation; stored
 * evaluations that are not stale are kept. Merging a database overwrites nothing: it adds trainings,
 * evaluations, requests, experiments, benches and reference numbers that are missing. Repeating either
 * import changes nothing.
 *
 * If both databases have the same run, its config, the losses of its updates and its evaluations must be
 * equal bit for bit. If they are not, the run is a conflict: it is reported and not imported. If both have an
 * experiment of the same name with different configs, this database keeps its config and imports the runs.
 */
#ifndef POSLAB_STORE_MERGE_H
#define POSLAB_STORE_MERGE_H

#include "store/database.h"

/* Imports a result file in one transaction: the status of its run, the training log and the evaluations. */
bool merge_result(Database *store, const char *path, Error *err);

/* Merges each of `others` (NULL-terminated) in a transaction of its own. Prints one line for each database
   and each conflict to `out`; *conflicts is the number of conflicts. Errors name the file.

   With `weights`, the caller holds DATABASE.lock, and the weights of trained runs are copied as well, unless
   this database has them or the run is a conflict. Damaged weights are reported, not copied, and counted as
   conflicts. */
bool merge_databases(Database *store, const char *const *others, bool weights, FILE *out, int64_t *conflicts,
                     Error *err);

#endif
