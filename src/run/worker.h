/* worker: `poslab worker`: performs one run in its run folder.
 *
 * It reads config.json, the resolved config of the point, and requests.json, the task. It trains and writes
 * model.safetensors, or loads this file if the run is trained. Then it evaluates and writes result.db. It
 * holds a lock on the folder. On SIGINT, SIGTERM, SIGHUP or SIGUSR1 it saves its state and exits with
 * EXIT_STOPPED. It prints lines of progress:
 *     step 12 400 2.3451 18230.5    step, number of steps, loss, tokens per second; for a task also the share
 *                                   of examples of the trained sizes that the model answers
 *     evaluate 3 8 0.25             evaluation 3 of 8 is a quarter done
 *     note ...                      a message for the user
 */
#ifndef POSLAB_RUN_WORKER_H
#define POSLAB_RUN_WORKER_H

#include "run/run_task.h"

/* Checks that this machine supports the precisions of the task, and that its hints exist. The error
   (EXIT_USAGE) names the key of the config. */
bool worker_check(const RunTask *task, const Config *config, Error *err);

/* Writes FOLDER/config.json and FOLDER/requests.json. */
bool worker_assign(const char *folder, const Config *config, const RunTask *task, Error *err);

typedef struct WorkerOptions {
    const char *config, *task; /* JSON texts that are used instead of the files; NULL: the files */
    const char *source;        /* the name of these texts in errors */
    /* The folder may be on a shared file system and may have results of earlier attempts. These are kept and
       not computed again. The result file is copied from a temporary folder. The worker waits while another
       worker uses the folder. */
    bool shared_folder;
    bool (*take)(void *user, const char *line); /* gets the lines that are otherwise printed; may be NULL */
    void *user;
} WorkerOptions;

/* Installs the signal handlers, which stop the current or the next worker_run, and makes stdout
   line-buffered. Must be called before any output. worker_run also calls it. */
void worker_begin(void);

/* Performs the run in `folder` on `threads` threads; options may be NULL. Returns EXIT_DONE, also if the run
   diverged, or another code with err set. */
ExitCode worker_run(const char *folder, int threads, const WorkerOptions *options, Error *err);

/* With several ranks (sys/mpi.h), either all ranks call worker_run; or rank 0 calls worker_call for each run
   and finally worker_dismiss, while the other ranks are in worker_serve, which returns the code that
   worker_dismiss got. */
ExitCode worker_call(const char *folder, int threads, const WorkerOptions *options, Error *err);
ExitCode worker_dismiss(ExitCode code);
ExitCode worker_serve(int threads);

/* Writes the weights as a safetensors file. Its metadata has the origin of the weights: key, config, corpus
   hash, revision and method files (TrainResult). */
bool worker_write_model(const char *path, const Model *model, const char *key, const char *resolved,
                        const char *corpus_hash, const char *files, Error *err);

/* FOLDER/vocabulary.txt, next to the weights of a corpus of words: tokens mean nothing without it. */
bool worker_write_vocabulary(const char *folder, const Corpus *corpus, Arena *arena, Error *err);

#endif
