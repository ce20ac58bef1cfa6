/* report_figures: all figures of an experiment, inline in a page.
 *
 * gnuplot draws them from the standard templates in a temporary folder, which is removed. Figures without
 * data are left out; where drawing fails (no gnuplot), a note says why, in the page and on stderr.
 */
#ifndef POSLAB_REPORT_REPORT_FIGURES_H
#define POSLAB_REPORT_REPORT_FIGURES_H

#include "analysis/results.h"

/* index: among the experiments of the page, so that ids differ. Errors: no temporary folder. */
bool report_figures_write(Database *store, const Results *set, int index, FILE *out, Arena *arena,
                          Error *err);

#endif
