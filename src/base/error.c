#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Formats the text as one line: a file name, for example, may contain a newline. */
static void set_text(Error *err, const char *format, va_list args) {
    vsnprintf(err->text, sizeof err->text, format, args);
    for (char *at = err->text; (at = strchr(at, '\n')) != NULL;) *at = '?';
}

bool error_set(Error *err, ExitCode code, const char *format, ...) {
    va_list args;
    err->code = code;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    return false;
}

bool error_system(Error *err, const char *format, ...) {
    int saved = errno;
    va_list args;
    err->code = EXIT_SYSTEM;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(saved));
    return false;
}

bool error_unknown(Error *err, const char *nearest, const char *otherwise, const char *format, ...) {
    va_list args;
    err->code = EXIT_USAGE;
    va_start(args, format);
    set_text(err, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    const char *remedy = nearest ? "; did you mean '%s'?" : "; %s";
    snprintf(err->text + used, sizeof err->text - used, remedy, nearest ? nearest : otherwise);
    return false;
}

/* Whether a text contains this line of `size` bytes. */
static bool has_line(const char *text, const char *line, size_t size) {
    for (size_t have; *text; text += have + (text[have] == '\n')) {
        have = strcspn(text, "\n");
        if (have == size && strncmp(text, line, size) == 0) return true;
    }
    return false;
}

bool error_add(Error *err, const Error *other, bool first) {
    if (first) *err = (Error){.code = other->code};
    const char *line = other->text;
    for (size_t size; *line; line += size + (line[size] == '\n')) {
        size_t used = strlen(err->text);
        size = strcspn(line, "\n");
        if (used + size + 2 > sizeof err->text) break;
        if (!has_line(err->text, line, size))
            sprintf(err->text + used, "%s%.*s", used ? "\n" : "", (int)size, line);
    }
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
