/* process: starts another program; or runs it without input and returns its exit code and its output.
 *
 * No shell is used: arguments are passed as they are. The program has the default action of the signals that
 * main ignores.
 */
#ifndef POSLAB_SYS_PROCESS_H
#define POSLAB_SYS_PROCESS_H

#include <sys/types.h>

#include "base/arena.h"

/* Gives a program the open file `from` as its descriptor `to`; -1: /dev/null. */
typedef struct ProcessFile {
    int from, to;
} ProcessFile;

/* Starts arguments[0], searched in PATH, with these arguments and this environment (NULL-terminated), and the
   files in their order. Returns 0, or the error as errno has it. */
int process_start(pid_t *pid, const char *const *arguments, char *const *environment,
                  const ProcessFile *files, int count);

/* Waits until a process ends; returns its status as waitpid, or -1. */
int process_wait(pid_t pid);

typedef struct ProcessResult {
    int code;           /* exit code; 127: program not found; -1: ended by a signal */
    const char *output; /* all of its standard output; owned by the arena, like error */
    const char *error;  /* the first line of its standard error with "error", or else the first line */
} ProcessResult;

/* Runs arguments[0], searched in PATH, with these arguments (NULL-terminated). Returns false with err set if
   the system cannot start a process. */
bool process_run(ProcessResult *command, const char *const *arguments, Arena *arena, Error *err);

#endif
