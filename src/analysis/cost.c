/* cost: the analysis `cost` (Figure 2 and Table 1 of the paper), from what runs measured of themselves and
 * from what `poslab bench --db` measured of the same model.
 *
 * Speed is targets per second of each seed, then mean and deviation over seeds: in training all targets over
 * the seconds of all sessions; in evaluation the targets scored, so that a strided protocol counts only the
 * last ones of each window. Memory is the peak of what the program allocated (weights, gradients, optimizer,
 * activations; in evaluation one pass), the largest over seeds. `relative` is the speed relative to that of
 * the --baseline at the same length and phase, from a bench only: a bench alternates methods, its speeds are
 * medians over rounds with quartiles, and its relative speeds are ratios of the times within each round. The
 * seconds of runs depend on the other load of the machine: their processor time and the load are shown as
 * well, and a note says where runs of one method differ.
 */
#include "analysis/internal.h"

#include <math.h>
#include <string.h>

#include "store/bench_results.h"

static const TableColumn cost_columns[] = {
    ANALYSIS_KEYS(0, 0),
    {"phase", "phase", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    {"length", "length", TABLE_INT, TABLE_FOR_BOTH, 0},
    {"seeds", "seeds", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"threads", "threads", TABLE_INT, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"tokens_per_second", "tokens/s", TABLE_REAL, TABLE_FOR_BOTH, 0},
    {"tokens_per_second_sd", "±", TABLE_REAL, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"seconds", "seconds", TABLE_REAL, TABLE_FOR_BOTH, 1},
    {"peak_bytes", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"", "MiB", TABLE_REAL, TABLE_FOR_PEOPLE, 1},
    {"relative", "x baseline", TABLE_REAL, TABLE_FOR_BOTH | TABLE_IF_VARYING, 2},
    {"parameters", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"position_parameters", "", TABLE_INT, TABLE_FOR_PROGRAMS, 0},
    {"source", "source", TABLE_TEXT, TABLE_FOR_BOTH | TABLE_IF_VARYING | TABLE_GROUP, 0},
    {"tokens_per_second_low", "from", TABLE_REAL, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"tokens_per_second_high", "to", TABLE_REAL, TABLE_FOR_BOTH | TABLE_IF_VARYING, 0},
    {"processor_seconds", "processor", TABLE_REAL, TABLE_FOR_BOTH | TABLE_IF_VARYING, 1},
    {"load", "load", TABLE_REAL, TABLE_FOR_BOTH | TABLE_IF_VARYING, 1},
};

/* What several seeds measured in one place. */
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

/* What `wanted` (a method or a label) reached in the same place; NULL if it was not measured. */
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

/* The benches of the experiment's models, with the methods that the experiment has. */
static bool put_benches(const Analysis *analysis, Error *err) {
    const Results *set = analysis->set;
    const BenchResults *list = bench_results_read(analysis->store, set->experiment, analysis->arena, err);
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
    table_note(
        analysis->table,
        "Targets per second, as the runs measured it; runs at a time slow each other down, and so does "
        "all else on the machine. Methods are compared by a bench alone (`poslab bench CONFIG --db DB`).");
    const char *warning = results_speed_warning(set, analysis->arena);
    if (warning) table_note(analysis->table, warning);
    return put_benches(analysis, err);
}

const AnalysisKind analysis_cost = {
    .title = "speed and memory of the runs",
    .columns = cost_columns,
    .column_count = COUNT_OF(cost_columns),
    .run = run_cost,
};
