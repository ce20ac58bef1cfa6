/* collect: `poslab collect`: imports the result files of Slurm tasks into the database.
 *
 * The result file alone decides whether a run succeeded. `collect` can be called any number of times, also
 * while tasks run. It copies each result file to a local folder (sys/tempdir.h) and imports the copy. The
 * file is removed only when no task of the run is left, so that results which a task adds later are not lost.
 */
#ifndef POSLAB_SLURM_COLLECT_H
#define POSLAB_SLURM_COLLECT_H

#include "store/database.h"
#include "slurm/squeue.h"

/* Imports the result files of an experiment's points; *count is the number of imported files. The caller
   holds DATABASE.lock. Damaged files are reported on stderr. */
bool collect_results(Database *store, const char *experiment, const Squeue *queue, int *count, Error *err);

/* Collects one experiment, or all experiments of the database if `experiment` is NULL, and prints a line
   about each. Returns EXIT_DONE         if all runs are complete; EXIT_SOME_FAILED  if runs are lost or have
   failed, and no task is pending or running; EXIT_STOPPED      if tasks are pending or running; or another
   code with err set. */
ExitCode collect_run(const char *database, const char *experiment, Error *err);

#endif
