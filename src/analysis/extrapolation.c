/* extrapolation: the analyses `curves` (Figure 1 of the paper), `matrix` (its Table 5) and, for tasks,
 * `accuracy`.
 *
 * For a model trained at L, with P(l) the mean perplexity over seeds at length l >= L:
 *
 *     within 5 %   the largest length up to which every P(l) <= 1.05 P(L); it ends before a length without
 * one gained       l - L at the lowest P(l) ratio        P(l) / P(L)
 *
 * For tasks, with the exact match of each seed:
 *
 *     90 % to      the largest size up to which, from the smallest trained size on, every median is >= 90 %
 *     beyond       the mean over all sizes beyond training, of each seed
 *
 * ">=" marks the longest evaluated length: the true value can be larger.
 */
#include "analysis/internal.h"

#include <math.h>
#include <string.h>

/* --- curves --- */

static const TableColumn curves_columns[] = {
    ANALYSIS_KEYS(TABLE_SHOWN, TABLE_GROUP),
    {"source", "source", TABLE_TEXT, .role = TABLE_GROUP, .if_varying = true},
    {"within_5_percent", "within 5 % to", TABLE_INT},
    {"best_length", NULL, TABLE_INT},
    {"tokens_gained", "gained", TABLE_INT},
    {"eval_length", NULL, TABLE_INT, .role = TABLE_SPREAD},
    {"multiple", NULL, TABLE_REAL},
    {"seeds", NULL, TABLE_INT},
    {"outcome", NULL, TABLE_TEXT},
    {"perplexity", NULL, TABLE_REAL, .role = TABLE_SPREAD_VALUE},
    {"perplexity_sd", NULL, TABLE_REAL},
    {"ratio", NULL, TABLE_REAL},
};

/* Fills the columns outcome, perplexity and perplexity_sd. Returns the next cell. */
static TableCell *put_perplexity(TableCell *row, const SeriesCell *cell, const char *shown) {
    row = TABLE_TEXTS(row, cell->count ? "done" : cell->outcome);
    *row++ = table_shown(cell->mean, shown);
    return TABLE_NUMBERS(row, cell->deviation);
}

/* "1024", or ">= 1024" for the longest evaluated length. */
static TableCell at_least(int64_t number, bool longest, Arena *arena) {
    return table_shown((double)number,
                       arena_format(arena, "%s%lld", longest ? ">= " : "", (long long)number));
}

/* Adds the rows of one curve. source: the source of a paper's curve; NULL for results of this database. */
static void add_curve(const Analysis *analysis, const Series *series, const char *source) {
    Arena *arena = analysis->arena;
    const SeriesReach reach = series_reach(series);
    int64_t gained = reach.best - series->train_length;
    for (int i = 0; i < series->count; i++) {
        const SeriesCell *cell = &series->cells[i];
        const char *shown = series_cell_text(cell, arena);
        double ratio = cell->mean / reach.base;
        TableCell *row = TABLE_TEXTS(analysis_row(analysis, series), source ? source : "here");
        if (reach.within) {
            row[0] = at_least(reach.within, reach.within == reach.longest, arena);
            row[1] = table_number((double)reach.best);
            row[2] = at_least(gained, reach.best == reach.longest, arena);
        }
        if (isfinite(ratio) && cell->length != series->train_length)
            shown = arena_format(arena, "%s ×%.*f", shown, ratio < 10 ? 2 : 0, ratio);
        row = TABLE_NUMBERS(row + 3, cell->length, (double)cell->length / (double)series->train_length,
                            source ? NAN : (double)cell->count);
        *put_perplexity(row, cell, shown) = table_number(ratio);
    }
}

/* --- reference curves --- */

static void add_reference(const Analysis *analysis, const ReferenceCurve *reference) {
    if (reference->count < 2) return; /* not a curve */
    const char *name = reference->method, *source = reference->source;
    if (*reference->dataset) source = arena_format(analysis->arena, "%s, %s", source, reference->dataset);
    for (int i = analysis->set->count - 1; i >= 0; i--) /* the name in the other rows */
        if (!strcmp(analysis->set->items[i].method, reference->method)) name = analysis->set->items[i].label;
    add_curve(analysis, series_of_reference(reference, name, analysis->arena), source);
}

static void add_references(const Analysis *analysis) {
    const ReferenceCurves *curves = analysis->set->reference;
    for (int i = 0; i < curves->count; i++) add_reference(analysis, &curves->items[i]);
    if (!curves->count)
        table_note(analysis->table,
                   "No reference curves of these methods; `poslab reference DB` imports the paper's.");
}

static void put_marks(const Analysis *analysis) {
    const char *note = results_beyond_text(analysis->set);
    if (note) table_note(analysis->table, note);
}

static bool run_curves(const Analysis *analysis, Error *err) {
    (void)err;
    for (int i = 0; i < analysis->set->count; i++) add_curve(analysis, &analysis->set->items[i], NULL);
    table_note(analysis->table, "×: ratio to the value at the training length. within 5 %: the last "
                                "length before the perplexity exceeds 1.05 times that value.");
    table_note(analysis->table,
               "gained: tokens beyond the training length at which the perplexity is lowest. "
               ">=: the longest length evaluated.");
    put_marks(analysis);
    if (analysis->options->paper) add_references(analysis);
    return true;
}

const AnalysisKind analysis_curves = {
    .title = "perplexity by evaluation length",
    ANALYSIS_COLUMNS(curves_columns),
    .run = run_curves,
};

/* --- matrix --- */

static const TableColumn matrix_columns[] = {
    ANALYSIS_KEYS(TABLE_GROUP, TABLE_SHOWN),
    {"eval_length", NULL, TABLE_INT, .role = TABLE_SPREAD},
    {"seeds", NULL, TABLE_INT},
    {"outcome", NULL, TABLE_TEXT},
    {"perplexity", NULL, TABLE_REAL, .role = TABLE_SPREAD_VALUE},
    {"perplexity_sd", NULL, TABLE_REAL},
};

static bool run_matrix(const Analysis *analysis, Error *err) {
    (void)err;
    for (int i = 0; i < analysis->set->count; i++) {
        const Series *series = &analysis->set->items[i];
        for (int k = 0; k < series->count; k++) {
            const SeriesCell *cell = &series->cells[k];
            TableCell *row = TABLE_NUMBERS(analysis_row(analysis, series), cell->length, cell->count);
            put_perplexity(row, cell, series_cell_text(cell, analysis->arena));
        }
    }
    put_marks(analysis);
    return true;
}

const AnalysisKind analysis_matrix = {
    .title = "perplexity, training by evaluation length",
    ANALYSIS_COLUMNS(matrix_columns),
    .run = run_matrix,
};

/* --- accuracy --- */

static const TableColumn accuracy_columns[] = {
    {"experiment", NULL, TABLE_TEXT},
    {"method", NULL, TABLE_TEXT},
    {"name", "method", TABLE_TEXT},
    {NULL, "evaluated on", TABLE_TEXT, .if_varying = true},
    {"train_length", "trained at", TABLE_INT, .if_varying = true},
    {"task", NULL, TABLE_TEXT},
    {"hint", NULL, TABLE_TEXT},
    {"longest_90_percent", NULL, TABLE_INT},
    {NULL, "90 % to", TABLE_INT},
    {"beyond", NULL, TABLE_REAL},
    {"beyond_low", NULL, TABLE_REAL},
    {"beyond_high", NULL, TABLE_REAL},
    {NULL, "beyond", TABLE_REAL},
    {"size", NULL, TABLE_INT, .role = TABLE_SPREAD},
    {"trained", NULL, TABLE_INT},
    {NULL, NULL, TABLE_TEXT, .role = TABLE_SPREAD_HEAD},
    {"seeds", NULL, TABLE_INT},
    {"outcome", NULL, TABLE_TEXT},
    {"exact", NULL, TABLE_REAL},
    {"exact_low", NULL, TABLE_REAL},
    {"exact_high", NULL, TABLE_REAL},
    {NULL, NULL, TABLE_TEXT, .role = TABLE_SPREAD_VALUE},
};

/* In percent: "87.5 [12.0, 98.1]". */
static const char *spread_text(const StatsSpread *spread, Arena *arena) {
    if (!spread->count) return "-";
    return spread->count == 1 ? arena_format(arena, "%.1f", 100 * spread->median)
                              : arena_format(arena, "%.1f [%.1f, %.1f]", 100 * spread->median,
                                             100 * spread->low, 100 * spread->high);
}

/* The mean over all sizes beyond training, for each seed that is done at all of them. Returns the number of
   seeds. */
static int beyond_training(double *means, const Series *series) {
    const SeriesCell *last = &series->cells[series->count - 1];
    int count = 0;
    if (last->length <= series->train_high) return 0;
    for (int s = 0; s < last->count; s++) {
        double sum = 0;
        int sizes = 0;
        bool all = true;
        for (int i = 0; i < series->count; i++) {
            if (series->cells[i].length <= series->train_high) continue;
            const SeriesSeed *seed = series_seed(&series->cells[i], last->seeds[s].seed);
            all = all && seed;
            if (seed) sum += series_score(seed, SERIES_EXACT);
            sizes++;
        }
        if (all) means[count++] = sum / sizes;
    }
    return count;
}

static void add_accuracy(const Analysis *analysis, const Series *series) {
    Arena *arena = analysis->arena;
    int64_t reach = series_answers_to(series, arena), largest = series->cells[series->count - 1].length;
    double *means = NEW(arena, series->cells[series->count - 1].count, double);
    const StatsSpread beyond = stats_spread(means, beyond_training(means, series), arena);
    for (int i = 0; i < series->count; i++) {
        const SeriesCell *cell = &series->cells[i];
        const StatsSpread spread = series_spread(cell, SERIES_EXACT, arena);
        bool trained = series_trained_size(series, cell->length);
        const char *shown =
            cell->count ? spread_text(&spread, arena) : series_score_text(cell, SERIES_EXACT, arena);
        if (cell->count && cell->count < cell->seeds_requested)
            shown = arena_format(arena, "%s (%d/%d)", shown, cell->count, cell->seeds_requested);
        TableCell *row = TABLE_TEXTS(table_row(analysis->table), analysis->set->experiment,
                                     series->plain_name, series->name, series->evaluated);
        row = TABLE_NUMBERS(row, series->train_length);
        row = TABLE_TEXTS(row, series->task, series_hint(series));
        row = TABLE_NUMBERS(row, reach ? (double)reach : NAN);
        *row++ = reach ? at_least(reach, reach == largest, arena) : table_text("-");
        row = TABLE_NUMBERS(row, beyond.median, beyond.low, beyond.high);
        row = TABLE_TEXTS(row, spread_text(&beyond, arena));
        row = TABLE_NUMBERS(row, cell->length, trained);
        row = TABLE_TEXTS(row, trained ? "trained" : "");
        row = TABLE_NUMBERS(row, cell->count);
        row = TABLE_TEXTS(row, cell->count ? "done" : cell->outcome);
        row = TABLE_NUMBERS(row, spread.median, spread.low, spread.high);
        TABLE_TEXTS(row, shown);
        analysis_put_keys(analysis, series, NULL);
    }
}

static bool run_accuracy(const Analysis *analysis, Error *err) {
    (void)err;
    for (int i = 0; i < analysis->set->count; i++) add_accuracy(analysis, &analysis->set->items[i]);
    table_note(analysis->table, "Exact match in percent: the median over seeds [lowest seed, highest seed].");
    table_note(analysis->table, "90 % to: the largest size up to which the median is at least 90 %; >=: the "
                                "largest size evaluated. beyond: the mean over all sizes beyond training.");
    return true;
}

const AnalysisKind analysis_accuracy = {
    .title = "exact match by size",
    ANALYSIS_COLUMNS(accuracy_columns),
    .run = run_accuracy,
    .tasks_only = true,
    .of_task = &analysis_accuracy,
};
