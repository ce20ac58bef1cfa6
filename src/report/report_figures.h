/* report_figures: the figures of an experiment, inline in a page.
 *
 * gnuplot draws them from the standard templates in a temporary folder. Figures without data are omitted. If
 * drawing fails, for example without gnuplot, a note in the page and on stderr says why.
 */
#ifndef POSLAB_REPORT_REPORT_FIGURES_H
#define POSLAB_REPORT_REPORT_FIGURES_H

#include "analysis/results.h"

typedef enum ReportFigures {
    REPORT_FIGURES_NONE,
    REPORT_FIGURES_MAIN,  /* perplexity by evaluation length */
    REPORT_FIGURES_PAPER, /* compared with the paper's */
    REPORT_FIGURES_MORE,  /* all others */
} ReportFigures;

/* Writes the figures of a group. figureless: set if drawing fails; if it is already set, nothing is written.
   index: of the experiment in the page, for unique ids. Errors: no temporary folder. */
bool report_figures_write(const Results *set, int index, ReportFigures group, bool *figureless, FILE *out,
                          Arena *arena, Error *err);

#endif
