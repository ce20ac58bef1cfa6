/* report_figures: all figures of an experiment, inline in a page.
 *
 * They are drawn by gnuplot from the standard templates, in a temporary folder that is removed. Figures for
 * which there is nothing to draw are left out; where drawing fails (no gnuplot), a note says why,
 * here and on stderr.
 */
#ifndef POSLAB_REPORT_REPORT_FIGURES_H
#define POSLAB_REPORT_REPORT_FIGURES_H

#include "store/database.h"

/* index: among the experiments of the page, so that ids differ. Errors: no temporary folder. */
bool report_figures_write(Database *store, const char *experiment, int index, FILE *out, Arena *arena,
                          Error *err);

#endif
