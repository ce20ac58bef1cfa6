#include "report/plot.h"

#include <string.h>

#include "base/options.h"
#include "store/database.h"
#include "store/runs.h"
#include "report/figure.h"
#include "report/gnuplot.h"

#define FIGURES(X) X(curves) X(position) X(cost) X(bias) X(early) X(paper) X(loss)
#define KIND(NAME) &figure_##NAME,
#define NAME(NAME) #NAME,

static const FigureKind *const kinds[] = {FIGURES(KIND)};
const char *const plot_figure_names[] = {FIGURES(NAME) NULL};

static const FigureKind *find_kind(const char *name, Error *err) {
    if (!name) return kinds[0];
    for (int i = 0; i < COUNT_OF(kinds); i++)
        if (!strcmp(plot_figure_names[i], name)) return kinds[i];
    const char *nearest = options_nearest_name(name, plot_figure_names);
    if (nearest)
        error_set(err, EXIT_USAGE, "there is no figure '%s'; did you mean '%s'?", name, nearest);
    else
        error_set(err, EXIT_USAGE, "there is no figure '%s'; `poslab plot --help` lists them", name);
    return NULL;
}

/* The suffix of a path without the dot, "" if it has none. */
static const char *path_suffix(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    return dot ? dot + 1 : "";
}

static const char *find_format(const PlotOptions *options, Error *err) {
    const char *name = options->format ? options->format : path_suffix(options->figure);
    for (int i = 0; gnuplot_formats[i]; i++)
        if (!strcmp(gnuplot_formats[i], name)) return gnuplot_formats[i];
    error_set(err, EXIT_USAGE, "unknown figure format '%s'; there are svg, png and pdf", name);
    return NULL;
}

/* The name of the experiment to draw. */
static const char *find_experiment(Database *store, const char *wanted, Arena *arena, Error *err) {
    int count = 0;
    const char **names = runs_experiments(store, wanted, &count, arena, err);
    if (!names || count == 1) return names ? names[0] : NULL;
    error_set(err, EXIT_USAGE, "database '%s' has %d experiments ('%s', '%s', ...); name the one to draw",
              database_path(store), count, names[0], names[1]);
    return NULL;
}

bool plot_results(Database *store, const Results *set, const PlotOptions *options, Error *err) {
    const FigureKind *kind = find_kind(options->kind, err);
    const char *format = kind ? find_format(options, err) : NULL;
    if (!format) return false;
    Arena *arena = arena_new(0);
    Figure figure = {.set = set, .arena = arena};
    bool fine = kind->make(&figure, store, err) &&
                figure_draw(kind, &figure, options->figure, format, options->template, err);
    arena_free(arena);
    return fine;
}

bool plot_figure(Database *store, const PlotOptions *options, Error *err) {
    Arena *arena = arena_new(0);
    const char *name = find_experiment(store, options->experiment, arena, err);
    const Results *set = name ? results_read(store, name, arena, err) : NULL;
    bool fine = set && plot_results(store, set, options, err);
    arena_free(arena);
    return fine;
}
