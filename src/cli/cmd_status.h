/* status: how far the experiments of a database are.
 *
 * For each experiment as now configured: how many runs are done, running, failed, diverged and pending, how
 * many of the evaluations asked for are there, and a line for each run that is not done, with its reason.
 */
#ifndef POSLAB_STATUS_H
#define POSLAB_STATUS_H

#include "store/database.h"

/* experiment: NULL for all. left: whether `run` has something to do, runs or evaluations. Errors as
 * table_print. */
bool status_print(Store *store, const char *experiment, bool json, bool *left, FILE *out, Err *err);

#endif
