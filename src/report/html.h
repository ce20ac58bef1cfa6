/* html: writes one self-contained page.
 *
 * All text from outside of the program is an argument of html_put, which escapes it (ESCAPE_XML). The page
 * loads nothing. It runs only its own style sheet and script, whose SHA-256 are in its content security
 * policy. It is also well-formed XML.
 */
#ifndef POSLAB_REPORT_HTML_H
#define POSLAB_REPORT_HTML_H

#include "base/table.h"

void html_begin(FILE *out, const char *title); /* to the opening of <main> */
void html_end(FILE *out);

/* Writes the format. %s is a text, which is escaped, %d a number. */
void html_put(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes the grids of a table; the script of the page makes them sortable. `label` is their name for screen
   readers. The caller writes title, notes and signature. */
void html_table(const Table *table, const char *label, FILE *out);

/* Writes the content of an SVG file by gnuplot inline, without prolog, size and titles. `prefix` makes its
   ids unique in the page. Returns false, without output, if the file is not an SVG. */
bool html_svg(const char *svg, const char *prefix, const char *label, FILE *out);

#endif
