/* escape: untrusted text (names in a database, configs, messages of other programs) in every output format.
 *
 * All text that does not come from the program itself is written through one of these functions. All formats
 * replace invalid UTF-8, control characters (C0, DEL, C1), characters that reorder a line (bidi embeddings,
 * overrides and isolates) and characters that end a line (U+2028, U+2029): white space becomes a space,
 * others become U+FFFD, one for each character or invalid byte. JSON escapes them instead and replaces only
 * invalid bytes.
 */
#ifndef POSLAB_BASE_ESCAPE_H
#define POSLAB_BASE_ESCAPE_H

#include <stdarg.h>

#include "base/arena.h"

typedef enum Escape {
    ESCAPE_LINE,     /* plain text on one line: terminals, comments in data files and scripts */
    ESCAPE_MARKDOWN, /* within a paragraph or a cell */
    ESCAPE_CODE,     /* between backticks of Markdown */
    ESCAPE_LATEX,    /* characters that LaTeX may not know are "?" */
    ESCAPE_XML,      /* also HTML: contents and quoted attributes; tabs and line feeds are kept */
    ESCAPE_CSV,      /* a field as in RFC 4180; line breaks are kept. Text that a spreadsheet would take for a
                        formula (= + - @, a tab or CR at the start) gets an apostrophe before it, unless it is a
                        number */
    ESCAPE_JSON,     /* a string, with its quotes */
    ESCAPE_GNUPLOT,  /* a string of gnuplot, with its quotes: ESCAPE_LINE within */
    ESCAPE_SHELL,    /* a word; bytes are unchanged */
    ESCAPE_PATH,     /* a path as a string of gnuplot, with its quotes; bytes are unchanged */
} Escape;

void escape_put(Escape format, const char *text, FILE *out);
const char *escape_text(Escape format, const char *text, Arena *arena);

/* Writes to `out`, without a terminating zero byte, and returns the number of bytes; with out NULL it only
   counts. */
size_t escape_into(Escape format, const char *text, char *out);

/* Prints one line: the formatted text as ESCAPE_LINE, and a newline. */
void escape_line(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
void escape_line_list(FILE *out, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* The width of ESCAPE_LINE text on a terminal, in characters. */
int escape_width(const char *text);

/* The code point of the `length` bytes at `at`, and its size in bytes; ESCAPE_INVALID and 1 for a
   byte that does not begin a character: overlong forms, surrogates, above U+10FFFF (RFC 3629). */
enum { ESCAPE_INVALID = 0x110000 };
int escape_decode(const char *at, size_t length, unsigned *code);

/* Bytes of the character at `at`; 0 if it must be replaced. */
int escape_size(const char *at);

#endif
