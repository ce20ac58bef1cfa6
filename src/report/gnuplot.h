/* gnuplot: runs gnuplot on a template.
 *
 * gnuplot reads its commands from a temporary file: assignments of variables, then `load` of a template
 * that users may edit. Names are passed as quoted strings only, and no shell is used. gnuplot does not
 * notice a full disk, so its output comes through a pipe and is written here (sys/atomic_file.h): an
 * existing figure is unchanged until the new one is complete.
 */
#ifndef POSLAB_REPORT_GNUPLOT_H
#define POSLAB_REPORT_GNUPLOT_H

#include "base/json.h"

extern const char *const gnuplot_formats[]; /* "svg", "png", "pdf", NULL */

/* A path as a string of gnuplot. */
const char *gnuplot_path(const char *path, Arena *arena);

/* A template of that name ("curves.gp"): in the folder of `beside` (if not NULL), in plots/ here, where the
   program was built, or where it was installed. NULL and err if there is none. */
const char *gnuplot_template(const char *name, const char *beside, Arena *arena, Error *err);

/* The temporary file for commands, with the variables `figure` and `format` set; NULL and err on failure. */
FILE *gnuplot_begin(const char *format, Arena *arena, Error *err);

/* Sets a variable for each member of an object. A member that is a list of objects becomes its number of
   items and, if there are any, an array for each member of the items. */
void gnuplot_set(FILE *script, const Json *variables, Arena *arena);

/* Loads the template, runs gnuplot, closes the script and puts the figure in its place. */
bool gnuplot_end(FILE *script, const char *figure, const char *template, Arena *arena, Error *err);

#endif
