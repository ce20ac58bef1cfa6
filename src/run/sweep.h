/* sweep: `poslab run` and `poslab eval`: the missing runs of a plan, in worker processes.
 *
 * The parent starts `poslab worker` for each missing run, at most `jobs` at a time, with OMP_NUM_THREADS,
 * OPENBLAS_NUM_THREADS and GOTO_NUM_THREADS set in its environment, reads its progress from a pipe and
 * imports its result file. A worker that fails costs its own run only: after `retries` more attempts its
 * reason and its last lines are stored. A worker that makes no line of progress for `timeout` seconds is
 * killed, and has failed. Where the system refused a write (EXIT_SYSTEM) the sweep ends with that code, the
 * other runs done. Nothing is repeated: a run whose weights are there is only evaluated where evaluations are
 * missing. Failed runs, and what a process that no longer lives left as running, are missing; diverged runs
 * are an outcome.
 *
 * One `run` at a time works on a database: it holds DATABASE.lock, which says who it is. Its workers hold it
 * too, so that the lock outlives a killed parent until the last worker is gone.
 *
 * Run folder (store/run_folder.h): NAME/KEY/ beside the database (results/NAME/KEY/ for the default one),
 * with config.json, requests.json, model.safetensors, state.safetensors while training, result.db until
 * imported, log.txt (what the worker printed).
 */
#ifndef POSLAB_RUN_SWEEP_H
#define POSLAB_RUN_SWEEP_H

#include "experiment/plan.h"
#include "run/jobs.h"

typedef struct SweepOptions {
    int jobs;             /* workers at a time, 1 .. JOBS_MOST */
    int threads;          /* of each worker (sys/threads.h) */
    int retries;          /* further attempts of a run that fails */
    int timeout;          /* seconds without progress after which a worker is killed; 0: never */
    bool only_failed;     /* runs that have failed, and no others */
    bool retrain_changed; /* runs that other revisions of the program have trained, from the beginning; their
                         results are deleted when they begin */
    bool quiet;           /* no progress */
    bool dry_run;         /* only print, to stdout, what would be done */
    bool evaluate_only;   /* the plan's requests are added to the stored experiment; nothing is trained */
    const char *command;  /* as typed, for "continue with: ..." */
    const char *database; /* NULL: results/NAME.db */
} SweepOptions;

/* Exit code: EXIT_DONE, EXIT_SOME_FAILED, EXIT_STOPPED; others with err set. */
ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Error *err);

#endif
