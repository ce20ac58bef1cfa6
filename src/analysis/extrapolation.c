/* extrapolation: the analyses `curves` (Figure 1 of the paper) and `matrix` (its Table 5).
 *
 * For a curve trained at L, from mean perplexities P(l) over seeds, at the lengths l >= L that were
 * evaluated:
 *
 *     within 5 %   the last length up to which every P(l) <= 1.05 P(L); a length without a perplexity ends it
 *     gained       l - L of the lowest P(l): how many tokens longer than in training still help
 *     ratio        P(l) / P(L), at every l
 *
 * ">=" before a number means that it is the longest length that was evaluated: the true one may be longer.
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
