/* contrast: the analyses `compare` (every method against the baseline) and `short-long` (trained short
 * against trained long).
 *
 * Both are lists of contrasts: a cell and the cell that it is compared with, of the same evaluation length
 * and protocol and therefore on the same windows. Differences, intervals and p-values are those of stats.h,
 * in nats per token, method minus baseline: negative is better. They become perplexities at the end: with d
 * the difference and B the baseline's perplexity (exp of its mean nats over the shared targets and seeds),
 * the ratio is exp(d) and the difference B (exp(d) - 1); the ends of the interval likewise. Holm's family is
 * all contrasts of the experiment that have a p-value.
 *
 * short-long: S trained at Ls, evaluated at Ll > Ls, against B trained and evaluated at Ll, where B is the
 * --baseline or, without it, S itself. Seconds and memory are the means over the runs of each; saved is 1 -
 * short / long. What runs took depends on what else the machine did: time saved is that of the tokens of each
 * at the speeds of a bench (speed.h), and unknown without one.
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
    const SpeedList *benches; /* of short-long */
} Contrasts;

static void add_contrast(Contrasts *contrasts, const Series *series, const Series *base, int64_t length,
                         Arena *arena) {
    const SeriesCell *cell = series_cell(series, length), *base_cell = series_cell(base, length);
    if (!cell || !base_cell || cell->stride != base_cell->stride) return;
    int count = contrasts->count++;
    if ((count & (count - 1)) == 0)
        contrasts->items = arena_grow(arena, contrasts->items, (size_t)count, count ? 2 * (size_t)count : 1,
                                      sizeof(Contrast));
    contrasts->items[count] =
        (Contrast){.series = series, .base = base, .cell = cell, .base_cell = base_cell};
}

/* Whether two cells lack the same ones of the base's seeds. */
static bool same_seeds(const SeriesCell *a, const SeriesCell *b, const SeriesCell *base) {
    for (int s = 0; s < base->count; s++) {
        bool in_a = false, in_b = false;
        for (int i = 0; i < a->count; i++) in_a |= a->seeds[i].seed == base->seeds[s].seed;
        for (int i = 0; i < b->count; i++) in_b |= b->seeds[i].seed == base->seeds[s].seed;
        if (in_a != in_b) return false;
    }
    return true;
}

/* Fills all differences. Contrasts with one base and the same seeds share the draws, and the time they take.
 */
static bool settle(Contrasts *contrasts, const Analysis *analysis, Err *err) {
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
            if (other->base_cell != first->base_cell ||
                !same_seeds(first->cell, other->cell, first->base_cell))
                continue;
            cells[together] = other->cell;
            members[together++] = other;
        }
        if (!series_compare(differences, analysis->store, cells, together, first->base_cell,
                            analysis->options->block, analysis->options->resamples, arena, err))
            return false;
        for (int k = 0; k < together; k++) {
            members[k]->difference = differences[k];
            members[k]->done = true;
        }
    }
    return true;
}

/* --- columns of both --- */

enum {
    BASE = KEYS,
    BASE_LENGTH,
    LENGTH,
    SEEDS,
    SEEDS_TEXT,
    UNITS,
    BASE_PERPLEXITY,
    PERPLEXITY,
    NATS,
    NATS_LOW,
    NATS_HIGH,
    NATS_TEXT,
    RATIO,
    RATIO_LOW,
    RATIO_HIGH,
    RATIO_TEXT,
    DIFFERENCE,
    DIFFERENCE_LOW,
    DIFFERENCE_HIGH,
    DIFFERENCE_TEXT,
    P,
    P_HOLM,
    COMPARED
};

#define CONTRAST_COLUMNS(base_length_flags)                                                                  \
    {"baseline", "baseline", FRAME_TEXT, FRAME_BOTH, 0},                                                     \
        {"baseline_train_length", "trained at", FRAME_WHOLE, base_length_flags, 0},                          \
        {"eval_length", "length", FRAME_WHOLE, FRAME_BOTH, 0},                                               \
        {"seeds", "", FRAME_WHOLE, FRAME_PROGRAMS, 0}, {"", "seeds", FRAME_TEXT, FRAME_PEOPLE, 0},           \
        {"units", "", FRAME_WHOLE, FRAME_PROGRAMS, 0},                                                       \
        {"baseline_perplexity", "its perplexity", FRAME_REAL, FRAME_BOTH, -1},                               \
        {"perplexity", "perplexity", FRAME_REAL, FRAME_BOTH, -1},                                            \
        {"nats", "", FRAME_REAL, FRAME_PROGRAMS, 0}, {"nats_low", "", FRAME_REAL, FRAME_PROGRAMS, 0},        \
        {"nats_high", "", FRAME_REAL, FRAME_PROGRAMS, 0},                                                    \
        {"", "nats per token", FRAME_TEXT, FRAME_PEOPLE, 0}, {"ratio", "", FRAME_REAL, FRAME_PROGRAMS, 0},   \
        {"ratio_low", "", FRAME_REAL, FRAME_PROGRAMS, 0}, {"ratio_high", "", FRAME_REAL, FRAME_PROGRAMS, 0}, \
        {"", "ratio", FRAME_TEXT, FRAME_PEOPLE, 0}, {"difference", "", FRAME_REAL, FRAME_PROGRAMS, 0},       \
        {"difference_low", "", FRAME_REAL, FRAME_PROGRAMS, 0},                                               \
        {"difference_high", "", FRAME_REAL, FRAME_PROGRAMS, 0},                                              \
        {"", "difference", FRAME_TEXT, FRAME_PEOPLE, 0}, {"p", "", FRAME_REAL, FRAME_PROGRAMS, 0}, {         \
        "p_holm", "p (Holm)", FRAME_REAL, FRAME_BOTH, 4                                                      \
    }

/* "+0.123 [+0.100, +0.146]"; without an interval the number alone, without a number nothing. */
static FrameCell interval_text(bool sign, int digits, double number, double low, double high, Arena *arena) {
    char text[3][32];
    const double numbers[] = {number, low, high};
    if (!isfinite(number)) return frame_text("");
    for (int i = 0; i < 3; i++)
        snprintf(text[i], sizeof text[i], sign ? "%+.*f" : "%.*f", digits, numbers[i]);
    if (!isfinite(low)) return frame_text(arena_copy(arena, text[0]));
    return frame_text(arena_format(arena, "%s [%s, %s]", text[0], text[1], text[2]));
}

/* The loss of the baseline over the seeds that both have. */
static double base_loss(const Contrast *contrast) {
    double sum = 0;
    int shared = 0;
    for (int s = 0; s < contrast->base_cell->count; s++)
        for (int i = 0; i < contrast->cell->count; i++) {
            if (contrast->cell->seeds[i].seed != contrast->base_cell->seeds[s].seed) continue;
            sum += contrast->base_cell->seeds[s].loss;
            shared++;
        }
    return shared ? sum / shared : NAN;
}

static void put_contrast(FrameCell *row, const Contrast *contrast, double adjusted, Arena *arena) {
    const StatsDifference *d = &contrast->difference;
    double base = exp(base_loss(contrast));
    const double nats[] = {d->nats, d->low, d->high};
    row[BASE] = frame_text(contrast->base->name);
    row[BASE_LENGTH] = frame_number((double)contrast->base->train_length);
    row[LENGTH] = frame_number((double)contrast->cell->length);
    row[SEEDS] = frame_number(d->seeds);
    row[SEEDS_TEXT] = frame_text(d->seeds                  ? arena_format(arena, "n = %d", d->seeds)
                                 : contrast->cell->outcome ? contrast->cell->outcome
                                                           : "none shared");
    row[UNITS] = frame_number(d->units);
    row[BASE_PERPLEXITY] = frame_number(base);
    row[PERPLEXITY] = frame_number(base * exp(d->nats));
    for (int i = 0; i < 3; i++) {
        row[NATS + i] = frame_number(nats[i]);
        row[RATIO + i] = frame_number(exp(nats[i]));
        row[DIFFERENCE + i] = frame_number(base * expm1(nats[i]));
    }
    row[NATS_TEXT] = interval_text(true, 4, d->nats, d->low, d->high, arena);
    row[RATIO_TEXT] = interval_text(false, 3, exp(d->nats), exp(d->low), exp(d->high), arena);
    row[DIFFERENCE_TEXT] =
        interval_text(true, 2, base * expm1(d->nats), base * expm1(d->low), base * expm1(d->high), arena);
    row[P] = frame_number(d->p);
    row[P_HOLM] = frame_number(adjusted);
}

/* What a reader has to know about these numbers. */
static void put_notes(const Analysis *analysis, const Contrasts *contrasts) {
    bool one = false, few = false, several = false, short_of_units = false;
    int family = 0;
    Frame *frame = analysis->frame;
    for (int i = 0; i < contrasts->count; i++) {
        const StatsDifference *d = &contrasts->items[i].difference;
        family += !isnan(d->p);
        one |= d->seeds == 1;
        several |= d->seeds > 1;
        few |= d->seeds > 1 && d->seeds < 5;
        short_of_units |= d->seeds > 1 && d->units < STATS_FEW_UNITS;
    }
    frame_note(
        frame,
        "Method minus baseline, below 0 (ratio below 1) is better. In brackets: 95 % interval, seeds and "
        "windows resampled.");
    if (several)
        frame_note(frame,
                   "Perplexities are exp of the mean loss over seeds, their geometric mean; `table` and "
                   "`curves` have the arithmetic mean.");
    if (one)
        frame_note(
            frame,
            "n = 1: a single seed says nothing about other seeds; no interval and no p-value is given.");
    if (few)
        frame_note(
            frame,
            "With n seeds that differ much an interval covers at most 1 - 2^(1-n), 75 % with three: fewer "
            "than five seeds make it too narrow.");
    if (short_of_units)
        frame_note(frame, arena_format(analysis->arena,
                                       "Some intervals rest on fewer than %d units of text; see the "
                                       "column units (csv, json).",
                                       STATS_FEW_UNITS));
    frame->signature = arena_format(
        analysis->arena, "%s bootstrap=%d/seed%d/block%lld/percentile95 family=%d/holm", frame->signature,
        analysis->options->resamples, STATS_SEED, (long long)analysis->options->block, family);
}

static bool print_contrasts(const Analysis *analysis, Contrasts *contrasts,
                            void (*more)(FrameCell *row, const Contrast *, const SpeedList *), Err *err) {
    Arena *arena = analysis->arena;
    if (!settle(contrasts, analysis, err)) return false;
    double *p = NEW(arena, contrasts->count, double), *adjusted = NEW(arena, contrasts->count, double);
    for (int i = 0; i < contrasts->count; i++) p[i] = contrasts->items[i].difference.p;
    stats_holm(adjusted, p, contrasts->count, arena);
    for (int i = 0; i < contrasts->count; i++) {
        const Contrast *contrast = &contrasts->items[i];
        FrameCell *row = analysis_row(analysis, contrast->series);
        put_contrast(row, contrast, adjusted[i], arena);
        if (more) more(row, contrast, contrasts->benches);
    }
    put_notes(analysis, contrasts);
    return true;
}

/* --- compare --- */

static const FrameColumn compare_columns[] = {
    ANALYSIS_KEYS(0, FRAME_GROUP),
    CONTRAST_COLUMNS(FRAME_PROGRAMS),
};

static bool run_compare(const Analysis *analysis, Err *err) {
    Contrasts contrasts = {0};
    for (int i = 0; i < analysis->set->count; i++) {
        const Series *series = &analysis->set->items[i];
        const Series *base =
            series_counterpart(analysis->set, analysis->options->baseline, series, series->train_length);
        if (!base || base == series) continue;
        for (int k = 0; k < series->count; k++)
            add_contrast(&contrasts, series, base, series->cells[k].length, analysis->arena);
    }
    return print_contrasts(analysis, &contrasts, NULL, err);
}

const AnalysisKind analysis_compare = {
    .name = "compare",
    .title = "paired differences from the baseline",
    .columns = compare_columns,
    .column_count = COUNT_OF(compare_columns),
    .baseline = true,
    .run = run_compare,
};

/* --- short-long --- */

enum {
    SECONDS = COMPARED,
    BASE_SECONDS,
    TIME_SAVED,
    BYTES,
    BASE_BYTES,
    BYTES_SAVED,
};

static const FrameColumn short_long_columns[] = {
    ANALYSIS_KEYS(0, 0),
    CONTRAST_COLUMNS(FRAME_BOTH),
    {"train_seconds", "", FRAME_REAL, FRAME_PROGRAMS, 0},
    {"baseline_train_seconds", "", FRAME_REAL, FRAME_PROGRAMS, 0},
    {"time_saved_percent", "time saved %", FRAME_REAL, FRAME_BOTH, 1},
    {"train_peak_bytes", "", FRAME_REAL, FRAME_PROGRAMS, 0},
    {"baseline_train_peak_bytes", "", FRAME_REAL, FRAME_PROGRAMS, 0},
    {"memory_saved_percent", "memory saved %", FRAME_REAL, FRAME_BOTH, 1},
};

static double mean_seconds(const Series *series) {
    double sum = 0;
    for (int i = 0; i < series->run_count; i++) sum += series->runs[i].seconds;
    return series->run_count ? sum / series->run_count : NAN;
}

static double mean_bytes(const Series *series) {
    double sum = 0;
    for (int i = 0; i < series->run_count; i++) sum += (double)series->runs[i].peak_bytes;
    return series->run_count ? sum / series->run_count : NAN;
}

/* Time to train the one over that of the other, at the speeds of a bench that measured both; NAN without any.
 */
static double bench_ratio(const Contrast *contrast, const SpeedList *benches) {
    const Series *series = contrast->series, *base = contrast->base;
    double tokens = (double)series_budget(series), base_tokens = (double)series_budget(base);
    for (int b = 0; b < benches->count; b++) {
        const SpeedBench *bench = &benches->items[b];
        const SpeedResult *ours = speed_find(bench, series->run_label, series->train_length, true),
                          *theirs = speed_find(bench, base->run_label, base->train_length, true);
        if (bench->own && ours && theirs && tokens > 0 && base_tokens > 0)
            return tokens / ours->rate / (base_tokens / theirs->rate);
    }
    return NAN;
}

static void put_savings(FrameCell *row, const Contrast *contrast, const SpeedList *benches) {
    double seconds = mean_seconds(contrast->series), base_seconds = mean_seconds(contrast->base);
    double bytes = mean_bytes(contrast->series), base_bytes = mean_bytes(contrast->base);
    row[SECONDS] = frame_number(seconds);
    row[BASE_SECONDS] = frame_number(base_seconds);
    row[TIME_SAVED] = frame_number(100 * (1 - bench_ratio(contrast, benches)));
    row[BYTES] = frame_number(bytes);
    row[BASE_BYTES] = frame_number(base_bytes);
    row[BYTES_SAVED] = frame_number(100 * (1 - bytes / base_bytes));
}

/* Whether the two of any contrast were trained on different numbers of tokens. */
static bool budgets_differ(const Contrasts *contrasts) {
    bool differ = false;
    for (int i = 0; i < contrasts->count; i++)
        differ |= series_budget(contrasts->items[i].series) != series_budget(contrasts->items[i].base);
    return differ;
}

/* Whether no earlier series has its training length. */
static bool first_of_length(const SeriesSet *set, int index) {
    const Series *series = &set->items[index];
    for (int i = 0; i < index; i++)
        if (set->items[i].train_length == series->train_length) return false;
    return true;
}

static bool run_short_long(const Analysis *analysis, Err *err) {
    Contrasts contrasts = {0};
    const SeriesSet *set = analysis->set;
    contrasts.benches = speed_read(analysis->store, set->experiment, analysis->arena, err);
    if (!contrasts.benches) return false;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const char *wanted = analysis->options->baseline ? analysis->options->baseline : series->label;
        for (int k = 0; k < set->count; k++) {
            int64_t length = set->items[k].train_length;
            if (length <= series->train_length || !first_of_length(set, k)) continue;
            const Series *base = series_counterpart(set, wanted, series, length);
            if (base) add_contrast(&contrasts, series, base, length, analysis->arena);
        }
    }
    if (!contrasts.count)
        frame_note(analysis->frame,
                   "This needs one method at two training lengths, the shorter one also evaluated at "
                   "the longer (`poslab eval DB --lengths`).");
    frame_note(
        analysis->frame,
        "Both are evaluated at the longer training length, on the same targets. Time saved is at the "
        "speeds of a bench (`poslab bench CONFIG --db DB`), empty without one; train_seconds (csv, json) "
        "are of runs that may have shared the machine.");
    if (budgets_differ(&contrasts))
        frame_note(analysis->frame, "The two were trained on different numbers of tokens (train.tokens in "
                                    "the signature), so perplexity and time differ by these, too.");
    return print_contrasts(analysis, &contrasts, put_savings, err);
}

const AnalysisKind analysis_short_long = {
    .name = "short-long",
    .title = "trained short against trained long, evaluated at the longer length",
    .columns = short_long_columns,
    .column_count = COUNT_OF(short_long_columns),
    .run = run_short_long,
};
