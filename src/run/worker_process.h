/* worker_process: one worker process, as seen by its parent.
 *
 * It starts `poslab worker FOLDER` with stdout and stderr on one pipe, without a shell, splits the output
 * into lines, keeps the last few for the reason of a failure, and writes all of them to FOLDER/log.txt. A
 * worker dies with its parent.
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
    int lines; /* kept so far; the newest WORKER_PROCESS_TAIL are there */
    char tail[WORKER_PROCESS_TAIL][WORKER_PROCESS_LINE];
    char line[WORKER_PROCESS_LINE]; /* still growing */
    size_t used;
} WorkerProcess;

bool worker_process_start(WorkerProcess *child, const char *program, const char *folder, int threads,
                          Error *err);

/* Reads what is there and gives every complete line to `take`, which returns true for lines of progress:
   these are neither kept nor logged. Returns false at the end of the pipe. */
bool worker_process_read(WorkerProcess *child, bool (*take)(void *user, const char *line), void *user);

/* After the end of the pipe: waits and closes. Returns the exit code, or -1 where a signal (in *signal) ended
 * it. */
int worker_process_wait(WorkerProcess *child, int *signal);

/* Why it failed, from the result of worker_process_wait and its last lines; owned by the arena. */
const char *worker_process_reason(const WorkerProcess *child, int code, int signal, Arena *arena);

#endif
