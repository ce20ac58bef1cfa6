/* worker: `poslab worker`: performs one run.
 *
 * Its input is in the run folder: config.json is the point's resolved config, requests.json the task. The
 * worker trains (or resumes from state.safetensors, or loads model.safetensors if the run is known to be
 * trained), writes model.safetensors, evaluates, and writes result.db. It holds a lock on the folder. On
 * SIGINT, SIGTERM, SIGHUP or SIGUSR1 it saves its state and exits with EXIT_STOPPED.
 *
 * Progress is written to stdout, one line each:
 *     step 12 400 2.3451 18230.5    step, number of steps, loss, tokens per second; of a task also
 *                                   the share of examples of the trained sizes that was answered last
 *     evaluate 3 8 0.25             evaluation 3 of 8, a quarter done
 *     note ...                      a message for the user
 */
#ifndef POSLAB_RUN_WORKER_H
#define POSLAB_RUN_WORKER_H

#include "run/run_task.h"

/* Whether this machine supports the precisions that the task needs; the error (EXIT_USAGE) names the config
   key. */
bool worker_check(const RunTask *task, const Config *config, Error *err);

/* Writes FOLDER/config.json and FOLDER/requests.json. */
bool worker_assign(const char *folder, const Config *config, const RunTask *task, Error *err);

typedef struct WorkerOptions {
    const char *config, *task,
        *source;        /* JSON texts used instead of the folder's files, and their source for errors */
    bool shared_folder; /* the folder may be on a shared file system: the result is written to a temporary
                           folder and copied; results of an earlier result file are kept and not computed
                           again; waits for another worker in the folder */
    bool (*take)(void *user, const char *line); /* gets the lines instead of stdout */
    void *user;
} WorkerOptions;

/* Installs the signal handlers, which end the current or the next worker_run, and makes stdout line-buffered.
   Must precede any output; worker_run also calls it. */
void worker_begin(void);

/* Performs the run on `threads` threads; options may be NULL. Exit code: EXIT_DONE (also for a diverged run),
   or another with err set. */
ExitCode worker_run(const char *folder, int threads, const WorkerOptions *options, Error *err);

/* With several ranks (sys/mpi.h) all of them call worker_run; or rank 0 calls worker_call for each run and at
   the end worker_dismiss, while the others are in worker_serve, which returns the code given there. */
ExitCode worker_call(const char *folder, int threads, const WorkerOptions *options, Error *err);
ExitCode worker_dismiss(ExitCode code);
ExitCode worker_serve(int threads);

/* Weights as safetensors with the run's provenance in `__metadata__`: key, config, corpus hash, revision,
   method files (TrainResult). */
bool worker_write_model(const char *path, const Model *model, const char *key, const char *resolved,
                        const char *corpus_hash, const char *files, Error *err);

/* FOLDER/vocabulary.txt, next to the weights of a corpus of words: tokens mean nothing without it. */
bool worker_write_vocabulary(const char *folder, const Corpus *corpus, Arena *arena, Error *err);

#endif
