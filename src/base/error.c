#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool error_set(Error *err, ExitCode code, const char *format, ...) {
    va_list args;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

bool error_system(Error *err, const char *format, ...) {
    int saved = errno;
    va_list args;
    err->code = EXIT_SYSTEM;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved));
    return false;
}

void error_fatal(const char *format, ...) {
    va_list args;
    fputs("poslab: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(EXIT_SYSTEM);
}

void error_bug(const char *file, int line, const char *format, ...) {
    va_list args;
    fprintf(stderr, "poslab: bug at %s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; please report it with the command and the config\n", stderr);
    abort();
}
