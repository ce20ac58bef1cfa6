/* sweep: `poslab run` and `poslab eval`: runs the missing points of a plan in worker processes and imports
 * their results.
 *
 * The parent starts `poslab worker` for each missing run, at most `jobs` at a time, with OMP_NUM_THREADS,
 * OPENBLAS_NUM_THREADS and GOTO_NUM_THREADS set in its environment, and reads its progress from a pipe. A
 * failed worker affects its own run only: after `retries` more attempts the reason and its last lines are
 * stored. A worker that reports no progress for `timeout` seconds is killed and counts as failed. If the
 * system refused a write (EXIT_SYSTEM), the other runs are finished and the sweep ends with that code. A
 * trained run that lacks evaluations is only evaluated; a stale one is trained again (run/run_task.h), or
 * left out where nothing is to be trained. Failed runs, and runs that a killed process left in the status
 * `running`, count as missing; diverged runs are done.
 *
 * One `run` at a time works on a database: it holds DATABASE.lock (sys/lock.h). Its workers hold it too, so
 * that the lock of a killed parent lasts until the last worker has ended.
 *
 * The run folder (store/run_folder.h) contains config.json, requests.json, model.safetensors,
 * state.safetensors while training, result.db until it is imported, and log.txt (the output of the worker).
 */
#ifndef POSLAB_RUN_SWEEP_H
#define POSLAB_RUN_SWEEP_H

#include "experiment/plan.h"
#include "run/jobs.h"

typedef struct SweepOptions {
    JobsOptions jobs;       /* evaluate_only: add the plan's requests to the stored experiment */
    bool only_failed;       /* only runs that have failed */
    RunTaskRetrain retrain; /* trained runs to be trained again; their results are deleted when they start */
    bool quiet;             /* no progress */
    bool dry_run;           /* only print the missing runs to stdout */
    const char *command;    /* as typed, for "continue with: ..." */
    const char *database;   /* NULL: results/NAME.db */
} SweepOptions;

/* Exit code: EXIT_DONE, EXIT_SOME_FAILED, EXIT_STOPPED; others with err set. */
ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Error *err);

#endif
