/* plot: extrapolation curves, drawn by gnuplot.
 *
 * Writes what is drawn as text beside the figure (figure.svg: figure.dat), gathers what the template has to
 * know into gnuplot variables, and runs gnuplot on the template, which users may edit (plots/curves.gp says
 * what it gets). One panel for each training length and protocol. Names reach gnuplot as quoted strings only,
 * and no shell.
 */
#ifndef POSLAB_PLOT_H
#define POSLAB_PLOT_H

#include "store.h"

typedef struct PlotOptions {
    const char *experiment; /* NULL: the only one; with several it must be named */
    const char *figure;     /* file to write */
    const char *format;     /* svg, png or pdf; NULL: from the figure's suffix */
    const char *template;   /* NULL: plots/curves.gp here, beside the program, or where it was installed */
} PlotOptions;

/* Errors: nothing to draw, an unknown format (usage); no gnuplot, no template, no space (system). A figure
   that was there stays as it was until the new one is complete. */
bool plot_curves(Store *store, const PlotOptions *options, Err *err);

#endif
