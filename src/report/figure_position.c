/* figure_position: the figures `position` (loss by position in the window) and `cost` (cost against
 * perplexity).
 */
#include "report/figure.h"
#include "store/bench_results.h"
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

static bool same_panel(const Series *a, const Series *b) {
    return a->train_length == b->train_length && !strcmp(a->corpus, b->corpus) && results_same_protocol(a, b);
}

static int first_like(const Results *set, int index) {
    int first = 0;
    while (!same_panel(&set->items[first], &set->items[index])) first++;
    return first;
}

/* The longest cell that has a loss; NULL without any. */
static const ResultsCell *longest_cell(const Series *series) {
    for (int k = series->count - 1; k >= 0; k--)
        if (series->cells[k].count) return &series->cells[k];
    return NULL;
}

/* Whether windows do not overlap: with a stride the early positions are those of the first window only, and
   what a method costs is the same. */
static bool is_plain(const Series *series) {
    return !strcmp(series->protocol, evaluate_protocol_names[EVALUATE_NONOVERLAPPING]) &&
           !strcmp(series->rule, "L");
}

/* --- position: at the longest length evaluated; one panel for each training length and split --- */

enum { MOST_BINS = 128 };

/* nats[bins, cell->count]: loss of each seed. Positions count from 1; a bin is drawn at its geometric middle.
 */
static bool add_bins(Figure *figure, FigureLine *line, Database *store, const ResultsCell *cell, Error *err) {
    double *nats = NEW(figure->arena, MOST_BINS * cell->count, double), middles[MOST_BINS];
    int bins = 0;
    for (int s = 0; s < cell->count; s++) {
        const char *const parameters[] = {
            arena_format(figure->arena, "%lld", (long long)cell->seeds[s].evaluation), NULL};
        Query *query =
            query_begin(store,
                        "SELECT first, last, nll_sum / tokens FROM position_loss WHERE evaluation = ?"
                        " AND tokens > 0 ORDER BY first",
                        parameters);
        int bin = 0;
        for (; query_next(query) && bin < MOST_BINS; bin++) {
            middles[bin] = sqrt((query_real(query, 0) + 1) * (query_real(query, 1) + 1));
            nats[bin * cell->count + s] = query_real(query, 2);
        }
        if (!query_end(query, err)) return false;
        bins = s ? (bin < bins ? bin : bins) : bin;
    }
    for (int b = 0; b < bins; b++)
        figure_point(figure, line, figure_values(middles[b], nats + b * cell->count, cell->count));
    return true;
}

static bool make_position(Figure *figure, Database *store, Error *err) {
    const Results *set = results_read(store, figure->experiment, figure->arena, err);
    if (!set) return false;
    int *panels = NEW(figure->arena, set->count, int);
    figure->signature = set->signature;
    figure->linear = true;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const ResultsCell *cell = longest_cell(series);
        int first = first_like(set, i);
        if (!is_plain(series)) continue;
        panels[i] = first < i ? panels[first]
                              : figure_panel(figure, series->evaluated, (double)series->train_length,
                                             series->train_length);
        if (!cell) continue;
        const char *comment =
            arena_format(figure->arena, "trained at %lld, evaluated at %lld; %s",
                         (long long)series->train_length, (long long)cell->length, series->evaluated);
        const char *name = arena_format(figure->arena, "%s, to %lld", series->name, (long long)cell->length);
        FigureLine *line = figure_line(figure, panels[i], name, series->name, comment);
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

static bool make_cost(Figure *figure, Database *store, Error *err) {
    const Results *set = results_read(store, figure->experiment, figure->arena, err);
    const BenchResults *benches =
        set ? bench_results_read(store, figure->experiment, figure->arena, err) : NULL;
    if (!benches) return false;
    int *panels = NEW(figure->arena, 2 * set->count, int);
    figure->signature = set->signature;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const ResultsCell *cells[] = {results_cell(series, series->train_length), longest_cell(series)};
        int first = first_like(set, i);
        if (!is_plain(series)) continue;
        const BenchRecord *bench = find_bench(benches, set, series->train_length);
        if (!bench) continue;
        double speed = bench_results_find(bench, series->run_label, series->train_length, true)->rate;
        for (int c = 0; c < COUNT_OF(cells); c++) {
            if (first == i) {
                int64_t length = cells[c] ? cells[c]->length : 0;
                const char *title = arena_format(figure->arena, "trained at %lld, evaluated at %lld",
                                                 (long long)series->train_length, (long long)length);
                panels[2 * i + c] = figure_panel(figure, title, 0, series->train_length);
            } else
                panels[2 * i + c] = panels[2 * first + c];
            if (!cells[c] || !cells[c]->count || !series->run_count) continue;
            if (c > 0 && cells[0] == cells[1]) continue;
            double *perplexities = NEW(figure->arena, cells[c]->count, double);
            for (int s = 0; s < cells[c]->count; s++) perplexities[s] = exp(cells[c]->seeds[s].loss);
            const char *comment = arena_format(
                figure->arena, "trained at %lld, evaluated at %lld; %s; %lld bytes; speed of the bench",
                (long long)series->train_length, (long long)cells[c]->length, series->evaluated,
                (long long)series->runs[0].peak_bytes);
            FigureLine *line = figure_line(figure, panels[2 * i + c], series->name, series->name, comment);
            figure_point(figure, line, figure_values(speed, perplexities, cells[c]->count));
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
