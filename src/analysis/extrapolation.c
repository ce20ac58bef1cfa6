/* extrapolation: the analyses `curves` (Figure 1 of the paper), `matrix` (its Table 5) and, of tasks,
 * `accuracy`.
 *
 * For a curve trained at L, from mean perplexities P(l) over seeds, at the lengths l >= L that were
 * evaluated:
 *
 *     within 5 %   the last length up to which every P(l) <= 1.05 P(L); a length without a perplexity ends it
 *     gained       l - L of the lowest P(l): how many tokens longer than in training still help
 *     ratio        P(l) / P(L), at every l
 *
 * ">=" before a number means that it is the longest length that was evaluated: the true one may be longer.
 *
 * Of a task, from exact matches of seeds:
 *
 *     90 % to      the largest size such that there, and at all smaller sizes from the least in training on,
 *                  the median over seeds is at least 90 %
 *     beyond       of each seed the mean over all sizes that are larger than those of training
 */
#include "analysis/internal.h"

#include <math.h>
#include <string.h>

/* --- curves --- */

static const TableColumn curves_columns[] = {
    ANALYSIS_KEYS(0, TABLE_GROUP),
    {"source", "source", TABLE_TEXT, TABLE_FOR_BOTH | TABLE_IF_VARYING | TABLE_GROUP, 0},
    {"within_5_percent", "within 5 % to", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"best_length", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"tokens_gained", "gained", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"eval_length", "", TABLE_INT, TABLE_FOR_BOTH | TABLE_SPREAD, 0},
    {"multiple", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"seeds", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"outcome", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"perplexity", "", TABLE_REAL, TABLE_FOR_PROGRAMS | TABLE_SPREAD_VALUE, 0},
    {"perplexity_sd", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"ratio", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
};

/* The columns outcome, perplexity and perplexity_sd; returns the cell behind them. */
static TableCell *put_perplexity(TableCell *row, const SeriesCell *cell, const char *shown) {
    row = TABLE_TEXTS(row, cell->count ? "done" : cell->outcome);
    *row++ = table_shown(cell->mean, shown);
    return TABLE_NUMBERS(row, cell->deviation);
}

/* "1024", or ">= 1024" for the longest length that was evaluated. */
static TableCell at_least(int64_t number, bool longest, Arena *arena) {
    return table_shown((double)number,
                       arena_format(arena, "%s%lld", longest ? ">= " : "", (long long)number));
}

/* The rows of one curve: they share what is said of all of it. source: of a curve of a paper; NULL: ours. */
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

/* --- reference curves and ours --- */

static void add_reference(const Analysis *analysis, const ReferenceCurve *reference) {
    if (reference->count < 2) return; /* no curve */
    const char *name = reference->method, *source = reference->source;
    if (*reference->dataset) source = arena_format(analysis->arena, "%s, %s", source, reference->dataset);
    for (int i = analysis->set->count - 1; i >= 0; i--) /* as our tables call it, if they do */
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
    .columns = curves_columns,
    .column_count = COUNT_OF(curves_columns),
    .run = run_curves,
};

/* --- matrix --- */

static const TableColumn matrix_columns[] = {
    ANALYSIS_KEYS(TABLE_GROUP, 0),
    {"eval_length", "", TABLE_INT, TABLE_FOR_BOTH | TABLE_SPREAD, 0},
    {"seeds", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"outcome", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"perplexity", "", TABLE_REAL, TABLE_FOR_PROGRAMS | TABLE_SPREAD_VALUE, 0},
    {"perplexity_sd", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
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
    .columns = matrix_columns,
    .column_count = COUNT_OF(matrix_columns),
    .run = run_matrix,
};

/* --- accuracy --- */

enum {
    A_EXPERIMENT,
    A_METHOD,
    A_NAME,
    A_EVALUATED,
    A_TRAIN_LENGTH,
    A_TASK,
    A_HINT,
    A_REACH,
    A_REACH_TEXT,
    A_BEYOND,
    A_BEYOND_LOW,
    A_BEYOND_HIGH,
    A_BEYOND_TEXT,
    A_SIZE,
    A_TRAINED,
    A_HEAD,
    A_SEEDS,
    A_OUTCOME,
    A_MEDIAN,
    A_LOW,
    A_HIGH,
    A_SHOWN
};

static const TableColumn accuracy_columns[] = {
    {"experiment", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"method", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"name", "method", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"evaluated", "evaluated on", TABLE_TEXT, TABLE_FOR_PEOPLE | TABLE_IF_VARYING, 0},
    {"train_length", "trained at", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"task", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"hint", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"longest_90_percent", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"", "90 % to", TABLE_INT, TABLE_FOR_PEOPLE, 0},
    {"beyond", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"beyond_low", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"beyond_high", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"", "beyond", TABLE_REAL, TABLE_FOR_PEOPLE, 0},
    {"size", "", TABLE_INT, TABLE_FOR_BOTH | TABLE_SPREAD, 0},
    {"trained", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"", "", TABLE_TEXT, TABLE_SPREAD_HEAD, 0},
    {"seeds", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"outcome", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"exact", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"exact_low", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"exact_high", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"", "", TABLE_TEXT, TABLE_FOR_PEOPLE | TABLE_SPREAD_VALUE, 0},
};

typedef struct Spread { /* of shares over seeds; NAN for none */
    double median, low, high;
} Spread;

static Spread spread_of(const double *shares, int count, Arena *arena) {
    Spread spread = {stats_median(shares, count, arena), NAN, NAN};
    for (int i = 0; i < count; i++) {
        spread.low = fmin(spread.low, shares[i]); /* fmin and fmax take the number where the other is NAN */
        spread.high = fmax(spread.high, shares[i]);
    }
    return spread;
}

static Spread cell_spread(const SeriesCell *cell, Arena *arena) {
    double *shares = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++) shares[i] = series_score(&cell->seeds[i], SERIES_EXACT);
    return spread_of(shares, cell->count, arena);
}

/* "87.5 [12.0, 98.1]", in percent */
static const char *spread_text(Spread spread, int count, Arena *arena) {
    if (!count) return "-";
    return count == 1 ? arena_format(arena, "%.1f", 100 * spread.median)
                      : arena_format(arena, "%.1f [%.1f, %.1f]", 100 * spread.median, 100 * spread.low,
                                     100 * spread.high);
}

/* Of each seed that is done at all sizes beyond training, the mean over them. Returns how many seeds. */
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
    int beyond_seeds = beyond_training(means, series);
    Spread beyond = spread_of(means, beyond_seeds, arena);
    for (int i = 0; i < series->count; i++) {
        const SeriesCell *cell = &series->cells[i];
        Spread spread = cell_spread(cell, arena);
        bool trained = series_trained_size(series, cell->length);
        const char *shown = cell->count ? spread_text(spread, cell->count, arena)
                                        : series_score_text(cell, SERIES_EXACT, arena);
        if (cell->count && cell->count < cell->seeds_requested)
            shown = arena_format(arena, "%s (%d/%d)", shown, cell->count, cell->seeds_requested);
        TableCell *row = table_row(analysis->table);
        row[A_EXPERIMENT] = table_text(analysis->set->experiment);
        row[A_METHOD] = table_text(series->method);
        row[A_NAME] = table_text(series->name);
        row[A_EVALUATED] = table_text(series->evaluated);
        row[A_TRAIN_LENGTH] = table_number((double)series->train_length);
        row[A_TASK] = table_text(series->task);
        row[A_HINT] = table_text(series_hint(series));
        row[A_REACH] = table_number(reach ? (double)reach : NAN);
        row[A_REACH_TEXT] = reach ? at_least(reach, reach == largest, arena) : table_text("-");
        row[A_BEYOND] = table_number(beyond.median);
        row[A_BEYOND_LOW] = table_number(beyond.low);
        row[A_BEYOND_HIGH] = table_number(beyond.high);
        row[A_BEYOND_TEXT] = table_text(spread_text(beyond, beyond_seeds, arena));
        row[A_SIZE] = table_number((double)cell->length);
        row[A_TRAINED] = table_number(trained);
        row[A_HEAD] = table_text(trained ? "trained" : "");
        row[A_SEEDS] = table_number(cell->count);
        row[A_OUTCOME] = table_text(cell->count ? "done" : cell->outcome);
        row[A_MEDIAN] = table_number(spread.median);
        row[A_LOW] = table_number(spread.low);
        row[A_HIGH] = table_number(spread.high);
        row[A_SHOWN] = table_text(shown);
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
    .columns = accuracy_columns,
    .column_count = COUNT_OF(accuracy_columns),
    .run = run_accuracy,
    .tasks_only = true,
    .of_task = &analysis_accuracy,
};
