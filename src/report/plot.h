/* plot: the list of figures, and the command `poslab plot`.
 *
 * Each kind of figure fills a Figure (report/figure.h). Its data are written as text next to the drawing
 * (figure.svg: figure.dat), and plots/NAME.gp, a gnuplot template that users may edit, draws it.
 */
#ifndef POSLAB_REPORT_PLOT_H
#define POSLAB_REPORT_PLOT_H

#include "report/figure.h"

#define PLOT_ENUM(NAME, SYMBOL) PLOT_##SYMBOL,
typedef enum PlotFigure { FIGURE_KINDS(PLOT_ENUM) } PlotFigure;
extern const char *const plot_figure_names[]; /* NULL-terminated */

typedef struct PlotOptions {
    const char *experiment; /* NULL: the only experiment; required if there are several */
    const char *best;       /* paths whose best values are chosen (analysis/results.h); NULL: none */
    PlotFigure kind;
    const char *figure;         /* file to write */
    const char *format;         /* svg, png or pdf; NULL: from the suffix of the file */
    const char *template;       /* NULL: plots/KIND.gp in the current folder, next to the program, or in the
                                   installation */
    const char *const *where;   /* "field=value", NULL-terminated; NULL: all results */
    const char *const *methods; /* names or labels, NULL-terminated; NULL: all */
    FigureLook look;
} PlotOptions;

/* Errors: nothing to draw, an unknown format, a mistake in `where`, `methods` or `look` (usage); no gnuplot,
   no template, no space (system). An existing file stays unchanged until the new one is complete. */
bool plot_figure(Database *store, const PlotOptions *options, Error *err);

/* The same for results that were read before; options->experiment and ->best are not used. */
bool plot_results(const Results *set, const PlotOptions *options, Error *err);

#endif
