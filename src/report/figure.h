/* figure: a figure as data (panels, lines, points), its data file, and the interface of a kind of figure.
 *
 * A kind is one const FigureKind with a function that fills a Figure from results. The template plots/NAME.gp
 * draws it (plots/curves.gp documents the variables of templates). A point has the mean over seeds, the
 * deviation, and the lowest and highest seed. Lines with equal keys look the same in all panels and share one
 * legend entry; the line of a method has the same colour, marker and dashes in every figure. A panel with
 * more than FIGURE_LINES lines is split into parts that all contain the first line.
 */
#ifndef POSLAB_REPORT_FIGURE_H
#define POSLAB_REPORT_FIGURE_H

#include "analysis/results.h"

enum { FIGURE_LINES = 12 }; /* largest number of lines in a panel */

typedef struct FigurePoint {
    double x, y, deviation, low, high;
    int seeds;
} FigurePoint;

typedef struct FigureLine {
    const char *name; /* in the legend */
    const char *note; /* in the legend after the name, in brackets; "": none */
    const char *key;  /* lines with equal keys look the same in all panels; for methods the name in tables */
    const char *comment; /* in the data file */
    FigurePoint *points;
    int count, panel;
    FigurePoint *marks; /* [mark_count], drawn as "+" */
    int mark_count;
    int legend; /* index of its legend entry */
    int style;  /* index of its style (figure_colour) */
} FigureLine;

typedef struct FigurePanel {
    const char *title;    /* "": none */
    const Series *series; /* the first series; NULL: the panel is of several */
    double mark;          /* x of the vertical line at the training length; 0: none */
    int64_t trained;      /* the training length; 0: several */
} FigurePanel;

/* Options for drawing. */
typedef struct FigureLook {
    const char *title;    /* NULL: the default; "": none */
    const char *font;     /* "Times", "9" or "Times,9": name, size in points, or both; NULL: the default */
    const char *limits;   /* "LOW:HIGH" of the y axis, either may be missing; NULL: from the data */
    double width, height; /* inches; 0: the default */
    int logs;             /* index in figure_log_names */
    int legend;           /* index in figure_legend_names */
    bool script;          /* also write a Python script that draws the data with matplotlib */
    bool values;          /* svg: add the values of points as text, which the page of a report hides */
} FigureLook;

enum { FIGURE_LOG_AUTO, FIGURE_LOG_LINEAR, FIGURE_LOG_X, FIGURE_LOG_Y, FIGURE_LOG_BOTH };
enum { FIGURE_LEGEND_BOTTOM, FIGURE_LEGEND_RIGHT, FIGURE_LEGEND_OFF };
extern const char *const figure_log_names[], *const figure_legend_names[]; /* NULL-terminated */

typedef struct Figure {
    const Results *set;   /* the results that are drawn */
    const Results *whole; /* the whole experiment, which determines styles */
    FigureLook look;
    FigureLine *lines; /* sorted by panel before drawing */
    FigurePanel *panels;
    int line_count, panel_count;
    int64_t *tics; /* ascending x that get labels where there is room; NULL: chosen by gnuplot */
    int tic_count;
    const char *unit;   /* unit of losses: "byte", "token" or "target" */
    const char *x_unit; /* unit of the sizes of a task: "digits of each number" */
    Arena *arena;
} Figure;

typedef struct FigureKind {
    const char *name;                         /* the template is plots/NAME.gp */
    const char *title;                        /* after the name of the experiment */
    const char *x, *y;                        /* names of the columns in the data file */
    const char *xlabel, *ylabel;              /* "%s" is the unit */
    bool (*make)(Figure *figure, Error *err); /* figure->set and ->arena are set */
    const char *missing;                      /* the error if there is nothing to draw */
    double ceiling;  /* the y axis ends at this multiple of the highest y at a panel's mark; 0: no limit */
    double margin;   /* on both sides of a linear x axis, as a share of its range */
    int base;        /* of a logarithmic x axis; 0: x is linear */
    bool linear;     /* y is linear by default */
    bool own_axes;   /* each panel has its own ranges */
    bool of_methods; /* lines are methods, keys are their names */
} FigureKind;

/* The figures: part of the symbols of FigureKind and PlotFigure, and name; the first is the default. */
/* clang-format off */
#define FIGURE_KINDS(X) \
    X(curves, CURVES) X(position, POSITION) X(cost, COST) X(bias, BIAS) X(early, EARLY) X(paper, PAPER) \
    X(loss, LOSS) X(accuracy, ACCURACY)
#define FIGURE_DECLARE(NAME, SYMBOL) extern const FigureKind figure_##NAME;
FIGURE_KINDS(FIGURE_DECLARE)
/* clang-format on */

int figure_panel(Figure *figure, const char *title, double mark, int64_t trained); /* returns its index */
FigureLine *figure_line(Figure *figure, int panel, const char *name, const char *key, const char *comment);

/* The runs of the series that are drawn, as a JSON array of their keys. */
const char *figure_run_keys(const Figure *figure);

void figure_point(Figure *figure, FigureLine *line, FigurePoint point); /* ignored if it is not finite */

/* Marks the line at x, between two of its points; ignored elsewhere. */
void figure_mark(Figure *figure, FigureLine *line, double x);

/* The panel of the series that are `same` as this one. A new panel gets this title, and a mark at the
   training length. */
int figure_panel_of(Figure *figure, const Series *series, bool (*same)(const Series *, const Series *),
                    const char *title);

/* The point for the values of the seeds at x. */
FigurePoint figure_values(const Figure *figure, double x, const double *values, int count);

/* Adds the perplexities of a cell, if it has any. */
void figure_cell(Figure *figure, FigureLine *line, double x, const SeriesCell *cell);

/* The colour of a style, of twelve. The first eight are distinct for people who are colour-blind. */
const char *figure_colour(int style);

/* Marker and dashes of a style: indices into the lists in plots/style.gp. Equal colours differ in them. */
int figure_marker(int style);
int figure_dash(int style);

/* Fills `legend` and `style` of all lines, sorts them by panel, and splits panels with too many. */
void figure_finish(const FigureKind *kind, Figure *figure);

/* Writes the data file, which gnuplot and the script for matplotlib read. */
void figure_put_data(const FigureKind *kind, const Figure *figure, FILE *file);

/* The text of a legend entry: the name with the notes of its lines, truncated to `most` characters. */
const char *figure_legend_text(const Figure *figure, int entry, int most);

/* Draws to a file and writes the data next to it ("a.svg": "a.dat", and "a.py" for a script). template: NULL
   for that of the kind. Errors as in report/plot.h. */
bool figure_draw(const FigureKind *kind, Figure *figure, const char *path, const char *format,
                 const char *template, Error *err);

#endif
