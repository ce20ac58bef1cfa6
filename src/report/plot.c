#include "report/plot.h"

#include <string.h>

#include "base/text.h"
#include "data/corpus_options.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/selection.h"
#include "report/gnuplot.h"

#define KIND(NAME, SYMBOL) &figure_##NAME,
#define NAME(NAME, SYMBOL) #NAME,
static const FigureKind *const kinds[] = {FIGURE_KINDS(KIND)};
const char *const plot_figure_names[] = {FIGURE_KINDS(NAME) NULL};

static const char *find_format(const PlotOptions *options, Error *err) {
    const char *suffix = options->figure + text_stem(options->figure);
    const char *name = options->format ? options->format : suffix + (*suffix == '.');
    int format = text_index(name, gnuplot_formats);
    if (format >= 0) return gnuplot_formats[format];
    error_set(err, EXIT_USAGE, "unknown figure format '%s'; known: svg, png and pdf", name);
    return NULL;
}

/* Chooses the experiment to draw. */
static const char *find_experiment(Database *store, const char *wanted, Arena *arena, Error *err) {
    int count = 0;
    const char **names = database_experiments(store, wanted, &count, arena, err);
    if (!names || count == 1) return names ? names[0] : NULL;
    error_set(err, EXIT_USAGE, "database '%s' has %d experiments ('%s', '%s', ...); name the one to draw",
              database_path(store), count, names[0], names[1]);
    return NULL;
}

/* Checks that the figure exists for experiments on text, or on tasks. */
static const FigureKind *find_kind(const Results *set, PlotFigure kind, Error *err) {
    if (!set->task || kind == PLOT_ACCURACY || kind == PLOT_BIAS || kind == PLOT_LOSS) return kinds[kind];
    error_set(err, EXIT_USAGE,
              "figure '%s' is for experiments on text, '%s' is on the task '%s'; draw accuracy",
              plot_figure_names[kind], set->experiment, set->task);
    return NULL;
}

/* The unit of losses and perplexities: "byte", "token", or of a task "target". */
static const char *find_unit(const Results *set) {
    if (set->task) return "target";
    for (int i = 0; i < set->count; i++)
        for (int k = 0; k < set->items[i].count; k++)
            for (int s = 0; s < set->items[i].cells[k].seeds_requested; s++) {
                const char *tokenizer = set->items[i].cells[k].seeds[s].tokenizer;
                if (!tokenizer || strcmp(tokenizer, tokenizer_names[TOKENIZER_BYTES])) return "token";
            }
    return "byte";
}

bool plot_results(const Results *set, const PlotOptions *options, Error *err) {
    const FigureKind *kind = find_kind(set, options->kind, err);
    if (!kind) return false;
    const char *format = find_format(options, err);
    if (!format) return false;
    Arena *arena = arena_new(0);
    Figure figure = {.set = set, .whole = set, .look = options->look, .arena = arena};
    int one = 1;
    bool fine = selection_apply(&figure.set, &one, options->where, options->methods, arena, err);
    if (fine) figure.unit = find_unit(figure.set);
    fine = fine && kind->make(&figure, err) &&
           figure_draw(kind, &figure, options->figure, format, options->template, err);
    arena_free(arena);
    return fine;
}

bool plot_figure(Database *store, const PlotOptions *options, Error *err) {
    Arena *arena = arena_new(0);
    const char *name = find_experiment(store, options->experiment, arena, err);
    const Results *set = name ? results_read(store, name, options->best, arena, err) : NULL;
    PlotOptions chosen = *options;
    if (set && set->task && chosen.kind == PLOT_CURVES)
        chosen.kind = PLOT_ACCURACY; /* the default figure for tasks */
    bool fine = set && plot_results(set, &chosen, err);
    arena_free(arena);
    return fine;
}
