/* error: how poslab reports failures.
 *
 * There are three kinds of failure. An error of the outside world (a config, a file, a full disk) fills an
 * Error that the caller owns: the function returns false, and the text says where the problem is and what to
 * do. An error of the program itself is a BUG and aborts. Exhausted memory ends the process (error_fatal).
 */
#ifndef POSLAB_BASE_ERROR_H
#define POSLAB_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes of the program, and therefore the classes of error that an Error carries. */
typedef enum ExitCode {
    EXIT_DONE = 0,        /* everything asked for is there */
    EXIT_SOME_FAILED = 1, /* some runs failed; the others are stored */
    EXIT_USAGE = 2,       /* command line, config or corpus */
    EXIT_STOPPED = 3,     /* work is left: stopped by a signal, or not done yet */
    EXIT_DAMAGED = 4,     /* damaged database or checkpoint */
    EXIT_SYSTEM = 5,      /* input/output or resources */
    EXIT_AGAIN = 75,      /* of a cluster task: stopped, and worth starting again (sysexits.h: EX_TEMPFAIL) */
} ExitCode;

typedef struct Error {
    ExitCode code;
    char text[4096]; /* a sentence for each mistake, on a line of its own: place, what is wrong, remedy */
} Error;

/* Fills *err with one line (a newline in the text becomes '?') and returns false, so that `return
 * error_set(...)` reads as the failure it is. */
bool error_set(Error *err, ExitCode code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with ": " and the text of errno at the end; code EXIT_SYSTEM. */
bool error_system(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds the lines of `other` to the error, each once; the `first` ones replace its text. What does not fit is
   cut off behind a line. Returns false. */
bool error_add(Error *err, const Error *other, bool first);

/* Prints "poslab: ..." to stderr and exits with EXIT_SYSTEM. For exhausted memory and nothing else. */
_Noreturn void error_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void error_bug(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define BUG(...) error_bug(__FILE__, __LINE__, __VA_ARGS__)

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

#endif
