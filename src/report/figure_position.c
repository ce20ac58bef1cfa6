/* figure_position: the figures `position` (loss by position in the window) and `cost` (cost against
 * perplexity).
 */
#include "report/figure.h"
#include "store/bench_results.h"

#include <math.h>
#include <string.h>

/* The longest cell that has a loss; NULL without any. */
static const SeriesCell *longest_cell(const Series *series) {
    for (int k = series->count - 1; k >= 0; k--)
        if (series->cells[k].count) return &series->cells[k];
    return NULL;
}

/* --- position: at the longest length evaluated; one panel for each training length and split. With a stride
   the early positions are those of the first window only --- */

/* The loss of each seed. Positions count from 1; a bin is drawn at its geometric middle. */
static bool add_bins(Figure *figure, FigureLine *line, Database *store, const SeriesCell *cell, Error *err) {
    double *nats = NEW(figure->arena, RESULTS_BINS * cell->count, double); /* [bins, cell->count] */
    ResultsBin bins[RESULTS_BINS];
    int common = RESULTS_BINS;
    for (int s = 0; s < cell->count; s++) {
        int count = results_bins(bins, store, &cell->seeds[s], err);
        if (count < 0) return false;
        if (count < common) common = count;
        for (int b = 0; b < count; b++) nats[b * cell->count + s] = bins[b].nats / (double)bins[b].tokens;
    }
    for (int b = 0; b < common; b++) {
        double middle = sqrt(((double)bins[b].first + 1) * ((double)bins[b].last + 1));
        figure_point(figure, line, figure_values(middle, nats + b * cell->count, cell->count));
    }
    return true;
}

static bool make_position(Figure *figure, Database *store, Error *err) {
    figure->linear = true;
    for (int i = 0; i < figure->set->count; i++) {
        const Series *series = &figure->set->items[i];
        const SeriesCell *cell = longest_cell(series);
        if (!series_nonoverlapping(series)) continue;
        int panel = figure_panel_of(figure, series, series_comparable, series->evaluated);
        if (!cell) continue;
        const char *comment =
            arena_format(figure->arena, "trained at %lld, evaluated at %lld; %s",
                         (long long)series->train_length, (long long)cell->length, series->evaluated);
        const char *name = arena_format(figure->arena, "%s, to %lld", series->name, (long long)cell->length);
        FigureLine *line = figure_line(figure, panel, name, series->name, comment);
        if (!add_bins(figure, line, store, cell, err)) return false;
    }
    return true;
}

const FigureKind figure_position = {
    .name = "position",
    .help = "loss by position in the longest windows evaluated",
    .x = "position",
    .y = "nats per token",
    .make = make_position,
    .missing = "no losses by position to draw yet",
};

/* --- cost: training speed against perplexity, at the training length and at the longest. The speed is that
   of a bench: what runs took depends on what else the machine did --- */

/* A bench that measured all that was trained at this length; NULL if there is none. */
static const BenchRecord *find_bench(const BenchResults *list, const Results *set, int64_t length) {
    for (int b = 0; b < list->count; b++) {
        bool all = list->items[b].own;
        for (int i = 0; i < set->count; i++)
            all &= set->items[i].train_length != length ||
                   bench_results_find(&list->items[b], set->items[i].run_label, length, true);
        if (all) return &list->items[b];
    }
    return NULL;
}

static const char *panel_title(const Series *series, const SeriesCell *cell, Arena *arena) {
    return arena_format(arena, "trained at %lld, evaluated at %lld", (long long)series->train_length,
                        (long long)(cell ? cell->length : 0));
}

static bool make_cost(Figure *figure, Database *store, Error *err) {
    Arena *arena = figure->arena;
    const Results *set = figure->set;
    const BenchResults *benches = bench_results_read(store, set->experiment, arena, err);
    if (!benches) return false;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const SeriesCell *cells[] = {series_cell(series, series->train_length), longest_cell(series)};
        const BenchRecord *bench = find_bench(benches, set, series->train_length);
        if (!series_nonoverlapping(series) || !bench) continue;
        double speed = bench_results_find(bench, series->run_label, series->train_length, true)->rate;
        int known = figure->panel_count;
        int panel = figure_panel_of(figure, series, series_comparable, panel_title(series, cells[0], arena));
        if (panel == known) { /* the panel of the longest lengths follows it */
            figure->panels[panel].mark = 0;
            figure_panel(figure, panel_title(series, cells[1], arena), 0, series->train_length);
        }
        for (int c = 0; c < COUNT_OF(cells); c++) {
            if (!cells[c] || !cells[c]->count || !series->run_count) continue;
            if (c > 0 && cells[0] == cells[1]) continue;
            const char *comment = arena_format(arena, "%s; %s; %lld bytes; speed of the bench",
                                               panel_title(series, cells[c], arena), series->evaluated,
                                               (long long)series->runs[0].cost[SERIES_BYTES]);
            FigureLine *line = figure_line(figure, panel + c, series->name, series->name, comment);
            figure_cell(figure, line, speed, cells[c]);
        }
    }
    return true;
}

const FigureKind figure_cost = {
    .name = "cost",
    .help = "training speed against perplexity, at the training length and at the longest evaluated",
    .x = "training tokens per second",
    .y = "perplexity",
    .make = make_cost,
    .missing =
        "no bench of all its methods, or no perplexity yet; `poslab bench CONFIG --db DB` measures speeds",
};
