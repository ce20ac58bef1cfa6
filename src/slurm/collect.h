/* collect: `poslab collect`: results of tasks, from their run folders into the database.
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

/* Takes over what is there of the points of an experiment; *count is the number of result files. With the
   database's lock held. A damaged file is named on stderr. */
bool collect_results(Database *store, const char *experiment, const Squeue *queue, int *count, Error *err);

/* `poslab collect`: the same for one experiment, or (NULL) all of the database, and a line about each on
   stdout. Exit code: EXIT_DONE (all runs are complete), EXIT_SOME_FAILED (some are lost or have failed, and
   none is under way), EXIT_STOPPED (there is more to come); others with err set. */
ExitCode collect_run(const char *database, const char *experiment, Error *err);

#endif
