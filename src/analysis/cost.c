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

enum {
    PHASE = ANALYSIS_KEY_COUNT,
    LENGTH,
    SEEDS,
    THREADS,
    SPEED,
    DEVIATION,
    SECONDS,
    BYTES,
    MEBIBYTES,
    RELATIVE,
    PARAMETERS,
    POSITION,
    SOURCE,
    SPEED_LOW,
    SPEED_HIGH,
    PROCESSOR,
    LOAD
};

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
typedef struct TrainingCost {
    double speed, deviation, seconds, bytes;
    int seeds;
} TrainingCost;

static void add_cost(TrainingCost *cost, double *speeds, int64_t tokens, double seconds, double bytes) {
    if (!(seconds > 0)) return;
    speeds[cost->seeds++] = (double)tokens / seconds;
    cost->seconds += seconds;
    cost->bytes = fmax(cost->bytes, bytes);
}

static TrainingCost finish_cost(TrainingCost cost, const double *speeds) {
    cost.speed = stats_mean(speeds, cost.seeds);
    cost.deviation = stats_deviation(speeds, cost.seeds);
    cost.seconds = cost.seeds ? cost.seconds / cost.seeds : NAN;
    if (!cost.seeds) cost.bytes = NAN;
    return cost;
}

static TrainingCost train_cost(const Series *series, Arena *arena) {
    TrainingCost cost = {0};
    double *speeds = NEW(arena, series->run_count, double);
    for (int i = 0; i < series->run_count; i++)
        add_cost(&cost, speeds, series->runs[i].tokens, series->runs[i].cost[SERIES_SECONDS],
                 series->runs[i].cost[SERIES_BYTES]);
    return finish_cost(cost, speeds);
}

static TrainingCost evaluate_cost(const SeriesCell *cell, Arena *arena) {
    TrainingCost cost = {0};
    double *speeds = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++)
        add_cost(&cost, speeds, cell->seeds[i].tokens, cell->seeds[i].seconds,
                 (double)cell->seeds[i].peak_bytes);
    return finish_cost(cost, speeds);
}

static void put_cost(TableCell *row, const Series *series, const char *phase, int64_t length,
                     TrainingCost cost) {
    row[SOURCE] = table_text("runs");
    row[PHASE] = table_text(phase);
    row[LENGTH] = table_number((double)length);
    row[SEEDS] = table_number(cost.seeds);
    if (series->run_count) row[THREADS] = table_number((double)series->runs[0].threads);
    row[SPEED] = table_number(cost.speed);
    row[DEVIATION] = table_number(cost.deviation);
    row[SECONDS] = table_number(cost.seconds);
    row[BYTES] = table_number(cost.bytes);
    row[MEBIBYTES] = table_number(cost.bytes / (1 << 20));
    row[PARAMETERS] = table_number((double)series->parameters);
    row[POSITION] = table_number((double)series->position_parameters);
}

static void put_result(TableCell *row, const BenchRecord *bench, const BenchResult *result,
                       const BenchResult *base, const Series *series, Arena *arena) {
    row[SOURCE] = table_text(arena_format(arena, "bench of %s, %s", bench->created, bench->precision));
    row[PHASE] = table_text(result->train ? "train" : "evaluate");
    row[LENGTH] = table_number((double)result->length);
    row[THREADS] = table_number((double)bench->threads);
    row[SPEED] = table_number(result->rate);
    row[SPEED_LOW] = table_number(result->rate_low);
    row[SPEED_HIGH] = table_number(result->rate_high);
    row[BYTES] = table_number((double)result->bytes);
    row[MEBIBYTES] = table_number((double)result->bytes / (1 << 20));
    if (base) row[RELATIVE] = table_number(base->ratio / result->ratio);
    row[PARAMETERS] = table_number((double)series->parameters);
    row[POSITION] = table_number((double)series->position_parameters);
}

static const Series *labelled(const Results *set, const char *label) {
    for (int i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].label, label)) return &set->items[i];
    return NULL;
}

/* What `wanted` (a method or a label) reached in the same place; NULL if it was not measured. */
static const BenchResult *beside(const BenchRecord *bench, const BenchResult *result, const char *wanted) {
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
            for (int c = ANALYSIS_EVALUATED; c <= ANALYSIS_TRAIN_LENGTH; c++) row[c] = table_number(NAN);
            put_result(row, bench, result, beside(bench, result, analysis->options->baseline), series,
                       analysis->arena);
        }
    return list != NULL;
}

static bool run_cost(const Analysis *analysis, Error *err) {
    const Results *set = analysis->set;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (results_is_first(set, i, series_same_runs)) { /* training is the same under every protocol */
            TableCell *row = analysis_row(analysis, series);
            row[ANALYSIS_EVALUATED] = row[ANALYSIS_SPLIT] = row[ANALYSIS_PROTOCOL] =
                row[ANALYSIS_STRIDE_RULE] = row[ANALYSIS_REQUESTED] = table_text(NULL);
            put_cost(row, series, "train", series->train_length, train_cost(series, analysis->arena));
            row[PROCESSOR] = table_number(series->cost[SERIES_PROCESSOR]);
            row[LOAD] = table_number(series->cost[SERIES_LOAD]);
        }
        for (int k = 0; k < series->count; k++)
            put_cost(analysis_row(analysis, series), series, "evaluate", series->cells[k].length,
                     evaluate_cost(&series->cells[k], analysis->arena));
    }
    table_note(
        analysis->frame,
        "Targets per second, as the runs measured it; runs at a time slow each other down, and so does "
        "all else on the machine. Methods are compared by a bench alone (`poslab bench CONFIG --db DB`).");
    const char *warning = results_speed_warning(set, analysis->arena);
    if (warning) table_note(analysis->frame, warning);
    return put_benches(analysis, err);
}

const AnalysisKind analysis_cost = {
    .title = "speed and memory of the runs",
    .columns = cost_columns,
    .column_count = COUNT_OF(cost_columns),
    .run = run_cost,
};
