/* cost_early: the analyses `cost`, `positions` and `early`, each described in its section. */
#include <math.h>
#include <string.h>

#include "train/evaluate.h"
#include "store/bench_results.h"
#include "analysis/internal.h"

/* --- cost --- */

/* Speed and memory (Figure 2 and Table 1 of the paper), measured by the runs and by `poslab bench --db`.
 *
 * Speed is in targets per second: mean and deviation over seeds. In training it includes all targets and the
 * seconds of all sessions; in evaluation only scored targets, which for strided windows are the last ones.
 * Memory is the largest peak of allocated bytes over seeds. `relative` is the speed over that of --baseline
 * at the same length and phase. It comes from a bench only, which alternates methods, so that its ratios do
 * not depend on the load of the machine.
 */

static const TableColumn cost_columns[] = {
    ANALYSIS_KEYS(TABLE_SHOWN, TABLE_SHOWN),
    {"phase", "phase", TABLE_TEXT},
    {"length", "length", TABLE_INT},
    {"seeds", "seeds", TABLE_INT, .if_varying = true},
    {"threads", "threads", TABLE_INT, .if_varying = true},
    {"tokens_per_second", "tokens/s", TABLE_REAL},
    {"tokens_per_second_sd", "±", TABLE_REAL, .if_varying = true},
    {"seconds", "seconds", TABLE_REAL, .decimals = 1},
    {"peak_bytes", NULL, TABLE_INT},
    {NULL, "MiB", TABLE_REAL, .decimals = 1},
    {"relative", "x baseline", TABLE_REAL, .decimals = 2, .if_varying = true},
    {"parameters", NULL, TABLE_INT},
    {"position_parameters", NULL, TABLE_INT},
    {"source", "source", TABLE_TEXT, .role = TABLE_GROUP, .if_varying = true},
    {"tokens_per_second_low", "from", TABLE_REAL, .if_varying = true},
    {"tokens_per_second_high", "to", TABLE_REAL, .if_varying = true},
    {"processor_seconds", "processor", TABLE_REAL, .decimals = 1, .if_varying = true},
    {"load", "load", TABLE_REAL, .decimals = 1, .if_varying = true},
};

/* Measurements of several seeds under the same conditions. */
typedef struct Measured {
    double *speeds, *seconds, bytes; /* [count] */
    int count;
} Measured;

static Measured begin_measured(int most, Arena *arena) {
    return (Measured){.speeds = NEW(arena, most, double), .seconds = NEW(arena, most, double), .bytes = NAN};
}

static void add_measured(Measured *measured, int64_t tokens, double seconds, double bytes) {
    if (!(seconds > 0)) return;
    measured->speeds[measured->count] = (double)tokens / seconds;
    measured->seconds[measured->count++] = seconds;
    measured->bytes = fmax(measured->bytes, bytes);
}

static void put_measured(TableCell *row, const Series *series, bool train, int64_t length,
                         const Measured *measured) {
    double threads = series->run_count ? (double)series->runs[0].threads : NAN;
    row = TABLE_TEXTS(row, train ? "train" : "evaluate");
    row = TABLE_NUMBERS(row, length, measured->count, threads, stats_mean(measured->speeds, measured->count),
                        stats_deviation(measured->speeds, measured->count),
                        stats_mean(measured->seconds, measured->count), measured->bytes,
                        measured->bytes / (1 << 20), NAN, series->parameters, series->position_parameters);
    row = TABLE_TEXTS(row, "runs") + 2; /* no quartiles */
    if (train) TABLE_NUMBERS(row, series->cost[SERIES_PROCESSOR], series->cost[SERIES_LOAD]);
}

static void put_training(const Analysis *analysis, const Series *series) {
    Measured measured = begin_measured(series->run_count, analysis->arena);
    for (int i = 0; i < series->run_count; i++)
        add_measured(&measured, series->runs[i].tokens, series->runs[i].cost[SERIES_SECONDS],
                     series->runs[i].cost[SERIES_BYTES]);
    TableCell *row = analysis_row(analysis, series);
    analysis_clear_keys(row, ANALYSIS_EVALUATED, ANALYSIS_TRAIN_LENGTH - 1);
    put_measured(row, series, true, series->train_length, &measured);
}

static void put_evaluation(const Analysis *analysis, const Series *series, const SeriesCell *cell) {
    Measured measured = begin_measured(cell->count, analysis->arena);
    for (int i = 0; i < cell->count; i++)
        add_measured(&measured, cell->seeds[i].tokens, cell->seeds[i].seconds,
                     (double)cell->seeds[i].peak_bytes);
    put_measured(analysis_row(analysis, series), series, false, cell->length, &measured);
}

static void put_result(TableCell *row, const BenchRecord *bench, const BenchResult *result,
                       const BenchResult *base, const Series *series, Arena *arena) {
    row = TABLE_TEXTS(row, result->train ? "train" : "evaluate");
    row = TABLE_NUMBERS(row, result->length, NAN, bench->threads, result->rate, NAN, NAN, result->bytes,
                        (double)result->bytes / (1 << 20), base ? base->ratio / result->ratio : NAN,
                        series->parameters, series->position_parameters);
    row = TABLE_TEXTS(row, arena_format(arena, "bench of %s, %s", bench->created, bench->precision));
    TABLE_NUMBERS(row, result->rate_low, result->rate_high);
}

static const Series *labelled(const Results *set, const char *label) {
    for (int i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].label, label)) return &set->items[i];
    return NULL;
}

/* The result of `wanted` (a method or a label) at the length and phase of `result`; NULL if not measured. */
static const BenchResult *find_result(const BenchRecord *bench, const BenchResult *result,
                                      const char *wanted) {
    for (int i = 0; wanted && i < bench->count; i++) {
        const BenchResult *other = &bench->results[i];
        if (other->length == result->length && other->train == result->train &&
            (!strcmp(other->method, wanted) || !strcmp(other->label, wanted)))
            return other;
    }
    return NULL;
}

/* Adds the benches of the experiment's models, for the methods of the experiment. */
static bool put_benches(const Analysis *analysis, Error *err) {
    const Results *set = analysis->set;
    const BenchResults *list = bench_results_read(set->store, set->experiment, analysis->arena, err);
    for (int b = 0; list && b < list->count; b++)
        for (int r = 0; r < list->items[b].count; r++) {
            const BenchRecord *bench = &list->items[b];
            const BenchResult *result = &bench->results[r];
            const Series *series = labelled(set, result->label);
            if (!series) continue;
            TableCell *row = analysis_row(analysis, series);
            analysis_clear_keys(row, ANALYSIS_EVALUATED, ANALYSIS_TRAIN_LENGTH);
            put_result(row, bench, result, find_result(bench, result, analysis->options->baseline), series,
                       analysis->arena);
        }
    return list != NULL;
}

static bool run_cost(const Analysis *analysis, Error *err) {
    const Results *set = analysis->set;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (results_is_first(set, i, series_same_runs)) /* training is the same under every protocol */
            put_training(analysis, series);
        for (int k = 0; k < series->count; k++) put_evaluation(analysis, series, &series->cells[k]);
    }
    table_note(analysis->table, "Targets per second, as measured by the runs. Simultaneous runs and other "
                                "load of the machine slow runs "
                                "down; only a bench compares methods (`poslab bench CONFIG --db DB`).");
    const char *warning = series_speed_warning(set->items, set->count, analysis->arena);
    if (warning) table_note(analysis->table, warning);
    return put_benches(analysis, err);
}

const AnalysisKind analysis_cost = {
    .title = "speed and memory of the runs",
    ANALYSIS_COLUMNS(cost_columns),
    .run = run_cost,
};

/* --- early, positions --- */

/* The loss by position in the window, and the early-token curse (section 5 and appendix B of the paper).
 *
 * The first targets of a nonoverlapping window have little context, and longer windows have fewer such
 * targets. So a perplexity that falls with the length l is not necessarily due to longer context. With N(l)
 * the loss (nats per token) of nonoverlapping and S(l) that of strided evaluation of the same targets, and L
 * the training length:
 *
 *     early(l) = N(l) - S(l)                     the cost of short contexts at the starts of windows
 *     N(L) - N(l) = [S(L) - S(l)] + [early(L) - early(l)]
 *     gain        = longer context + fewer early tokens
 *
 * The table also has the nonoverlapping loss at positions below L and from L on (counted from 0; the bin of
 * `position_loss` that contains L counts as below L). Losses are means over seeds.
 */

/* --- losses by position --- */

/* Reads the bins of a cell, summed over its seeds. Returns their number, or -1 with err set. */
static int read_bins(SeriesBin *bins, const SeriesCell *cell, Error *err) {
    int count = 0;
    for (int s = 0; s < cell->count; s++) {
        SeriesBin more[SERIES_BINS];
        int known = series_bins(more, &cell->seeds[s], err);
        if (known < 0) return -1;
        for (int b = 0; b < known; b++) {
            if (b < count) more[b].nats += bins[b].nats, more[b].tokens += bins[b].tokens;
            bins[b] = more[b];
        }
        if (known > count) count = known;
    }
    return count;
}

/* Mean loss of the bins that begin in [from, to); NAN if there are none. */
static double loss_between(const SeriesBin *bins, int count, int64_t from, int64_t to) {
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
    {"eval_length", NULL, TABLE_INT, .role = TABLE_SPREAD},
    {"first", "from position", TABLE_INT},
    {"last", NULL, TABLE_INT},
    {"tokens", NULL, TABLE_INT},
    {"seeds", NULL, TABLE_INT},
    {"nats", NULL, TABLE_REAL, .decimals = 3, .role = TABLE_SPREAD_VALUE},
    {"perplexity", NULL, TABLE_REAL},
};

static bool run_positions(const Analysis *analysis, Error *err) {
    for (int i = 0; i < analysis->set->count; i++) {
        const Series *series = &analysis->set->items[i];
        for (int k = 0; k < series->count; k++) {
            const SeriesCell *cell = &series->cells[k];
            SeriesBin bins[SERIES_BINS];
            int count = read_bins(bins, cell, err);
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
    ANALYSIS_COLUMNS(positions_columns),
    .run = run_positions,
};

/* --- the decomposition --- */

static const TableColumn early_columns[] = {
    ANALYSIS_KEYS(TABLE_SHOWN, TABLE_GROUP),
    {"strided_rule", "stride", TABLE_TEXT},
    {"eval_length", "length", TABLE_INT},
    {"seeds", "seeds", TABLE_INT, .if_varying = true},
    {"nonoverlapping_perplexity", "nonoverlapping", TABLE_REAL, .decimals = -1},
    {"strided_perplexity", "strided", TABLE_REAL, .decimals = -1},
    {"early_nats", "early tokens cost", TABLE_REAL, .decimals = 4},
    {"gain_nats", "gain since L", TABLE_REAL, .decimals = 4},
    {"gain_context_nats", "by context", TABLE_REAL, .decimals = 4},
    {"gain_early_nats", "by fewer early", TABLE_REAL, .decimals = 4},
    {"below_nats", "loss below L", TABLE_REAL, .decimals = 4},
    {"beyond_nats", "loss beyond L", TABLE_REAL, .decimals = 4},
};

/* strided: NULL if there is no strided evaluation. */
static bool add_length(const Analysis *analysis, const Series *plain, const Series *strided,
                       const SeriesCell *cell, Error *err) {
    SeriesBin bins[SERIES_BINS];
    int count = read_bins(bins, cell, err);
    if (count < 0) return false;
    int64_t L = plain->train_length;
    double N = series_mean_loss(cell), N_L = series_mean_loss(plain->base);
    double S = strided ? series_mean_loss(series_cell(strided, cell->length)) : NAN;
    double S_L = strided ? series_mean_loss(strided->base) : NAN;
    TableCell *row = TABLE_TEXTS(analysis_row(analysis, plain), strided ? strided->rule : NULL);
    row = TABLE_NUMBERS(row, cell->length, cell->count, exp(N), exp(S));
    row = TABLE_NUMBERS(row, N - S, N_L - N, S_L - S, (N_L - S_L) - (N - S));
    TABLE_NUMBERS(row, loss_between(bins, count, 0, L), loss_between(bins, count, L, INT64_MAX));
    return true;
}

/* Whether `strided` is the strided evaluation of the same runs and targets. */
static bool is_strided_of(const Series *strided, const Series *plain) {
    return !strcmp(strided->protocol, evaluate_protocol_names[EVALUATE_STRIDED]) &&
           series_same_runs(strided, plain) && series_same_targets(strided, plain);
}

static bool add_lengths(const Analysis *analysis, const Series *plain, const Series *strided, Error *err) {
    for (int c = 0; c < plain->count; c++)
        if (!add_length(analysis, plain, strided, &plain->cells[c], err)) return false;
    return true;
}

static bool run_early(const Analysis *analysis, Error *err) {
    const Results *set = analysis->set;
    bool lacking = false;
    for (int i = 0; i < set->count; i++) {
        const Series *plain = &set->items[i];
        bool found = false;
        if (!series_nonoverlapping(plain)) continue;
        for (int k = 0; k < set->count; k++) {
            if (!is_strided_of(&set->items[k], plain)) continue;
            if (!add_lengths(analysis, plain, &set->items[k], err)) return false;
            found = true;
        }
        if (!found && !add_lengths(analysis, plain, NULL, err)) return false;
        lacking |= !found;
    }
    table_note(analysis->table,
               "Nats per token. early tokens cost: nonoverlapping minus strided. gain since L = by "
               "context (strided) + by fewer early tokens.");
    table_note(analysis->table, "below, beyond L: nonoverlapping loss at positions of the window inside and "
                                "outside the training length.");
    if (lacking)
        table_note(analysis->table,
                   "Some series have no strided evaluation of the same targets; `poslab eval DB --protocol "
                   "strided:0.125` adds it.");
    return true;
}

const AnalysisKind analysis_early = {
    .title = "the early-token curse",
    ANALYSIS_COLUMNS(early_columns),
    .run = run_early,
};
