/* escape: writes untrusted text (names in a database, configs, messages of other programs) in any output
 * format.
 *
 * All text from outside of the program is written through these functions. Every format replaces invalid
 * UTF-8, control characters (C0, DEL, C1), characters that reorder a line (bidi embeddings, overrides and
 * isolates) and characters that end a line (U+2028, U+2029): white space becomes a space, any other
 * character or invalid byte becomes U+FFFD. JSON is the exception: it escapes these characters and replaces
 * only invalid bytes.
 */
#ifndef POSLAB_BASE_ESCAPE_H
#define POSLAB_BASE_ESCAPE_H

#include <stdarg.h>

#include "base/arena.h"

typedef enum Escape {
    ESCAPE_LINE,     /* plain text on one line: terminals, comments in data files and scripts */
    ESCAPE_MARKDOWN, /* in a paragraph or a cell */
    ESCAPE_CODE,     /* in a code span of Markdown */
    ESCAPE_LATEX,    /* characters that LaTeX may not support become "?" */
    ESCAPE_XML,      /* also HTML: contents and quoted attributes; tabs and line feeds stay */
    /* a field as in RFC 4180; line breaks stay. Text that a spreadsheet would take for a formula (= + -
       @, a tab or CR at the start) gets an apostrophe before it, unless it is a number */
    ESCAPE_CSV,
    ESCAPE_JSON,    /* a string with its quotes */
    ESCAPE_GNUPLOT, /* a string of gnuplot with its quotes; contents as ESCAPE_LINE */
    ESCAPE_SHELL,   /* a word for a shell; bytes are unchanged */
    ESCAPE_PATH,    /* a path as a string of gnuplot with its quotes; bytes are unchanged */
} Escape;

void escape_put(Escape format, const char *text, FILE *out);
const char *escape_text(Escape format, const char *text, Arena *arena);

/* Writes to `out` without a terminating zero byte and returns the number of bytes. If `out` is NULL, it
   only counts. */
size_t escape_into(Escape format, const char *text, char *out);

/* Prints the formatted text as ESCAPE_LINE, and a newline. */
void escape_line(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void escape_line_list(FILE *out, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* The width of ESCAPE_LINE text on a terminal, in columns. */
int escape_width(const char *text);

/* The code point of the `length` bytes at `at`, and its size in bytes; ESCAPE_INVALID and 1 for a
   byte that does not begin a character: overlong forms, surrogates, above U+10FFFF (RFC 3629). */
enum { ESCAPE_INVALID = 0x110000 };
int escape_decode(const char *at, size_t length, unsigned *code);

/* Bytes of the character at `at`; 0 if it must be replaced. */
int escape_size(const char *at);

#endif
