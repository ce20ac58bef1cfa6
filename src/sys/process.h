/* command: another program's words. No shell is involved. */
#ifndef POSLAB_COMMAND_H
#define POSLAB_COMMAND_H

#include "base/arena.h"

typedef struct CommandResult {
    int code;           /* exit code; 127: there is no such program; -1: a signal ended it */
    const char *output; /* all of its standard output; owned by the arena, like error */
    const char *error;  /* the line of its standard error that tells of an error, or else the first */
} CommandResult;

/* Runs arguments[0], found in PATH, with these arguments (NULL-terminated) and no input, and waits for it.
   False where the system refuses. */
bool command_run(CommandResult *command, const char *const *arguments, Arena *arena, Err *err);

#endif
