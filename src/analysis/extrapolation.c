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

#include "analysis/reference_curves.h"

static const double tolerance = 1.05;

typedef struct Reach {
    int64_t within, best; /* lengths; 0: unknown, for want of a perplexity at L */
    int64_t longest;      /* evaluated */
    double base;          /* P(L) */
} Reach;

/* perplexities[count] at ascending lengths; NAN where there is none. */
static Reach find_reach(const int64_t *lengths, const double *perplexities, int count, int64_t train_length) {
    Reach reach = {.base = NAN, .longest = count ? lengths[count - 1] : 0};
    double lowest = INFINITY;
    bool holds = false;
    for (int i = 0; i < count; i++) {
        if (lengths[i] < train_length) continue;
        if (lengths[i] == train_length) {
            reach.base = perplexities[i];
            holds = true;
        }
        holds = holds && perplexities[i] <= tolerance * reach.base;
        if (holds) reach.within = lengths[i];
        if (isfinite(reach.base) && perplexities[i] < lowest) {
            lowest = perplexities[i];
            reach.best = lengths[i];
        }
    }
    return reach;
}

/* --- curves --- */

enum {
    SOURCE = ANALYSIS_KEY_COUNT,
    WITHIN,
    WITHIN_TEXT,
    BEST,
    GAINED,
    GAINED_TEXT,
    LENGTH,
    MULTIPLE,
    SEEDS,
    OUTCOME,
    PERPLEXITY,
    DEVIATION,
    RATIO,
    SHOWN
};

static const TableColumn curves_columns[] = {
    ANALYSIS_KEYS(0, TABLE_GROUP),
    {"source", "source", TABLE_TEXT, TABLE_FOR_BOTH | TABLE_IF_VARYING | TABLE_GROUP, 0},
    {"within_5_percent", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"", "within 5 % to", TABLE_INT, TABLE_FOR_PEOPLE, 0},
    {"best_length", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"tokens_gained", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"", "gained", TABLE_INT, TABLE_FOR_PEOPLE, 0},
    {"eval_length", "", TABLE_INT, TABLE_FOR_BOTH | TABLE_SPREAD, 0},
    {"multiple", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"seeds", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"outcome", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"perplexity", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"perplexity_sd", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"ratio", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"", "", TABLE_TEXT, TABLE_FOR_PEOPLE | TABLE_SPREAD_VALUE, 0},
};

/* What all rows of a curve say about the whole of it. */
static void put_reach(TableCell *row, const Reach *reach, int64_t train_length, Arena *arena) {
    if (!reach->within) return;
    bool all = reach->within == reach->longest, last = reach->best == reach->longest;
    row[WITHIN] = table_number((double)reach->within);
    row[BEST] = table_number((double)reach->best);
    row[GAINED] = table_number((double)(reach->best - train_length));
    row[WITHIN_TEXT] = table_text(arena_format(arena, "%s%lld", all ? ">= " : "", (long long)reach->within));
    row[GAINED_TEXT] =
        table_text(arena_format(arena, "%s%lld", last ? ">= " : "", (long long)(reach->best - train_length)));
}

static void put_length(TableCell *row, const Reach *reach, int64_t train_length, int64_t length,
                       double perplexity, const char *shown, Arena *arena) {
    double ratio = perplexity / reach->base;
    row[LENGTH] = table_number((double)length);
    row[MULTIPLE] = table_number((double)length / (double)train_length);
    row[PERPLEXITY] = table_number(perplexity);
    row[RATIO] = table_number(ratio);
    bool both = isfinite(ratio) && length != train_length;
    row[SHOWN] = table_text(both ? arena_format(arena, "%s ×%.*f", shown, ratio < 10 ? 2 : 0, ratio) : shown);
}

static void add_curve(const Analysis *analysis, const Series *series) {
    Arena *arena = analysis->arena;
    int64_t *lengths = NEW(arena, series->count, int64_t);
    double *perplexities = NEW(arena, series->count, double);
    int count = 0;
    for (int i = 0; i < series->count; i++) {
        if (!series_evaluated(&series->cells[i])) continue;
        lengths[count] = series->cells[i].length;
        perplexities[count++] = series->cells[i].mean;
    }
    Reach reach = find_reach(lengths, perplexities, count, series->train_length);
    for (int i = 0; i < series->count; i++) {
        const ResultsCell *cell = &series->cells[i];
        TableCell *row = analysis_row(analysis, series);
        row[SOURCE] = table_text("here");
        put_reach(row, &reach, series->train_length, arena);
        put_length(row, &reach, series->train_length, cell->length, cell->mean,
                   results_cell_text(cell, arena), arena);
        row[SEEDS] = table_number(cell->count);
        row[OUTCOME] = table_text(cell->count ? "done" : cell->outcome);
        row[DEVIATION] = table_number(cell->deviation);
    }
}

/* --- reference curves and ours --- */

static void add_reference(const Analysis *analysis, const ReferenceCurve *reference) {
    if (reference->count < 2) return; /* no curve */
    Reach reach =
        find_reach(reference->lengths, reference->perplexities, reference->count, reference->train_length);
    const char *name = reference->method, *split = *reference->split ? reference->split : "-";
    const char *source = reference->source;
    if (*reference->dataset) source = arena_format(analysis->arena, "%s, %s", source, reference->dataset);
    for (int i = 0; i < analysis->set->count; i++) /* as our tables call it, if they do */
        if (!strcmp(analysis->set->items[i].method, reference->method)) {
            name = analysis->set->items[i].label;
            break;
        }
    const Series series = {.method = reference->method,
                           .name = name,
                           .split = split,
                           .protocol = "nonoverlapping",
                           .rule = "L",
                           .evaluated = arena_format(analysis->arena, "%s, nonoverlapping", split),
                           .train_length = reference->train_length};
    for (int i = 0; i < reference->count; i++) {
        TableCell *row = analysis_row(analysis, &series);
        double perplexity = reference->perplexities[i];
        row[SOURCE] = table_text(source);
        put_reach(row, &reach, reference->train_length, analysis->arena);
        put_length(row, &reach, reference->train_length, reference->lengths[i], perplexity,
                   table_perplexity(perplexity, analysis->arena), analysis->arena);
        row[OUTCOME] = table_text("done");
    }
}

static bool add_references(const Analysis *analysis, Error *err) {
    const ReferenceCurves *curves =
        reference_curves_all(analysis->store, analysis->set->experiment, analysis->arena, err);
    if (!curves) return false;
    for (int i = 0; i < curves->count; i++) add_reference(analysis, &curves->items[i]);
    if (!curves->count)
        table_note(analysis->frame,
                   "No reference curves of these methods; `poslab reference DB` imports the paper's.");
    return true;
}

static void put_marks(const Analysis *analysis) {
    const char *note = series_beyond_text(analysis->set);
    if (note) table_note(analysis->frame, note);
}

static bool run_curves(const Analysis *analysis, Error *err) {
    for (int i = 0; i < analysis->set->count; i++) add_curve(analysis, &analysis->set->items[i]);
    table_note(analysis->frame, "×: ratio to the value at the training length. within 5 %: the last "
                                "length before the perplexity exceeds 1.05 times that value.");
    table_note(analysis->frame,
               "gained: tokens beyond the training length at which the perplexity is lowest. "
               ">=: the longest length evaluated.");
    put_marks(analysis);
    return !analysis->options->paper || add_references(analysis, err);
}

const AnalysisKind analysis_curves = {
    .title = "perplexity by evaluation length",
    .columns = curves_columns,
    .column_count = COUNT_OF(curves_columns),
    .run = run_curves,
};

/* --- matrix --- */

enum { M_LENGTH = ANALYSIS_KEY_COUNT, M_SEEDS, M_OUTCOME, M_PERPLEXITY, M_DEVIATION, M_SHOWN };

static const TableColumn matrix_columns[] = {
    ANALYSIS_KEYS(TABLE_GROUP, 0),
    {"eval_length", "", TABLE_INT, TABLE_FOR_BOTH | TABLE_SPREAD, 0},
    {"seeds", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"outcome", "", TABLE_TEXT, TABLE_FOR_PROGRAMS, 0},
    {"perplexity", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"perplexity_sd", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
    {"", "", TABLE_TEXT, TABLE_FOR_PEOPLE | TABLE_SPREAD_VALUE, 0},
};

static bool run_matrix(const Analysis *analysis, Error *err) {
    (void)err;
    for (int i = 0; i < analysis->set->count; i++) {
        const Series *series = &analysis->set->items[i];
        for (int k = 0; k < series->count; k++) {
            const ResultsCell *cell = &series->cells[k];
            TableCell *row = analysis_row(analysis, series);
            row[M_LENGTH] = table_number((double)cell->length);
            row[M_SEEDS] = table_number(cell->count);
            row[M_OUTCOME] = table_text(cell->count ? "done" : cell->outcome);
            row[M_PERPLEXITY] = table_number(cell->mean);
            row[M_DEVIATION] = table_number(cell->deviation);
            row[M_SHOWN] = table_text(results_cell_text(cell, analysis->arena));
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
