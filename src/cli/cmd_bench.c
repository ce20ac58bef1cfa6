/* cmd_bench: a Subject is what is measured, a Measurement a row of the result. */
#include "cli/cmd_bench.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "sys/memory.h"
#include "sys/mpi.h"
#include "sys/threads.h"
#include "math/gemm.h"
#include "math/hardware.h"
#include "math/stats.h"
#include "math/timers.h"
#include "position/encoding.h"
#include "model/activations.h"
#include "model/transformer.h"
#include "train/batch_gradient.h"
#include "train/optimizer.h"
#include "store/bench_results.h"

typedef enum Phase { TRAIN, EVALUATE, STRIDED, TOKEN, PHASES } Phase;
static const char *const phase_names[PHASES] = {"train", "evaluate", "strided", "token"};
enum { BENCH_TARGETS = 8 }; /* of a measurement of strided and token */

typedef struct Subject { /* a method at one length and precision, in one phase */
    Model *model;
    Phase phase;
    Cache cache;         /* of token only */
    BatchGradient *step; /* training only */
    Optimizer *optimizer;
    Activations **pass;      /* evaluation only: [lanes] */
    float **nll;             /* evaluation only: [lanes][sequences * length] */
    const uint32_t **tokens; /* [sequences] */
    int sequences, of_pass;  /* sequences of an update; of one pass of an evaluation */
    int length;
    size_t bytes;
    double *seconds, *share[TIMERS_COUNT]; /* [rounds] */
    struct Subject *reference;             /* the reference method at the same length and precision */
    double *reference_seconds;             /* [rounds] its time in the adjacent measurement */
    double *product, *peak;                /* [rounds] rates of the BLAS and of FMA; of the reference only */
} Subject;

typedef struct Spread { /* median and quartiles */
    double median, low, high;
} Spread;

typedef struct Measurement { /* a row of the table */
    BenchResult result;
    const char *phase, *precision;
    int threads;
    double product_rate, peak_rate, share_of_peak, matrix, attention; /* the last two: shares of the time */
    Spread speedup; /* tokens/s over those in the first precision */
} Measurement;

static bool find_method(const CmdBenchOptions *options, const char *name, int length, Encoding *position,
                        Arena *arena, Error *err) {
    const PositionMethod *method = encoding_require(name, err);
    if (!method) return false;
    if (!encoding_default(position, method, arena))
        return error_set(err, EXIT_USAGE,
                         "bench: '%s' chooses positions for '%s', which this poslab lacks; restore "
                         "methods/%s.c and rebuild",
                         name, method->partner, method->partner);
    if (method->positions && options->tokens)
        return error_set(err, EXIT_USAGE, "bench: '%s' has no cache for --protocol token; leave it out",
                         name);
    return model_check(&options->model, position, length, "bench", err);
}

/* With a counting arena, only counts the memory. */
static void subject_allocate(Subject *subject, Model *model, Arena *arena) {
    model_allocate(model, arena);
    if (subject->phase == TRAIN) {
        OptimizerOptions optimizer;
        options_default(&optimizer, optimizer_fields, optimizer_field_count);
        subject->optimizer = optimizer_new(&optimizer, model, arena);
        subject->step = batch_gradient_new(model, NULL, subject->sequences, subject->length, arena);
        return;
    }
    subject->pass = NEW(arena, model->threads, Activations *);
    subject->nll = NEW(arena, model->threads, float *);
    bool token = subject->phase == TOKEN;
    if (token) subject->cache = cache_new(model, 1, subject->length - 1, arena);
    cache_advance(&subject->cache, subject->cache.capacity);
    for (int lane = 0; lane < model->threads; lane++) {
        Activations *pass = activations_new_cached(model, token ? &subject->cache : NULL, subject->of_pass,
                                                   token ? 1 : subject->length, false, arena);
        float *nll = NEW(arena, (size_t)subject->of_pass * (size_t)subject->length, float);
        if (subject->pass) subject->pass[lane] = pass, subject->nll[lane] = nll;
    }
}

/* Sets the sizes of a subject and counts its memory, without allocating it. */
static void subject_size(Subject *subject, const CmdBenchOptions *options, const Encoding *position,
                         int length, int precision, Phase phase, Arena *arena) {
    int64_t sequences = phase < STRIDED ? options->tokens_per_step / length : BENCH_TARGETS,
            in_flight = phase < STRIDED ? options->model.max_tokens_in_flight / length : 1;
    subject->length = length;
    subject->phase = phase;
    int threads = phase < STRIDED ? options->threads : 1, lanes = threads * mpi_ranks();
    subject->sequences = sequences > lanes ? (int)sequences : lanes;
    subject->of_pass = in_flight < 1                    ? 1
                       : in_flight < subject->sequences ? (int)in_flight
                                                        : subject->sequences;
    subject->model = model_new(&options->model, position, length, arena);
    subject->model->precision = precision;
    subject->model->threads = threads;
    Arena *count = arena_new_counting();
    Model counted = *subject->model;
    Subject same = *subject;
    subject_allocate(&same, &counted, count);
    subject->bytes = arena_counted(count);
}

static void subject_make(Subject *subject, const CmdBenchOptions *options, Arena *arena) {
    subject_allocate(subject, subject->model, arena);
    model_init(subject->model, 1);
    subject->tokens = subject->step ? batch_gradient_tokens(subject->step)
                                    : NEW(arena, subject->sequences, const uint32_t *);
    size_t length = (size_t)subject->length, total = (size_t)subject->sequences * length + 1;
    uint32_t *stream = NEW(arena, total, uint32_t);
    Random rng = random_stream(1, "bench", "tokens");
    uint64_t (*draw)(Random *, uint64_t) = options->model.adaptive.bands ? random_zipf : random_below;
    for (size_t i = 0; i < total; i++) stream[i] = (uint32_t)draw(&rng, (uint64_t)options->model.vocabulary);
    for (int b = 0; b < subject->sequences; b++) subject->tokens[b] = stream + (size_t)b * length;
    subject->seconds = NEW(arena, options->rounds, double);
    subject->reference_seconds = NEW(arena, options->rounds, double);
    subject->product = NEW(arena, options->rounds, double);
    subject->peak = NEW(arena, options->rounds, double);
    for (int part = 0; part < TIMERS_COUNT; part++)
        subject->share[part] = NEW(arena, options->rounds, double);
}

static void evaluate_share(void *user, int lane) {
    Subject *s = user;
    int lanes = s->model->threads, first = (mpi_rank() * lanes + lane) * s->of_pass;
    for (; first < s->sequences; first += mpi_ranks() * lanes * s->of_pass) {
        int count = s->sequences - first < s->of_pass ? s->sequences - first : s->of_pass;
        transformer_evaluate(s->model, s->pass[lane], s->tokens + first, count, s->nll[lane]);
    }
}

/* Performs one update, or one evaluation of the same number of tokens. */
static void subject_run(Subject *subject) {
    if (subject->step) {
        batch_gradient_run(subject->step, 1, 1);
        optimizer_step(subject->optimizer, subject->model, batch_gradient_values(subject->step), 1e-6);
    } else {
        threads_run(subject->model->threads, evaluate_share, subject);
        mpi_or(0); /* waits for all ranks */
    }
}

/* Median and quartiles of over / under, round by round; of `over` alone if `under` is NULL. */
static Spread spread(const double *over, const double *under, int rounds, Arena *arena) {
    double *ratios = NEW(arena, rounds, double);
    for (int r = 0; r < rounds; r++) ratios[r] = over[r] / (under ? under[r] : 1);
    stats_sort(ratios, rounds);
    return (Spread){stats_quantile(ratios, rounds, 0.5), stats_quantile(ratios, rounds, 0.25),
                    stats_quantile(ratios, rounds, 0.75)};
}

/* FLOPs of a target, or of a token of training. */
static double target_flops(const Subject *subject, const ModelOptions *model) {
    int length = subject->length;
    double flops = model_flops(model, subject->phase == TOKEN ? 1 : length, subject->step);
    if (subject->phase == TOKEN) return flops + model_cache_flops(model, 1, length - 1, false);
    return subject->phase == STRIDED ? flops * length : flops;
}

static Measurement figure(const Subject *subject, const Subject *first, const CmdBenchOptions *options,
                          Arena *arena) {
    int rounds = options->rounds;
    double tokens = (double)subject->sequences * (subject->phase < STRIDED ? subject->length : 1);
    const PositionMethod *method = subject->model->position.method;
    Spread seconds = spread(subject->seconds, NULL, rounds, arena);
    Spread ratio = spread(subject->seconds, subject->reference_seconds, rounds, arena);
    Measurement f = {.phase = phase_names[subject->phase],
                     .precision = precision_names[subject->model->precision],
                     .threads = subject->model->threads,
                     .product_rate = spread(subject->reference->product, NULL, rounds, arena).median,
                     .peak_rate = spread(subject->reference->peak, NULL, rounds, arena).median,
                     .matrix = spread(subject->share[TIMERS_MATRIX], NULL, rounds, arena).median,
                     .attention = spread(subject->share[TIMERS_ATTENTION], NULL, rounds, arena).median,
                     .speedup = spread(first->seconds, subject->seconds, rounds, arena)};
    f.result = (BenchResult){.method = method->name,
                             .label = method->label,
                             .length = subject->length,
                             .train = subject->step != NULL,
                             .rate = tokens / seconds.median,
                             .rate_low = tokens / seconds.high,
                             .rate_high = tokens / seconds.low,
                             .ratio = ratio.median,
                             .ratio_low = ratio.low,
                             .ratio_high = ratio.high,
                             .bytes = (int64_t)subject->bytes};
    f.result.flops = f.result.rate * target_flops(subject, &options->model);
    f.result.share = f.result.flops / (f.product_rate * subject->model->threads * mpi_ranks());
    f.share_of_peak = f.result.flops / (f.peak_rate * subject->model->threads * mpi_ranks());
    return f;
}

/* Measures a subject once: returns seconds, and sets those of its parts. */
static double take_turn(Subject *subject, double parts[TIMERS_COUNT]) {
    double before[TIMERS_COUNT], start = clock_now();
    memcpy(before, timers_seconds, sizeof before);
    subject_run(subject);
    for (int part = 0; part < TIMERS_COUNT; part++) parts[part] = timers_seconds[part] - before[part];
    return clock_now() - start;
}

/* The rate of matrix products with the shapes of the model's largest layer. */
static double product_rate(const ModelOptions *model, int precision) {
    int rows = (int)(model->max_tokens_in_flight < 1024 ? model->max_tokens_in_flight : 1024);
    return linear_rate(precision, rows, (int)model->ffn, (int)model->width, 0.02);
}

/* Measures a subject in round r, and its reference directly before or after it: the ratio of adjacent
   measurements is not affected by slow changes of the machine's speed. Round -1 warms up. */
static void measure_turn(Subject *subject, int r) {
    double parts[TIMERS_COUNT], ignored[TIMERS_COUNT], adjacent = 0;
    bool alone = subject->reference == subject, before = r % 2 != 0;
    double product = alone ? product_rate(&subject->model->options, subject->model->precision) : 0,
           peak = alone ? gemm_peak(0.005) : 0;
    if (!alone && before) adjacent = take_turn(subject->reference, ignored);
    double seconds = take_turn(subject, parts);
    if (!alone && !before) adjacent = take_turn(subject->reference, ignored);
    if (r < 0) return;
    subject->seconds[r] = seconds;
    subject->reference_seconds[r] = alone ? seconds : adjacent;
    subject->product[r] = product;
    subject->peak[r] = peak;
    for (int part = 0; part < TIMERS_COUNT; part++) subject->share[part][r] = parts[part] / seconds;
}

static void take_turns(Subject *subjects, int count, int rounds) {
    for (int r = -1; r < rounds; r++) /* each round begins with another subject */
        for (int s = 0; s < count; s++) measure_turn(&subjects[(s + r + 1) % count], r);
}

/* Measures all methods in one phase, and writes their figures in the order length, precision, method. */
static bool measure(const CmdBenchOptions *options, const char *const *names, int methods, Phase phase,
                    Measurement *figures, Error *err) {
    Arena *arena = arena_new(0);
    int count = options->length_count * options->precision_count * methods, reference = 0;
    Subject *subjects = NEW(arena, count, Subject);
    double bytes = 0, machine = memory_usable(options->threads);
    bool ok = true;
    for (int s = 0; ok && s < count; s++) {
        const char *name = names[s % methods];
        int p = s / methods % options->precision_count,
            length = options->lengths[s / methods / options->precision_count];
        Encoding position;
        ok = find_method(options, name, length, &position, arena, err);
        if (ok) subject_size(&subjects[s], options, &position, length, options->precisions[p], phase, arena);
        if (strcmp(name, options->reference) == 0) reference = s % methods;
        bytes += (double)subjects[s].bytes;
    }
    if (ok && bytes > machine)
        ok = error_set(
            err, EXIT_USAGE,
            "bench: all methods at all lengths together need %s, the machine has %s; reduce --methods or "
            "--lengths",
            text_bytes(bytes, arena), text_bytes(machine, arena));
    for (int s = 0; ok && s < count; s++) subject_make(&subjects[s], options, arena);
    for (int s = 0; s < count; s++) subjects[s].reference = &subjects[s - s % methods + reference];
    if (ok) take_turns(subjects, count, options->rounds);
    for (int s = 0; ok && s < count; s++) {
        const Subject *first = &subjects[s - s / methods % options->precision_count * methods];
        figures[s] = figure(&subjects[s], first, options, arena);
    }
    arena_free(arena);
    return ok;
}

static const char *machine_text(Arena *arena) {
    const Json *machine = hardware_json(arena);
    const char *onednn = json_text(json_get(machine, "onednn"), "not built in");
    return arena_format(arena, "%s, %.0f cores, %s; %.1f GiB; oneDNN %s, bf16 %s; %s",
                        json_text(json_get(machine, "cpu"), ""), json_number(json_get(machine, "cores"), 0),
                        json_text(json_get(machine, "simd"), ""),
                        json_number(json_get(machine, "memory_bytes"), 0) / (1 << 30), onednn,
                        json_bool(json_get(machine, "bf16")) ? "yes" : "no",
                        json_text(json_get(machine, "blas"), ""));
}

/* --- the table --- */

/* cli/cmd_methods.c reads the first four. The heads of SHOWN and SPEEDUP are set for the reference. */
enum { SHOWN = 17, SPEEDUP, COLUMNS = 26 };
static const TableColumn columns[COLUMNS] = {
    {"phase", NULL, TABLE_TEXT, .role = TABLE_GROUP},
    {"method", "method", TABLE_TEXT},
    {"length", NULL, TABLE_INT, .role = TABLE_GROUP},
    {"time_ratio.median", NULL, TABLE_REAL},
    {"time_ratio.low", NULL, TABLE_REAL},
    {"time_ratio.high", NULL, TABLE_REAL},
    {"precision", NULL, TABLE_TEXT, .role = TABLE_GROUP},
    {"tokens_per_second", "tokens/s", TABLE_REAL},
    {"flops", "GFLOP/s", TABLE_REAL},
    {"share_of_matrix_flops", "of BLAS", TABLE_REAL},
    {"share_of_fma_flops", "of peak", TABLE_REAL},
    {"matrix_share", "matrix", TABLE_REAL},
    {"attention_share", "attention", TABLE_REAL},
    {"rest_share", "rest", TABLE_REAL},
    {"bytes", "MiB", TABLE_REAL},
    {"matrix_flops", NULL, TABLE_REAL},
    {"fma_flops", NULL, TABLE_REAL},
    [SHOWN] = {NULL, "", TABLE_REAL},
    [SPEEDUP] = {"speed_ratio.median", NULL, TABLE_REAL},
    {"speed_ratio.low", NULL, TABLE_REAL},
    {"speed_ratio.high", NULL, TABLE_REAL},
    {"reference", NULL, TABLE_TEXT},
    {"ranks", NULL, TABLE_INT},
    {"threads", NULL, TABLE_INT},
    {"rounds", NULL, TABLE_INT},
    {NULL, NULL, TABLE_TEXT, .role = TABLE_CAPTION},
};

static TableCell percent_cell(double share, Arena *arena) {
    return table_shown(share, arena_format(arena, "%.1f%%", 100 * share));
}

static const char *spread_text(double median, double low, double high, Arena *arena) {
    return arena_format(arena, "%.3f [%.3f, %.3f]", median, low, high);
}

static void put_measurement(TableCell *row, const Measurement *f, const CmdBenchOptions *options,
                            Arena *arena) {
    TableCell *speedup = row + SPEEDUP;
    const BenchResult *result = &f->result;
    row = TABLE_TEXTS(row, f->phase, result->method);
    row = TABLE_NUMBERS(row, result->length, result->ratio, result->ratio_low, result->ratio_high);
    *row++ = table_text(f->precision);
    *row++ = table_number(result->rate);
    *row++ = table_shown(result->flops, arena_format(arena, "%.1f", result->flops / 1e9));
    *row++ = percent_cell(result->share, arena);
    *row++ = percent_cell(f->share_of_peak, arena);
    *row++ = percent_cell(f->matrix, arena);
    *row++ = percent_cell(f->attention, arena);
    *row++ = percent_cell(1 - f->matrix - f->attention, arena);
    *row++ =
        table_shown((double)result->bytes, arena_format(arena, "%.1f", (double)result->bytes / (1 << 20)));
    row = TABLE_NUMBERS(row, f->product_rate, f->peak_rate);
    *row++ = table_text(spread_text(result->ratio, result->ratio_low, result->ratio_high, arena));
    row = TABLE_NUMBERS(row, f->speedup.median, f->speedup.low, f->speedup.high);
    speedup->text = spread_text(f->speedup.median, f->speedup.low, f->speedup.high, arena);
    *row++ = table_text(options->reference);
    row = TABLE_NUMBERS(row, mpi_ranks(), f->threads, options->rounds);
    *row = table_text(arena_format(
        arena, "%s, T = %d, %s, ranks %d, threads %d; GFLOP/s per thread: BLAS %.1f, peak of FMA %.1f",
        f->phase, (int)result->length, f->precision, mpi_ranks(), f->threads, f->product_rate / 1e9,
        f->peak_rate / 1e9));
}

static bool print(const Measurement *f, int count, const CmdBenchOptions *options, FILE *out, Arena *arena,
                  Error *err) {
    TableColumn *own = NEW(arena, COLUMNS, TableColumn);
    memcpy(own, columns, sizeof columns);
    own[SHOWN].head = arena_format(arena, "time over %s", options->reference);
    if (options->precision_count > 1)
        own[SPEEDUP].head = arena_format(arena, "speed over %s", precision_names[options->precisions[0]]);
    if (options->tokens) own[SPEEDUP].head = "speed over strided";
    Table *table = table_new(machine_text(arena), own, COLUMNS, arena);
    for (int i = 0; i < count; i++) put_measurement(table_row(table), &f[i], options, arena);
    if (options->format != TABLE_AS_JSON) return table_print_one(table, options->format, out, err);
    Json *root = json_new_object(arena);
    json_set(root, "machine", hardware_json(arena));
    json_set_number(root, "threads", options->threads);
    json_set_number(root, "ranks", mpi_ranks());
    json_set_text(root, "reference", options->reference);
    json_set_number(root, "rounds", options->rounds);
    json_set(root, "figures", table_rows(table, arena));
    return table_print_json(root, out, err);
}

/* Stores the figures of one precision. */
static bool store_precision(const Measurement *f, int count, const char *precision,
                            const CmdBenchOptions *options, Database *store, Arena *arena, Error *err) {
    Json *config = json_new_object(arena);
    json_set(config, "model", model_json(&options->model, arena));
    json_set_number(config, "tokens_per_step", (double)options->tokens_per_step);
    json_set_number(config, "rounds", options->rounds);
    BenchRecord bench = {.precision = precision,
                         .reference = options->reference,
                         .config = json_print(config, arena),
                         .threads = options->threads,
                         .results = NEW(arena, count, BenchResult)};
    double *rates = NEW(arena, count, double);
    for (int i = 0; i < count; i++, f++) {
        if (strcmp(f->precision, precision)) continue;
        rates[bench.count] = f->product_rate;
        bench.results[bench.count++] = f->result;
    }
    bench.gemm_rate = stats_median(rates, bench.count, arena);
    return bench_results_write(store, &bench, err);
}

static bool store_figures(const Measurement *f, int count, const CmdBenchOptions *options, Database *store,
                          Arena *arena, Error *err) {
    bool ok = true;
    for (int p = 0; ok && p < options->precision_count; p++)
        ok = store_precision(f, count, precision_names[options->precisions[p]], options, store, arena, err);
    return ok;
}

bool cmd_bench_run(const CmdBenchOptions *options, FILE *out, Error *err) {
    Arena *arena = arena_new(0);
    const char **names = NEW(arena, encoding_method_count + 64, const char *);
    int count = 0, figures = 0;
    for (int m = 0; !options->methods && m < encoding_method_count; m++) {
        const PositionMethod *method = encoding_methods[m]; /* without its partner it cannot run */
        bool runs = method->positions ? encoding_find(method->partner) && !options->tokens : true;
        if (runs) names[count++] = method->name;
    }
    for (int m = 0; options->methods && options->methods[m] && count < 63; m++)
        names[count++] = options->methods[m];
    Database *store = options->database ? database_open(options->database, DATABASE_CREATE, err) : NULL;
    bool present = false, ok = store || !options->database;
    if (ok && store && mpi_ranks() > 1)
        ok = error_set(err, EXIT_USAGE, "bench: results of %d MPI ranks are not stored; leave out --db",
                       mpi_ranks());
    for (int m = 0; m < count; m++) present = present || strcmp(names[m], options->reference) == 0;
    if (!present) names[count++] = options->reference;
    if (ok && store && options->tokens)
        ok = error_set(err, EXIT_USAGE, "bench: results of --protocol token are not stored; leave out --db");
    for (int p = 0; ok && p < options->precision_count; p++)
        ok = precision_check(options->precisions[p], "bench", "--precision", err);
    int of_phase = options->length_count * count * options->precision_count;
    Measurement *table = NEW(arena, 2 * of_phase, Measurement);
    for (int phase = 0; ok && phase < PHASES; phase++) {
        if (!(phase == TRAIN ? options->train : phase == EVALUATE ? options->evaluate : options->tokens))
            continue;
        ok = measure(options, names, count, phase, table + figures, err);
        figures += of_phase;
    }
    for (Measurement *f = table + of_phase, *of = table; options->tokens && f < table + figures; f++, of++)
        f->speedup = (Spread){f->result.rate / of->result.rate, f->result.rate_low / of->result.rate_high,
                              f->result.rate_high / of->result.rate_low};
    if (mpi_rank() > 0) figures = 0; /* rank 0 reports */
    ok = ok && (mpi_rank() > 0 || print(table, figures, options, out, arena, err));
    ok = ok && (!store || store_figures(table, figures, options, store, arena, err));
    database_close(store);
    arena_free(arena);
    return ok;
}
