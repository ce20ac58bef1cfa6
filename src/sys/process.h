/* process: runs another program and returns its exit code and its output.
 *
 * No shell is used: arguments are passed as they are. The program gets no input, and the caller waits until
 * it ends.
 */
#ifndef POSLAB_SYS_PROCESS_H
#define POSLAB_SYS_PROCESS_H

#include "base/arena.h"

typedef struct ProcessResult {
    int code;           /* exit code; 127: there is no such program; -1: a signal ended it */
    const char *output; /* all of its standard output; owned by the arena, like error */
    const char *error;  /* the line of its standard error that tells of an error, or else the first */
} ProcessResult;

/* Runs arguments[0], found in PATH, with these arguments (NULL-terminated) and no input, and waits for it.
   False where the system refuses. */
bool process_run(ProcessResult *command, const char *const *arguments, Arena *arena, Error *err);

#endif
