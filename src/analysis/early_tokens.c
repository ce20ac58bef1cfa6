/* early_tokens: the analyses `early` (the early-token curse decomposed, section 5 and appendix B of the
 * paper) and `positions` (loss by position in the window).
 *
 * Nonoverlapping windows of length l predict their first targets from little context, and the longer the
 * windows, the fewer such targets there are. A perplexity that falls with l may thus owe nothing to longer
 * context. With N(l) the loss (nats per token) under nonoverlapping evaluation and S(l) under strided
 * evaluation, where almost every target has l tokens of context, at the same targets:
 *
 *     early(l) = N(l) - S(l)                     what short contexts at the starts of windows cost
 *     N(L) - N(l) = [S(L) - S(l)] + [early(L) - early(l)]
 *     gain        = longer context + fewer early tokens
 *
 * L is the training length; gains are positive where l is better. The table also has the nonoverlapping loss
 * at the positions below L and at those from L on (0-based; bins of `position_loss` that L cuts count as
 * below): a method that fails beyond its training length shows it in the second. Losses are means over
 * seeds.
 */
#include "analysis/internal.h"
#include "train/evaluate.h"

#include <math.h>
#include <string.h>

/* --- losses by position --- */

/* The bins of a cell, summed over its seeds; returns how many, -1 with err set. */
static int read_bins(ResultsBin *bins, const Analysis *analysis, const SeriesCell *cell, Error *err) {
    int count = 0;
    for (int s = 0; s < cell->count; s++) {
        ResultsBin more[RESULTS_BINS];
        int known = results_bins(more, analysis->store, &cell->seeds[s], err);
        if (known < 0) return -1;
        for (int b = 0; b < known; b++) {
            if (b < count) more[b].nats += bins[b].nats, more[b].tokens += bins[b].tokens;
            bins[b] = more[b];
        }
        if (known > count) count = known;
    }
    return count;
}

/* Mean loss at positions [from, to), by the bins that begin there; NAN without any. */
static double loss_between(const ResultsBin *bins, int count, int64_t from, int64_t to) {
    double nats = 0, tokens = 0;
    for (int b = 0; b < count; b++) {
        if (bins[b].first < from || bins[b].first >= to) continue;
        nats += bins[b].nats;
        tokens += (double)bins[b].tokens;
    }
    return tokens > 0 ? nats / tokens : NAN;
}

static const TableColumn positions_columns[] = {
    ANALYSIS_KEYS(TABLE_GROUP, TABLE_GROUP),
    {"eval_length", "", TABLE_INT, TABLE_FOR_BOTH | TABLE_SPREAD, 0},
    {"first", "from position", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"last", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"tokens", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"seeds", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"nats", "", TABLE_REAL, TABLE_FOR_PROGRAMS | TABLE_SPREAD_VALUE, 3},
    {"perplexity", "", TABLE_REAL, TABLE_FOR_PROGRAMS, 0},
};

static bool run_positions(const Analysis *analysis, Error *err) {
    for (int i = 0; i < analysis->set->count; i++) {
        const Series *series = &analysis->set->items[i];
        for (int k = 0; k < series->count; k++) {
            const SeriesCell *cell = &series->cells[k];
            ResultsBin bins[RESULTS_BINS];
            int count = read_bins(bins, analysis, cell, err);
            if (count < 0) return false;
            for (int b = 0; b < count; b++) {
                double nats = bins[b].nats / (double)bins[b].tokens;
                TABLE_NUMBERS(analysis_row(analysis, series), cell->length, bins[b].first, bins[b].last,
                              bins[b].tokens, cell->count, nats, exp(nats));
            }
        }
    }
    table_note(analysis->table,
               "Nats per token at positions of the window, counted from 0, by evaluation length.");
    return true;
}

const AnalysisKind analysis_positions = {
    .title = "loss by position in the window",
    .columns = positions_columns,
    .column_count = COUNT_OF(positions_columns),
    .run = run_positions,
};

/* --- the decomposition --- */

static const TableColumn early_columns[] = {
    ANALYSIS_KEYS(0, TABLE_GROUP),
    {"strided_rule", "stride", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"eval_length", "length", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"seeds", "seeds", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"nonoverlapping_perplexity", "nonoverlapping", TABLE_REAL, TABLE_FOR_BOTH, -1},
    {"strided_perplexity", "strided", TABLE_REAL, TABLE_FOR_BOTH, -1},
    {"early_nats", "early tokens cost", TABLE_REAL, TABLE_FOR_BOTH, 4},
    {"gain_nats", "gain since L", TABLE_REAL, TABLE_FOR_BOTH, 4},
    {"gain_context_nats", "by context", TABLE_REAL, TABLE_FOR_BOTH, 4},
    {"gain_early_nats", "by fewer early", TABLE_REAL, TABLE_FOR_BOTH, 4},
    {"below_nats", "loss below L", TABLE_REAL, TABLE_FOR_BOTH, 4},
    {"beyond_nats", "loss beyond L", TABLE_REAL, TABLE_FOR_BOTH, 4},
};

static double loss_at(const Series *series, int64_t length) {
    const SeriesCell *cell = series ? series_cell(series, length) : NULL;
    return cell ? series_mean_loss(cell) : NAN;
}

/* strided: NULL where there is none. */
static bool add_length(const Analysis *analysis, const Series *plain, const Series *strided,
                       const SeriesCell *cell, Error *err) {
    ResultsBin bins[RESULTS_BINS];
    int count = read_bins(bins, analysis, cell, err);
    if (count < 0) return false;
    int64_t L = plain->train_length;
    double N = series_mean_loss(cell), N_L = loss_at(plain, L);
    double S = loss_at(strided, cell->length), S_L = loss_at(strided, L);
    TableCell *row = TABLE_TEXTS(analysis_row(analysis, plain), strided ? strided->rule : NULL);
    row = TABLE_NUMBERS(row, cell->length, cell->count, exp(N), exp(S));
    row = TABLE_NUMBERS(row, N - S, N_L - N, S_L - S, (N_L - S_L) - (N - S));
    TABLE_NUMBERS(row, loss_between(bins, count, 0, L), loss_between(bins, count, L, INT64_MAX));
    return true;
}

/* The same method, evaluated on the same targets with a stride. */
static bool is_strided_of(const Series *strided, const Series *plain) {
    return !strcmp(strided->protocol, evaluate_protocol_names[EVALUATE_STRIDED]) &&
           series_same_runs(strided, plain) && series_same_targets(strided, plain);
}

static bool run_early(const Analysis *analysis, Error *err) {
    const Results *set = analysis->set;
    bool lacking = false;
    for (int i = 0; i < set->count; i++) {
        const Series *plain = &set->items[i];
        if (!series_nonoverlapping(plain)) continue;
        int strided = 0;
        for (int k = 0; k <= set->count; k++) { /* after the last one: none, if there was none */
            const Series *other = k < set->count ? &set->items[k] : NULL;
            if (other ? !is_strided_of(other, plain) : strided > 0) continue;
            strided++;
            lacking |= !other;
            for (int c = 0; c < plain->count; c++)
                if (!add_length(analysis, plain, other, &plain->cells[c], err)) return false;
        }
    }
    table_note(analysis->table,
               "Nats per token. early tokens cost: nonoverlapping minus strided. gain since L = by "
               "context (strided) + by fewer early tokens.");
    table_note(analysis->table, "below, beyond L: nonoverlapping loss at positions of the window inside and "
                                "outside the training length.");
    if (lacking)
        table_note(analysis->table,
                   "Some have no strided evaluation of the same targets; `poslab eval DB --protocol "
                   "strided:0.125` adds it.");
    return true;
}

const AnalysisKind analysis_early = {
    .title = "the early-token curse",
    .columns = early_columns,
    .column_count = COUNT_OF(early_columns),
    .run = run_early,
};
