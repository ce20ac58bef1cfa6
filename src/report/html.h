/* html: writes one self-contained page.
 *
 * All text that is not the program's own is an argument of html_put, which escapes it (ESCAPE_XML). The
 * page loads nothing and runs nothing except its one style sheet and one script, which its content security
 * policy names by their SHA-256. It is also well-formed XML.
 */
#ifndef POSLAB_REPORT_HTML_H
#define POSLAB_REPORT_HTML_H

#include "base/table.h"

void html_begin(FILE *out, const char *title); /* to the opening of <main> */
void html_end(FILE *out);

/* Writes the format, in which %s is a text, which is escaped, and %d a number. */
void html_put(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The grids of a table, which the page's script makes sortable; `label` names them for those who do not see
   them. Title, notes and signature are the caller's. */
void html_table(const Table *table, const char *label, FILE *out);

/* The drawing of an SVG file by gnuplot, inline: without prolog, size and titles, its ids made different from
   those of others by `prefix`. Something else than an SVG is left out; returns whether it was one. */
bool html_svg(const char *svg, const char *prefix, const char *label, FILE *out);

#endif
