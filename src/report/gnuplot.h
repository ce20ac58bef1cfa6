/* gnuplot: runs gnuplot on a template.
 *
 * gnuplot reads commands from a temporary file: assignments of variables, then `load` of a template that
 * users may edit. Names are passed only as quoted strings, and no shell is used. gnuplot does not detect a
 * full disk, so its output is read through a pipe and written here (sys/atomic_file.h). An existing figure
 * stays unchanged until the new one is complete.
 */
#ifndef POSLAB_REPORT_GNUPLOT_H
#define POSLAB_REPORT_GNUPLOT_H

#include "base/json.h"

extern const char *const gnuplot_formats[]; /* "svg", "png", "pdf", NULL */

/* A path as a string of gnuplot. */
const char *gnuplot_path(const char *path, Arena *arena);

/* Finds a template by its name ("curves.gp"): in the folder of `beside` (if not NULL), in plots/ of the
   current folder, where the program was built, or where it was installed. Returns NULL with err set if there
   is none. */
const char *gnuplot_template(const char *name, const char *beside, Arena *arena, Error *err);

/* Opens the temporary file, with the variables `figure` and `format` set. NULL with err set on failure. */
FILE *gnuplot_begin(const char *format, Arena *arena, Error *err);

/* Sets a variable for each member of an object. A list of objects becomes a variable with the number of items
   and, if there are any, an array for each member of the items. */
void gnuplot_set(FILE *script, const Json *variables, Arena *arena);

/* Adds `load` of the template, runs gnuplot, closes the script, and replaces the figure. */
bool gnuplot_end(FILE *script, const char *figure, const char *template, Arena *arena, Error *err);

#endif
