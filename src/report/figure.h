/* figure: panels, lines and points of a figure, its data file, and the interface of the kinds of figures.
 *
 * A figure has panels, a panel has lines, a line has points, each with a mean over seeds, its deviation and
 * the lowest and highest seed. A panel with more than FIGURE_STYLES different lines is drawn in parts, with
 * the first line in each. The figure is written as a data file, one block per line, and drawn by the
 * template of its kind (plots/NAME.gp; plots/curves.gp documents the variables that every template gets). A
 * kind of figure is one const FigureKind, with a function that fills a Figure from an experiment.
 */
#ifndef POSLAB_REPORT_FIGURE_H
#define POSLAB_REPORT_FIGURE_H

#include "analysis/results.h"

enum { FIGURE_STYLES = 8 }; /* lines that plots/style.gp tells apart */

typedef struct FigurePoint {
    double x, y, deviation, low, high;
    int seeds;
} FigurePoint;

typedef struct FigureLine {
    const char *name;    /* in the legend */
    const char *key;     /* lines of equal keys look the same in every panel */
    const char *comment; /* in the data file */
    FigurePoint *points;
    int count, panel;
} FigureLine;

typedef struct FigurePanel {
    const char *title;    /* "" for none */
    const Series *series; /* the first; NULL: several */
    double mark;          /* x of a vertical line, the training length; 0: none */
    int64_t trained;      /* the training length; 0: several */
} FigurePanel;

typedef struct Figure {
    const Results *set;
    FigureLine *lines; /* sorted by panel when drawn */
    FigurePanel *panels;
    int line_count, panel_count;
    int64_t *tics; /* ascending x with labels where there is room; NULL: gnuplot's choice */
    int tic_count;
    bool linear; /* y is not logarithmic, however far it reaches */
    Arena *arena;
} Figure;

typedef struct FigureKind {
    const char *name, *help;                                   /* the template is plots/NAME.gp */
    const char *y, *x;                                         /* what they are, for the data file */
    bool (*make)(Figure *figure, Database *store, Error *err); /* figure->set and ->arena are given */
    const char *missing;                                       /* why there may be nothing to draw */
    double ceiling; /* the axis ends at this multiple of the highest y at a panel's mark; 0: no limit */
} FigureKind;

extern const FigureKind figure_curves, figure_position, figure_cost, figure_bias, figure_early, figure_paper,
    figure_loss, figure_accuracy;

int figure_panel(Figure *figure, const char *title, double mark, int64_t trained); /* returns its index */
FigureLine *figure_line(Figure *figure, int panel, const char *name, const char *key, const char *comment);
void figure_point(Figure *figure, FigureLine *line, FigurePoint point); /* left out where it is not finite */

/* The panel of the series that are the same in what `same` compares; if it is missing, it is made with this
   title and a mark at the training length. */
int figure_panel_of(Figure *figure, const Series *series, bool (*same)(const Series *, const Series *),
                    const char *title);

/* A point of the seeds' values at x. */
FigurePoint figure_values(double x, const double *values, int count);

/* Adds the perplexities of a cell, if it has any. */
void figure_cell(Figure *figure, FigureLine *line, double x, const SeriesCell *cell);

/* Draws to a file and writes the data next to it ("a.svg": "a.dat"); template: NULL for the kind's own.
   Errors as in report/plot.h. */
bool figure_draw(const FigureKind *kind, Figure *figure, const char *path, const char *format,
                 const char *template, Error *err);

#endif
