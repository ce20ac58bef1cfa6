/* worker_process: starts a worker process, reads its output and waits for its end.
 *
 * `poslab worker FOLDER` is started without a shell, with stdout and stderr on one pipe. Lines of progress go
 * to the caller; other lines are appended to FOLDER/log.txt, and the last few are kept for the reason of a
 * failure. The kernel kills a worker whose parent dies.
 */
#ifndef POSLAB_RUN_WORKER_PROCESS_H
#define POSLAB_RUN_WORKER_PROCESS_H

#include <sys/types.h>

#include "base/arena.h"

enum { WORKER_PROCESS_LINE = 512, WORKER_PROCESS_TAIL = 4 };

typedef struct WorkerProcess {
    pid_t pid;
    int pipe;                                            /* for poll and worker_process_read */
    int log;                                             /* descriptor of log.txt */
    int lines;                                           /* number of lines so far, without progress */
    char tail[WORKER_PROCESS_TAIL][WORKER_PROCESS_LINE]; /* the last of them: line i is at i % TAIL */
    char line[WORKER_PROCESS_LINE];                      /* the incomplete line, of `used` bytes */
    size_t used;
} WorkerProcess;

/* Starts `program` as a worker with `threads` threads. Fails with EXIT_SYSTEM. */
bool worker_process_start(WorkerProcess *child, const char *program, const char *folder, int threads,
                          Error *err);

/* Reads the available output and passes every complete line to `take`, which returns true for lines of
   progress. Other lines are kept and logged. Returns false at the end of the pipe. */
bool worker_process_read(WorkerProcess *child, bool (*take)(void *user, const char *line), void *user);

/* Waits for the process after the end of the pipe, and closes the files. Returns the exit code, or -1 with
 *signal set if a signal ended the process. */
int worker_process_wait(WorkerProcess *child, int *signal);

/* The reason of a failure as text: exit code or signal, and the last lines. Owned by the arena. */
const char *worker_process_reason(const WorkerProcess *child, int code, int signal, Arena *arena);

#endif
