/* process: runs another program and returns its exit code and its output.
 *
 * No shell is used: arguments are passed as they are. The program gets no input, and the caller waits until
 * it ends.
 */
#ifndef POSLAB_SYS_PROCESS_H
#define POSLAB_SYS_PROCESS_H

#include "base/arena.h"

typedef struct ProcessResult {
    int code;           /* exit code; 127: program not found; -1: ended by a signal */
    const char *output; /* all of its standard output; owned by the arena, like error */
    const char *error;  /* the first line of its standard error with "error", or else the first line */
} ProcessResult;

/* Runs arguments[0], searched in PATH, with these arguments (NULL-terminated). Returns false with err set if
   the system cannot start a process. */
bool process_run(ProcessResult *command, const char *const *arguments, Arena *arena, Error *err);

#endif
