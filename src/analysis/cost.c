/* cost: the analysis `cost` (Figure 2 and Table 1 of the paper), from what the runs themselves measured and
 * from what `poslab bench --db` measured of the same model.
 *
 * Speed is targets per second, each seed's, then mean and deviation over seeds: in training all targets seen
 * over the seconds of all sessions; in evaluation the targets scored, so that a strided protocol counts each
 * window's last ones only. Memory is the peak of what the program allocated (weights, gradients, optimiser,
 * activations; in evaluation one pass), the largest over seeds. `relative` is the speed over that of the
 * --baseline at the same place, of a bench alone: a bench measures methods in turns, its speeds are medians
 * over rounds with quartiles, its `relative` speeds are ratios of the times that each round had over the
 * reference's. What runs took depends on what else the machine did: the processor time and the load that they
 * had stand beside it, and a note says where runs of one method differ.
 */
#include "analysis/internal.h"

#include <math.h>
#include <string.h>

#include "store/bench_results.h"

enum {
    PHASE = KEYS,
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

static const FrameColumn cost_columns[] = {
    ANALYSIS_KEYS(0, 0),
    {"phase", "phase", FRAME_TEXT, FRAME_BOTH, 0},
    {"length", "length", FRAME_WHOLE, FRAME_BOTH, 0},
    {"seeds", "seeds", FRAME_WHOLE, FRAME_BOTH | FRAME_VARYING, 0},
    {"threads", "threads", FRAME_WHOLE, FRAME_BOTH | FRAME_VARYING, 0},
    {"tokens_per_second", "tokens/s", FRAME_REAL, FRAME_BOTH, 0},
    {"tokens_per_second_sd", "±", FRAME_REAL, FRAME_BOTH | FRAME_VARYING, 0},
    {"seconds", "seconds", FRAME_REAL, FRAME_BOTH, 1},
    {"peak_bytes", "", FRAME_WHOLE, FRAME_PROGRAMS, 0},
    {"", "MiB", FRAME_REAL, FRAME_PEOPLE, 1},
    {"relative", "x baseline", FRAME_REAL, FRAME_BOTH | FRAME_VARYING, 2},
    {"parameters", "", FRAME_WHOLE, FRAME_PROGRAMS, 0},
    {"position_parameters", "", FRAME_WHOLE, FRAME_PROGRAMS, 0},
    {"source", "source", FRAME_TEXT, FRAME_BOTH | FRAME_VARYING | FRAME_GROUP, 0},
    {"tokens_per_second_low", "from", FRAME_REAL, FRAME_BOTH | FRAME_VARYING, 0},
    {"tokens_per_second_high", "to", FRAME_REAL, FRAME_BOTH | FRAME_VARYING, 0},
    {"processor_seconds", "processor", FRAME_REAL, FRAME_BOTH | FRAME_VARYING, 1},
    {"load", "load", FRAME_REAL, FRAME_BOTH | FRAME_VARYING, 1},
};

/* What several seeds measured in one place. */
typedef struct Cost {
    double speed, deviation, seconds, bytes;
    int seeds;
} Cost;

static void add_cost(Cost *cost, double *speeds, int64_t tokens, double seconds, int64_t bytes) {
    if (!(seconds > 0)) return;
    speeds[cost->seeds++] = (double)tokens / seconds;
    cost->seconds += seconds;
    if ((double)bytes > cost->bytes) cost->bytes = (double)bytes;
}

static Cost finish_cost(Cost cost, const double *speeds) {
    cost.speed = stats_mean(speeds, cost.seeds);
    cost.deviation = stats_deviation(speeds, cost.seeds);
    cost.seconds = cost.seeds ? cost.seconds / cost.seeds : NAN;
    if (!cost.seeds) cost.bytes = NAN;
    return cost;
}

static Cost train_cost(const Series *series, Arena *arena) {
    Cost cost = {0};
    double *speeds = NEW(arena, series->run_count, double);
    for (int i = 0; i < series->run_count; i++)
        add_cost(&cost, speeds, series->runs[i].tokens, series->runs[i].seconds, series->runs[i].peak_bytes);
    return finish_cost(cost, speeds);
}

static Cost evaluate_cost(const SeriesCell *cell, Arena *arena) {
    Cost cost = {0};
    double *speeds = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++)
        add_cost(&cost, speeds, cell->seeds[i].tokens, cell->seeds[i].seconds, cell->seeds[i].peak_bytes);
    return finish_cost(cost, speeds);
}

static void put_cost(FrameCell *row, const Series *series, const char *phase, int64_t length, Cost cost) {
    row[SOURCE] = frame_text("runs");
    row[PHASE] = frame_text(phase);
    row[LENGTH] = frame_number((double)length);
    row[SEEDS] = frame_number(cost.seeds);
    if (series->run_count) row[THREADS] = frame_number((double)series->runs[0].threads);
    row[SPEED] = frame_number(cost.speed);
    row[DEVIATION] = frame_number(cost.deviation);
    row[SECONDS] = frame_number(cost.seconds);
    row[BYTES] = frame_number(cost.bytes);
    row[MEBIBYTES] = frame_number(cost.bytes / (1 << 20));
    row[PARAMETERS] = frame_number((double)series->parameters);
    row[POSITION] = frame_number((double)series->position_parameters);
}

/* Processor time and load in training, means over the seeds. */
static void put_machine(FrameCell *row, const Series *series) {
    double processor = 0, load = 0;
    for (int i = 0; i < series->run_count; i++) {
        processor += series->runs[i].processor_seconds / series->run_count;
        load += series->runs[i].load / series->run_count;
    }
    row[PROCESSOR] = frame_number(series->run_count ? processor : NAN);
    row[LOAD] = frame_number(series->run_count ? load : NAN);
}

/* Training is the same under every protocol: it is shown with the first one. */
static bool first_of_runs(const SeriesSet *set, int index) {
    const Series *series = &set->items[index];
    for (int i = 0; i < index; i++) {
        const Series *other = &set->items[i];
        if (!strcmp(other->name, series->name) && !strcmp(other->corpus, series->corpus) &&
            other->train_length == series->train_length)
            return false;
    }
    return true;
}

static void put_result(FrameCell *row, const SpeedBench *bench, const SpeedResult *result,
                       const SpeedResult *base, const Series *series, Arena *arena) {
    row[SOURCE] = frame_text(arena_format(arena, "bench of %s, %s", bench->created, bench->precision));
    row[PHASE] = frame_text(result->train ? "train" : "evaluate");
    row[LENGTH] = frame_number((double)result->length);
    row[THREADS] = frame_number((double)bench->threads);
    row[SPEED] = frame_number(result->rate);
    row[SPEED_LOW] = frame_number(result->rate_low);
    row[SPEED_HIGH] = frame_number(result->rate_high);
    row[BYTES] = frame_number((double)result->bytes);
    row[MEBIBYTES] = frame_number((double)result->bytes / (1 << 20));
    if (base) row[RELATIVE] = frame_number(base->ratio / result->ratio);
    row[PARAMETERS] = frame_number((double)series->parameters);
    row[POSITION] = frame_number((double)series->position_parameters);
}

static const Series *labelled(const SeriesSet *set, const char *label) {
    for (int i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].label, label)) return &set->items[i];
    return NULL;
}

/* What `wanted` (a method or a label) reached in the same place; NULL if it was not measured. */
static const SpeedResult *beside(const SpeedBench *bench, const SpeedResult *result, const char *wanted) {
    for (int i = 0; wanted && i < bench->count; i++) {
        const SpeedResult *other = &bench->results[i];
        if (other->length == result->length && other->train == result->train &&
            (!strcmp(other->method, wanted) || !strcmp(other->label, wanted)))
            return other;
    }
    return NULL;
}

/* The benches of the experiment's models, with the methods that the experiment has. */
static bool put_benches(const Analysis *analysis, Err *err) {
    const SeriesSet *set = analysis->set;
    const SpeedList *list = speed_read(analysis->store, set->experiment, analysis->arena, err);
    for (int b = 0; list && b < list->count; b++)
        for (int r = 0; r < list->items[b].count; r++) {
            const SpeedBench *bench = &list->items[b];
            const SpeedResult *result = &bench->results[r];
            const Series *series = labelled(set, result->label);
            if (!series) continue;
            FrameCell *row = analysis_row(analysis, series);
            for (int c = KEY_EVALUATED; c <= KEY_TRAIN_LENGTH; c++) row[c] = frame_number(NAN);
            put_result(row, bench, result, beside(bench, result, analysis->options->baseline), series,
                       analysis->arena);
        }
    return list != NULL;
}

static bool run_cost(const Analysis *analysis, Err *err) {
    const SeriesSet *set = analysis->set;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (first_of_runs(set, i)) {
            FrameCell *row = analysis_row(analysis, series);
            row[KEY_EVALUATED] = row[KEY_SPLIT] = row[KEY_PROTOCOL] = row[KEY_STRIDE_RULE] =
                row[KEY_REQUESTED] = frame_text(NULL);
            put_cost(row, series, "train", series->train_length, train_cost(series, analysis->arena));
            put_machine(row, series);
        }
        for (int k = 0; k < series->count; k++)
            put_cost(analysis_row(analysis, series), series, "evaluate", series->cells[k].length,
                     evaluate_cost(&series->cells[k], analysis->arena));
    }
    frame_note(
        analysis->frame,
        "Targets per second, as the runs measured it; runs at a time slow each other down, and so does "
        "all else on the machine. Methods are compared by a bench alone (`poslab bench CONFIG --db DB`).");
    const char *warning = series_speed_warning(set, analysis->arena);
    if (warning) frame_note(analysis->frame, warning);
    return put_benches(analysis, err);
}

const AnalysisKind analysis_cost = {
    .name = "cost",
    .title = "speed and memory of the runs",
    .columns = cost_columns,
    .column_count = COUNT_OF(cost_columns),
    .run = run_cost,
};
