/* sweep: `poslab run`: the missing runs of a plan, in worker processes.
 *
 * The parent starts `poslab worker` for each missing run, at most `jobs` at a time, with OMP_NUM_THREADS and
 * OPENBLAS_NUM_THREADS set in its environment, reads its progress from a pipe and imports its result file. A worker
 * that fails costs its own run only: its reason and its last lines are stored. Nothing is repeated: a run whose
 * weights are there is only evaluated where evaluations are missing.
 *
 * Run folder: results/NAME/KEY/ with config.json, model.safetensors, state.safetensors while training, result.db
 * until imported, log.txt (what the worker printed).
 */
#ifndef POSLAB_SWEEP_H
#define POSLAB_SWEEP_H

#include "store.h"

typedef struct SweepOptions {
    int jobs;     /* workers at a time */
    int threads;  /* BLAS threads of each worker */
    bool quiet;   /* no progress */
    const char *program; /* path of the poslab binary, for exec */
    const char *database; /* NULL: results/NAME.db */
} SweepOptions;

/* Exit code: EXIT_DONE, EXIT_SOME_FAILED, EXIT_STOPPED; others with err set. */
ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Err *err);

/* `poslab worker FOLDER`: one run, as described by FOLDER/config.json (a point's resolved JSON) and the evaluations
   listed in FOLDER/requests.json; prints progress lines to stdout and writes FOLDER/result.db. */
ExitCode sweep_worker(const char *folder, Err *err);

#endif
