/* compare: the analyses `compare` (each method with the baseline, or all pairs of chosen rows) and
 * `short-long` (training at a short length with training at a long length).
 *
 * Both are lists of contrasts. A contrast compares two cells of the same evaluation length and protocol, so
 * their windows are the same. The difference d is in nats per token, method minus baseline (math/stats.h). If
 * B is the perplexity of the baseline, the columns are the ratio exp(d) and the difference B (exp(d) - 1).
 * Holm's correction is over all contrasts of the experiment that have a p-value.
 *
 * short-long compares a method trained at Ls and evaluated at Ll > Ls with the baseline (by default the same
 * method) trained and evaluated at Ll. Time saved is 1 - short / long, from the numbers of tokens and the
 * speeds of a bench (store/bench_results.h).
 */
#include "analysis/internal.h"

#include <math.h>
#include <string.h>

#include "store/bench_results.h"

typedef struct Contrast {
    const Series *series, *base;
    const SeriesCell *cell, *base_cell;
    StatsDifference difference;
    bool done;
} Contrast;

typedef struct Contrasts {
    Contrast *items;
    int count;
    double *adjusted;            /* p-values after Holm's correction */
    int family;                  /* number of p-values */
    const BenchResults *benches; /* of short-long */
} Contrasts;

static void add_contrast(Contrasts *contrasts, const Series *series, const Series *base, int64_t length,
                         Arena *arena) {
    const SeriesCell *cell = series_cell(series, length), *base_cell = series_cell(base, length);
    if (!cell || !base_cell || cell->stride != base_cell->stride) return;
    *ARENA_PUSH(arena, contrasts->items, contrasts->count) =
        (Contrast){.series = series, .base = base, .cell = cell, .base_cell = base_cell};
}

/* Computes all differences and the adjusted p-values. */
static bool test_all(Contrasts *contrasts, const Analysis *analysis, Error *err) {
    int count = contrasts->count, together;
    Arena *arena = analysis->arena;
    const SeriesCell **cells = NEW(arena, count, const SeriesCell *);
    StatsDifference *differences = NEW(arena, count, StatsDifference);
    Contrast **members = NEW(arena, count, Contrast *);
    for (int i = 0; i < count; i++) {
        const Contrast *first = &contrasts->items[i];
        if (first->done) continue;
        together = 0;
        for (int k = i; k < count; k++) {
            Contrast *other = &contrasts->items[k];
            if (other->base_cell != first->base_cell) continue;
            cells[together] = other->cell;
            members[together++] = other;
        }
        if (!series_compare(differences, cells, together, first->base_cell,
                            analysis->set->task ? SERIES_EXACT : SERIES_PERPLEXITY, analysis->options->block,
                            (int)analysis->options->resamples, arena, err))
            return false;
        for (int k = 0; k < together; k++) {
            members[k]->difference = differences[k];
            members[k]->done = true;
        }
    }
    double *p = NEW(arena, count, double);
    contrasts->adjusted = NEW(arena, count, double);
    for (int i = 0; i < count; i++) {
        p[i] = contrasts->items[i].difference.p;
        contrasts->family += !isnan(p[i]);
    }
    stats_holm(contrasts->adjusted, p, count, arena);
    return true;
}

/* --- columns of both --- */

/* A number with its interval: three columns for programs, one for people. */
#define INTERVAL_COLUMNS(name, words)                                                                        \
    {name, NULL, TABLE_REAL}, {name "_low", NULL, TABLE_REAL}, {name "_high", NULL, TABLE_REAL}, {           \
        NULL, words, TABLE_TEXT                                                                              \
    }

#define CONTRAST_COLUMNS(base_length_head)                                                                   \
    {"baseline", "baseline", TABLE_TEXT}, {"baseline_train_length", base_length_head, TABLE_INT},            \
        {"eval_length", "length", TABLE_INT}, {"seeds", NULL, TABLE_INT}, {NULL, "seeds", TABLE_TEXT},       \
        {"units", NULL, TABLE_INT},                                                                          \
        {"baseline_perplexity", "baseline perplexity", TABLE_REAL, .decimals = -1},                          \
        {"perplexity", "perplexity", TABLE_REAL, .decimals = -1},                                            \
        INTERVAL_COLUMNS("nats", "nats per token"), INTERVAL_COLUMNS("ratio", "ratio"),                      \
        INTERVAL_COLUMNS("difference", "difference"), {"p", NULL, TABLE_REAL}, {                             \
        "p_holm", "p (Holm)", TABLE_REAL, .decimals = 4                                                      \
    }

/* Fills INTERVAL_COLUMNS; for people with "+0.123 [+0.100, +0.146]", the number alone if it has no interval,
   or nothing. */
static TableCell *put_interval(TableCell *row, bool sign, int digits, const double *numbers, Arena *arena) {
    char text[3][32];
    for (int i = 0; i < 3; i++) {
        snprintf(text[i], sizeof text[i], sign ? "%+.*f" : "%.*f", digits, numbers[i]);
        row[i] = table_number(numbers[i]);
    }
    const char *shown = isfinite(numbers[1]) ? arena_format(arena, "%s [%s, %s]", text[0], text[1], text[2])
                                             : arena_copy(arena, text[0]);
    return TABLE_TEXTS(row + 3, isfinite(numbers[0]) ? shown : "");
}

/* The baseline's mean of a metric, over the seeds that both cells have. */
static double base_mean(const Contrast *contrast, SeriesMetric metric) {
    double sum = 0;
    int shared = 0;
    for (int s = 0; s < contrast->base_cell->count; s++) {
        if (!series_seed(contrast->cell, contrast->base_cell->seeds[s].seed)) continue;
        sum += series_score(&contrast->base_cell->seeds[s], metric);
        shared++;
    }
    return shared ? sum / shared : NAN;
}

static const char *seeds_text(const Contrast *contrast, Arena *arena) {
    int seeds = contrast->difference.seeds;
    if (seeds) return arena_format(arena, "n = %d", seeds);
    return contrast->cell->outcome ? contrast->cell->outcome : "none shared";
}

/* Fills CONTRAST_COLUMNS; returns the next cell. */
static TableCell *put_contrast(TableCell *row, const Contrast *contrast, double adjusted, Arena *arena) {
    const StatsDifference *d = &contrast->difference;
    double base = exp(base_mean(contrast, SERIES_NLL));
    const double nats[] = {d->nats, d->low, d->high};
    double ratios[3], differences[3];
    for (int i = 0; i < 3; i++) {
        ratios[i] = exp(nats[i]);
        differences[i] = base * expm1(nats[i]);
    }
    row = TABLE_TEXTS(row, contrast->base->name);
    row = TABLE_NUMBERS(row, contrast->base->train_length, contrast->cell->length, d->seeds);
    row = TABLE_TEXTS(row, seeds_text(contrast, arena));
    row = TABLE_NUMBERS(row, d->units, base, base * exp(d->nats));
    row = put_interval(row, true, 4, nats, arena);
    row = put_interval(row, false, 3, ratios, arena);
    row = put_interval(row, true, 2, differences, arena);
    return TABLE_NUMBERS(row, d->p, adjusted);
}

/* Notes on intervals of few seeds. */
static void put_seed_notes(const Analysis *analysis, const Contrasts *contrasts) {
    bool one = false, few = false;
    for (int i = 0; i < contrasts->count; i++) {
        int seeds = contrasts->items[i].difference.seeds;
        one |= seeds == 1;
        few |= seeds > 1 && seeds < 5;
    }
    if (one)
        table_note(analysis->table, "n = 1: with one seed the variation between seeds is unknown, so there "
                                    "is no interval and no p-value.");
    if (few)
        table_note(analysis->table, "With n seeds that differ much, the coverage of an interval is at most 1 "
                                    "- 2^(1-n), 75 % for three "
                                    "seeds: with fewer than five seeds it is too narrow.");
}

/* Notes on how to read the numbers, and the signature. */
static void put_notes(const Analysis *analysis, const Contrasts *contrasts) {
    bool several = false, short_of_units = false;
    Table *table = analysis->table;
    for (int i = 0; i < contrasts->count; i++) {
        const StatsDifference *d = &contrasts->items[i].difference;
        several |= d->seeds > 1;
        short_of_units |= d->seeds > 1 && d->units < STATS_FEW_UNITS;
    }
    table_note(
        table,
        "Method minus baseline, below 0 (ratio below 1) is better. In brackets: 95 % interval, seeds and "
        "windows resampled.");
    if (several)
        table_note(table,
                   "Perplexities are exp of the mean loss over seeds, their geometric mean; `table` and "
                   "`curves` have the arithmetic mean.");
    put_seed_notes(analysis, contrasts);
    if (short_of_units)
        table_note(table, arena_format(analysis->arena,
                                       "Some intervals are based on fewer than %d units of text; see the "
                                       "column units (csv, json).",
                                       STATS_FEW_UNITS));
    table->signature =
        arena_format(analysis->arena, "%s bootstrap=%d/seed%d/block%lld/percentile95 family=%d/holm",
                     table->signature, (int)analysis->options->resamples, STATS_SEED,
                     (long long)analysis->options->block, contrasts->family);
}

static bool print_contrasts(const Analysis *analysis, Contrasts *contrasts,
                            void (*more)(TableCell *row, const Contrast *, const BenchResults *),
                            Error *err) {
    Arena *arena = analysis->arena;
    if (!test_all(contrasts, analysis, err)) return false;
    for (int i = 0; i < contrasts->count; i++) {
        const Contrast *contrast = &contrasts->items[i];
        TableCell *row =
            put_contrast(analysis_row(analysis, contrast->series), contrast, contrasts->adjusted[i], arena);
        analysis_put_keys(analysis, contrast->series, contrast->base);
        if (more) more(row, contrast, contrasts->benches);
    }
    put_notes(analysis, contrasts);
    return true;
}

/* --- compare --- */

static const TableColumn compare_columns[] = {
    ANALYSIS_KEYS(TABLE_SHOWN, TABLE_GROUP),
    CONTRAST_COLUMNS(NULL),
};

/* The longest cell, without those for which the text was too short. */
static int last_cell(const Series *series) {
    int last = series->count - 1;
    while (last > 0 &&
           series_outcomes(&series->cells[last], "beyond_text") == series->cells[last].seeds_requested)
        last--;
    return last;
}

static bool refuse_pair(const Analysis *analysis, const char *row, const char *base_row, Error *err) {
    return error_set(
        err, EXIT_USAGE,
        "experiment '%s': '%s' and '%s' have no training length, settings and evaluation in common; "
        "use names as `poslab table` prints them",
        analysis->set->experiment, row, base_row);
}

/* Adds contrasts of the series called `row` (NULL: of all) with `base_row`. Fails if there are none, unless
   the row is the base itself. */
static bool add_pair(Contrasts *contrasts, const Analysis *analysis, const char *row, const char *base_row,
                     Error *err) {
    int before = contrasts->count;
    bool itself = false;
    for (int i = 0; i < analysis->set->count; i++) {
        const Series *series = &analysis->set->items[i];
        if (row && !results_is_called(series, row)) continue;
        const Series *base = results_counterpart(analysis->set, base_row, series, series->train_length);
        itself |= base == series;
        if (!base || base == series) continue;
        const int64_t trained = *series->task ? series->train_high : series->train_length;
        for (int k = 0; k < series->count; k++) {
            int64_t length = series->cells[k].length;
            if (analysis->options->ends && length != trained && k != last_cell(series)) continue;
            add_contrast(contrasts, series, base, length, analysis->arena);
        }
    }
    return !row || itself || contrasts->count > before || refuse_pair(analysis, row, base_row, err);
}

/* Adds the pairs that the options select. */
static bool contrast_all(const Analysis *analysis, Contrasts *contrasts, Error *err) {
    const char *const *rows = analysis->options->rows, *base = analysis->options->baseline;
    if (!rows || !*rows) return add_pair(contrasts, analysis, NULL, base, err);
    for (int i = 0; rows[i]; i++) {
        if (base && !add_pair(contrasts, analysis, rows[i], base, err)) return false;
        for (int k = i + 1; !base && rows[k]; k++)
            if (!add_pair(contrasts, analysis, rows[i], rows[k], err)) return false;
    }
    return contrasts->count || refuse_pair(analysis, rows[0], base ? base : rows[0], err);
}

static bool run_compare(const Analysis *analysis, Error *err) {
    Contrasts contrasts = {0};
    if (!contrast_all(analysis, &contrasts, err)) return false;
    return print_contrasts(analysis, &contrasts, NULL, err);
}

const AnalysisKind analysis_compare = {
    .title = "paired differences from the baseline",
    ANALYSIS_COLUMNS(compare_columns),
    .rows = true,
    .compared = "baseline_",
    .run = run_compare,
    .of_task = &analysis_compare_accuracy,
};

/* --- compare, for tasks --- */

/* Paired differences of exact match. Examples are independent, so each is a unit of the bootstrap. */
static const TableColumn accuracy_columns[] = {
    {"experiment", NULL, TABLE_TEXT},
    {"method", NULL, TABLE_TEXT},
    {"name", "method", TABLE_TEXT},
    {"baseline", "baseline", TABLE_TEXT},
    {NULL, "evaluated on", TABLE_TEXT, .if_varying = true},
    {"hint", NULL, TABLE_TEXT},
    {"size", "size", TABLE_INT},
    {"trained", NULL, TABLE_INT},
    {"seeds", NULL, TABLE_INT},
    {NULL, "seeds", TABLE_TEXT},
    {"examples", NULL, TABLE_INT},
    {"baseline_exact", NULL, TABLE_REAL},
    {"exact", NULL, TABLE_REAL},
    {NULL, "baseline exact %", TABLE_REAL, .decimals = 1},
    {NULL, "exact %", TABLE_REAL, .decimals = 1},
    INTERVAL_COLUMNS("difference", "difference, points"),
    {"p", NULL, TABLE_REAL},
    {"p_holm", "p (Holm)", TABLE_REAL, .decimals = 4},
};

static void put_accuracy(const Analysis *analysis, const Contrast *contrast, double adjusted) {
    const StatsDifference *d = &contrast->difference;
    const double points[] = {100 * d->nats, 100 * d->low, 100 * d->high};
    double base = base_mean(contrast, SERIES_EXACT), exact = base + d->nats;
    TableCell *row = TABLE_TEXTS(table_row(analysis->table), analysis->set->experiment,
                                 contrast->series->plain_name, contrast->series->name, contrast->base->name,
                                 contrast->series->evaluated, series_hint(contrast->series));
    row = TABLE_NUMBERS(row, contrast->cell->length,
                        series_trained_size(contrast->series, contrast->cell->length), d->seeds);
    row = TABLE_TEXTS(row, seeds_text(contrast, analysis->arena));
    row = TABLE_NUMBERS(row, d->units, base, exact, 100 * base, 100 * exact);
    TableCell *end = put_interval(row, true, 1, points, analysis->arena);
    for (int i = 0; i < 3; i++) row[i].number /= 100;
    TABLE_NUMBERS(end, d->p, adjusted);
    analysis_put_keys(analysis, contrast->series, contrast->base);
}

static bool run_compare_accuracy(const Analysis *analysis, Error *err) {
    Contrasts contrasts = {0};
    if (!contrast_all(analysis, &contrasts, err) || !test_all(&contrasts, analysis, err)) return false;
    for (int i = 0; i < contrasts.count; i++)
        put_accuracy(analysis, &contrasts.items[i], contrasts.adjusted[i]);
    table_note(analysis->table,
               "Means over seeds of the exact match; method minus baseline on the same examples, above 0 is "
               "better. In brackets: 95 % interval, seeds and examples resampled.");
    put_seed_notes(analysis, &contrasts);
    analysis->table->signature = arena_format(
        analysis->arena, "%s bootstrap=%d/seed%d/examples/percentile95 family=%d/holm",
        analysis->table->signature, (int)analysis->options->resamples, STATS_SEED, contrasts.family);
    return true;
}

const AnalysisKind analysis_compare_accuracy = {
    .title = "paired differences of exact match from the baseline",
    ANALYSIS_COLUMNS(accuracy_columns),
    .rows = true,
    .compared = "baseline_",
    .run = run_compare_accuracy,
};

/* --- short-long --- */

static const TableColumn short_long_columns[] = {
    ANALYSIS_KEYS(TABLE_SHOWN, TABLE_SHOWN),
    CONTRAST_COLUMNS("trained at"),
    {"train_seconds", NULL, TABLE_REAL},
    {"baseline_train_seconds", NULL, TABLE_REAL},
    {"time_saved_percent", "time saved %", TABLE_REAL, .decimals = 1},
    {"train_peak_bytes", NULL, TABLE_REAL},
    {"baseline_train_peak_bytes", NULL, TABLE_REAL},
    {"memory_saved_percent", "memory saved %", TABLE_REAL, .decimals = 1},
};

/* Training time of the series over that of the base, at the speeds of a bench that measured both; NAN if
   there is none. */
static double bench_ratio(const Contrast *contrast, const BenchResults *benches) {
    const Series *series = contrast->series, *base = contrast->base;
    double tokens = (double)series_train_tokens(series), base_tokens = (double)series_train_tokens(base);
    for (int b = 0; b < benches->count; b++) {
        const BenchRecord *bench = &benches->items[b];
        const BenchResult *ours = bench_results_find(bench, series->run_label, series->train_length, true),
                          *theirs = bench_results_find(bench, base->run_label, base->train_length, true);
        if (bench->own && ours && theirs && tokens > 0 && base_tokens > 0)
            return tokens / ours->rate / (base_tokens / theirs->rate);
    }
    return NAN;
}

static void put_savings(TableCell *row, const Contrast *contrast, const BenchResults *benches) {
    const double *cost = contrast->series->cost, *base = contrast->base->cost;
    TABLE_NUMBERS(row, cost[SERIES_SECONDS], base[SERIES_SECONDS], 100 * (1 - bench_ratio(contrast, benches)),
                  cost[SERIES_BYTES], base[SERIES_BYTES],
                  100 * (1 - cost[SERIES_BYTES] / base[SERIES_BYTES]));
}

/* Whether two compared series were trained on different numbers of tokens. */
static bool budgets_differ(const Contrasts *contrasts) {
    bool differ = false;
    for (int i = 0; i < contrasts->count; i++)
        differ |=
            series_train_tokens(contrasts->items[i].series) != series_train_tokens(contrasts->items[i].base);
    return differ;
}

static bool same_length(const Series *a, const Series *b) {
    return a->train_length == b->train_length;
}

static bool run_short_long(const Analysis *analysis, Error *err) {
    Contrasts contrasts = {0};
    const Results *set = analysis->set;
    contrasts.benches = bench_results_read(set->store, set->experiment, analysis->arena, err);
    if (!contrasts.benches) return false;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const char *wanted = analysis->options->baseline ? analysis->options->baseline : series->label;
        for (int k = 0; k < set->count; k++) {
            int64_t length = set->items[k].train_length;
            if (length <= series->train_length || !results_is_first(set, k, same_length)) continue;
            const Series *base = results_counterpart(set, wanted, series, length);
            if (base) add_contrast(&contrasts, series, base, length, analysis->arena);
        }
    }
    if (!contrasts.count)
        table_note(analysis->table,
                   "This needs one method at two training lengths, the shorter one also evaluated at "
                   "the longer (`poslab eval DB --lengths`).");
    table_note(
        analysis->table,
        "Both are evaluated at the longer training length, on the same targets. Time saved is at the "
        "speeds of a bench (`poslab bench CONFIG --db DB`), empty without one; train_seconds (csv, json) "
        "are of runs that may have shared the machine.");
    if (budgets_differ(&contrasts))
        table_note(analysis->table, "The two were trained on different numbers of tokens (train.tokens in "
                                    "the signature), so perplexity and time differ by these, too.");
    return print_contrasts(analysis, &contrasts, put_savings, err);
}

const AnalysisKind analysis_short_long = {
    .title = "trained short against trained long, evaluated at the longer length",
    ANALYSIS_COLUMNS(short_long_columns),
    .compared = "baseline_",
    .run = run_short_long,
};
