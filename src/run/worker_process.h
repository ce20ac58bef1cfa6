/* worker_process: starts a worker process, reads its output and waits for its end.
 *
 * It starts `poslab worker FOLDER` with stdout and stderr on one pipe, without a shell, splits the output
 * into lines, keeps the last few for the reason of a failure, and writes all of them to FOLDER/log.txt. A
 * worker is killed if its parent dies.
 */
#ifndef POSLAB_RUN_WORKER_PROCESS_H
#define POSLAB_RUN_WORKER_PROCESS_H

#include <sys/types.h>

#include "base/arena.h"

enum { WORKER_PROCESS_LINE = 512, WORKER_PROCESS_TAIL = 4 };

typedef struct WorkerProcess {
    pid_t pid;
    int pipe; /* to poll for reading */
    int log;
    int lines; /* lines so far; the last WORKER_PROCESS_TAIL are kept */
    char tail[WORKER_PROCESS_TAIL][WORKER_PROCESS_LINE];
    char line[WORKER_PROCESS_LINE]; /* the incomplete line */
    size_t used;
} WorkerProcess;

bool worker_process_start(WorkerProcess *child, const char *program, const char *folder, int threads,
                          Error *err);

/* Reads the available output and passes every complete line to `take`, which returns true for lines of
   progress: these are neither kept nor logged. Returns false at the end of the pipe. */
bool worker_process_read(WorkerProcess *child, bool (*take)(void *user, const char *line), void *user);

/* Called after the end of the pipe: waits for the process and closes the files. Returns the exit code, or -1
   with *signal set if a signal ended it. */
int worker_process_wait(WorkerProcess *child, int *signal);

/* The reason of a failure, from the result of worker_process_wait and the last lines; owned by the arena. */
const char *worker_process_reason(const WorkerProcess *child, int code, int signal, Arena *arena);

#endif
