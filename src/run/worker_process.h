/* child: one worker process, as its parent sees it.
 *
 * Starts `poslab worker FOLDER` with stdout and stderr on one pipe, splits what comes into lines, keeps the
 * last few for the reason of a failure, and writes them to FOLDER/log.txt. A child dies with its parent.
 */
#ifndef POSLAB_CHILD_H
#define POSLAB_CHILD_H

#include <sys/types.h>

#include "base/arena.h"

enum { CHILD_LINE = 512, CHILD_TAIL = 4 };

typedef struct Child {
    pid_t pid;
    int pipe; /* to poll for reading */
    int log;
    int lines; /* kept so far; the newest CHILD_TAIL are there */
    char tail[CHILD_TAIL][CHILD_LINE];
    char line[CHILD_LINE]; /* still growing */
    size_t used;
} Child;

bool child_start(Child *child, const char *program, const char *folder, int threads, Err *err);

/* Reads what is there and gives every complete line to `take`, which returns true for lines of progress:
   these are neither kept nor logged. Returns false at the end of the pipe. */
bool child_read(Child *child, bool (*take)(void *user, const char *line), void *user);

/* After the end of the pipe: waits and closes. Returns the exit code, or -1 where a signal (in *signal) ended
 * it. */
int child_wait(Child *child, int *signal);

/* Why it failed, from the result of child_wait and its last lines; owned by the arena. */
const char *child_reason(const Child *child, int code, int signal, Arena *arena);

#endif
