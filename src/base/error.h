/* error: how poslab reports failures.
 *
 * There are three kinds of failure. If a config, a file or the system is at fault, a function fills the
 * Error of its caller and returns false; the text says where the problem is and what to do. A mistake of
 * the program itself is a BUG and aborts. Exhausted memory ends the process (error_fatal).
 */
#ifndef POSLAB_BASE_ERROR_H
#define POSLAB_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes of the program; an Error has one of them as its class. */
typedef enum ExitCode {
    EXIT_DONE = 0,        /* everything that was requested is done */
    EXIT_SOME_FAILED = 1, /* some runs failed; the results of the others are stored */
    EXIT_USAGE = 2,       /* an error of the command line, the config or the corpus */
    EXIT_STOPPED = 3,     /* work remains: stopped by a signal, or not done yet */
    EXIT_DAMAGED = 4,     /* a damaged database or checkpoint */
    EXIT_SYSTEM = 5,      /* input/output or resources */
    EXIT_AGAIN = 75,      /* of a Slurm task: stopped, should be requeued (EX_TEMPFAIL of sysexits.h) */
} ExitCode;

typedef struct Error {
    ExitCode code;
    char text[4096]; /* one line for each mistake: place, problem, remedy */
} Error;

/* Fills *err with one line (a newline in the text becomes '?') and returns false, so that callers can write
   `return error_set(...)`. */
bool error_set(Error *err, ExitCode code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set with EXIT_SYSTEM; appends ": " and the text of errno. */
bool error_system(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The error (EXIT_USAGE) about an unknown name: the text, then "; did you mean 'NEAREST'?", or "; OTHERWISE"
   if `nearest` is NULL. */
bool error_unknown(Error *err, const char *nearest, const char *otherwise, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends the lines of `other` to *err, without duplicates; if `first`, they replace its text. Lines that
   do not fit are dropped. Returns false. */
bool error_add(Error *err, const Error *other, bool first);

/* Prints "poslab: ..." to stderr and exits with EXIT_SYSTEM. Only for exhausted memory. */
_Noreturn void error_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

_Noreturn void error_bug(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#define BUG(...) error_bug(__FILE__, __LINE__, __VA_ARGS__)

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))

#endif
