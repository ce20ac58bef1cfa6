/* merge: imports other databases: result files, and those of `poslab merge DB OTHER...`.
 *
 * Importing a result file again changes nothing: the training of its run replaces the stored one (it is the
 * same computation), an evaluation that is already stored is left unchanged. Other databases are merged:
 *
 * Nothing that exists is overwritten. A run that is trained here keeps its training; a run that is only
 * planned or failed here, and trained there, is taken over. Evaluations, requests, experiments and reference
 * numbers are added where they are missing, so merging again changes nothing. Weights are copied on request.
 *
 * A run that is trained in both must agree bit for bit in its config, the losses of its updates and its
 * evaluations. Otherwise it is a conflict: it is reported and nothing of it is added. An experiment with the
 * same name but another config is kept as it is here; its runs are added nevertheless.
 */
#ifndef POSLAB_STORE_MERGE_H
#define POSLAB_STORE_MERGE_H

#include "store/database.h"

/* Imports a result file in one transaction: the run's outcome, its training log, its evaluations. */
bool merge_result(Database *store, const char *path, Error *err);

/* Each of `others` (NULL-terminated) in one transaction; a line about each, and about each conflict, to
   `out`. conflicts: how many. Errors name the file. weights: then copies the weights of their trained runs,
   unless they are here or the run is a conflict; weights that are damaged are named, left out and counted as
   conflicts. The caller then holds DATABASE.lock. */
bool merge_databases(Database *store, const char *const *others, bool weights, FILE *out, int64_t *conflicts,
                     Error *err);

#endif
