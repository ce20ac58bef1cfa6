/* collect: `poslab collect`: imports the result files of Slurm tasks into the database.
 *
 * The result file alone decides whether a run succeeded. `collect` may be called any number of times while
 * tasks run: a result file is copied to a local folder (sys/tempdir.h) and imported, which adds what is
 * missing. It is removed only when the scheduler has no more task for the run, so that results which a task
 * adds later are not lost.
 */
#ifndef POSLAB_SLURM_COLLECT_H
#define POSLAB_SLURM_COLLECT_H

#include "store/database.h"
#include "slurm/squeue.h"

/* Imports the existing result files of an experiment's points; *count is their number. The caller holds the
   database's lock. Damaged files are reported on stderr. */
bool collect_results(Database *store, const char *experiment, const Squeue *queue, int *count, Error *err);

/* Collects one experiment, or (NULL) all of the database, and prints a line about each to stdout. Exit code:
   EXIT_DONE (all runs are complete), EXIT_SOME_FAILED (some are lost or have failed, and no task is pending
   or running), EXIT_STOPPED (tasks are pending or running); others with err set. */
ExitCode collect_run(const char *database, const char *experiment, Error *err);

#endif
