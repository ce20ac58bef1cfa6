/* sweep: `poslab run` and `poslab eval`: runs the missing points of a plan and imports their results.
 *
 * Each missing run is performed by a worker process (run/worker.h). A failed worker affects only its own run:
 * after `retries` more attempts, the run gets the status failed, with the reason. If a write was refused
 * (EXIT_SYSTEM), the other runs are finished and the sweep ends with that code. Failed runs, and runs that a
 * killed process left in the status running, count as missing; diverged runs count as done.
 *
 * A sweep holds DATABASE.lock (sys/lock.h), so one sweep at a time works on a database. Its workers hold the
 * lock, too, so the lock of a killed sweep lasts until its last worker has ended.
 */
#ifndef POSLAB_RUN_SWEEP_H
#define POSLAB_RUN_SWEEP_H

#include "experiment/plan.h"
#include "run/jobs.h"

typedef struct SweepOptions {
    JobsOptions jobs;       /* evaluate_only: add the plan's requests to those of the stored experiment */
    bool only_failed;       /* only runs that have failed */
    RunTaskRetrain retrain; /* trained runs to train again; their results are deleted when they start */
    bool quiet;             /* show no progress */
    bool dry_run;           /* only print the missing runs to stdout */
    const char *command;    /* the command line, for "to resume: ..." */
    const char *database;   /* NULL: results/NAME.db */
} SweepOptions;

/* Returns EXIT_DONE, EXIT_SOME_FAILED or EXIT_STOPPED, or another code with err set. */
ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Error *err);

#endif
