/* series_cells: the functions of analysis/series.h on cells: seeds, scores, texts and paired differences. */
#include "analysis/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "data/corpus.h"
#include "train/evaluate.h"

/* --- cells --- */

const SeriesSeed *series_seed(const SeriesCell *cell, int64_t seed) {
    for (int i = 0; cell && i < cell->count; i++)
        if (cell->seeds[i].seed == seed) return &cell->seeds[i];
    return NULL;
}

bool series_stale(const SeriesCell *cell) {
    for (int i = 0; i < cell->seeds_requested; i++)
        if (cell->seeds[i].stale) return true;
    return false;
}

const char *series_stale_name(const Series *series, Arena *arena) {
    bool stale = false, runs = false;
    for (int k = 0; k < series->count; k++)
        for (int s = 0; s < series->cells[k].seeds_requested; s++) {
            stale |= series->cells[k].seeds[s].stale != 0;
            runs |= series->cells[k].seeds[s].stale_run != 0;
        }
    if (!stale) return NULL;
    const char *name = runs ? run_label_name(series->run_label, series->setting, arena) : series->name;
    return arena_format(arena, "%s trained at %lld", name, (long long)series->train_length);
}

int series_outcomes(const SeriesCell *cell, const char *outcome) {
    int count = 0;
    for (int i = 0; i < cell->seeds_requested; i++) count += !strcmp(cell->seeds[i].outcome, outcome);
    return count;
}

int series_log_ratios(double *logs, const SeriesCell *cell, const SeriesCell *base, const SeriesCell *other,
                      const SeriesCell *other_base) {
    int count = 0;
    for (int i = 0; i < cell->count; i++) {
        const SeriesSeed *at = series_seed(base, cell->seeds[i].seed);
        const SeriesSeed *theirs = series_seed(other, cell->seeds[i].seed);
        const SeriesSeed *their_base = series_seed(other_base, cell->seeds[i].seed);
        if (!at || (other && (!theirs || !their_base))) continue;
        logs[count++] = cell->seeds[i].loss - at->loss - (other ? theirs->loss - their_base->loss : 0);
    }
    return count;
}

double series_mean_loss(const SeriesCell *cell) {
    double sum = 0;
    for (int i = 0; cell && i < cell->count; i++) sum += cell->seeds[i].loss;
    return cell && cell->count ? sum / cell->count : NAN;
}

double series_score(const SeriesSeed *seed, SeriesMetric metric) {
    switch (metric) {
    case SERIES_PERPLEXITY:
        return exp(seed->loss);
    case SERIES_EXACT:
        return (double)seed->exact / (double)seed->windows;
    case SERIES_TOKENS:
        return (double)seed->tokens_right / (double)seed->tokens;
    case SERIES_NLL:
        return seed->loss;
    case SERIES_BITS:
        return seed->bits_per_byte;
    case SERIES_WORDS:
        return seed->word_perplexity;
    }
    BUG("unknown metric %d", metric);
}

StatsSpread series_spread(const SeriesCell *cell, SeriesMetric metric, Arena *arena) {
    double *scores = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++) scores[i] = series_score(&cell->seeds[i], metric);
    return stats_spread(scores, cell->count, arena);
}

bool series_trained_size(const Series *series, int64_t size) {
    return series->train_low <= size && size <= series->train_high;
}

int64_t series_answers_to(const Series *series, Arena *arena) {
    int64_t reach = 0;
    for (int i = 0; i < series->count; i++) {
        const SeriesCell *cell = &series->cells[i];
        if (cell->length < series->train_low) continue;
        if (!(series_spread(cell, SERIES_EXACT, arena).median >= 0.9)) break;
        reach = cell->length;
    }
    return reach;
}

/* The text of a cell in which no seed is done. */
static const char *outcome_text(const SeriesCell *cell) {
    static const char *const words[][2] = {
        {"beyond_limit", ">limit"}, {"beyond_text", ">text"}, {"missing", "-"}};
    for (int i = 0; i < COUNT_OF(words); i++)
        if (cell->outcome && !strcmp(cell->outcome, words[i][0])) return words[i][1];
    return cell->outcome ? cell->outcome : "";
}

/* Adds "(2/3)" if seeds are missing. */
static const char *count_seeds(const SeriesCell *cell, const char *text, Arena *arena) {
    return cell->count < cell->seeds_requested
               ? arena_format(arena, "%s (%d/%d)", text, cell->count, cell->seeds_requested)
               : text;
}

const char *series_score_text(const SeriesCell *cell, SeriesMetric metric, Arena *arena) {
    if (!cell->count) return outcome_text(cell);
    double median = series_spread(cell, metric, arena).median;
    const char *text = metric == SERIES_NLL ? arena_format(arena, "%.4f", median)
                                            : arena_format(arena, "%.1f", 100 * median);
    return count_seeds(cell, text, arena);
}

const char *series_text_score(const SeriesCell *cell, SeriesMetric metric, Arena *arena) {
    if (!cell->count) return outcome_text(cell);
    StatsSpread spread = series_spread(cell, metric, arena);
    if (isnan(spread.mean)) return "?";
    const char *text = metric == SERIES_BITS ? arena_format(arena, "%.4f", spread.mean)
                                             : table_perplexity(spread.mean, arena);
    if (cell->count > 1)
        text = arena_format(arena, metric == SERIES_BITS ? "%s ± %.4f" : "%s ± %.2f", text, spread.deviation);
    return count_seeds(cell, text, arena);
}

const char *series_cell_text(const SeriesCell *cell, Arena *arena) {
    if (!cell->count) return outcome_text(cell);
    const char *text = table_perplexity(cell->mean, arena);
    if (cell->count > 1) {
        int digits = cell->mean < 100 ? 2 : cell->mean < 1000 ? 1 : 0;
        text =
            arena_format(arena, cell->mean < 1e6 ? "%s ± %.*f" : "%s ± %.*e", text, digits, cell->deviation);
    }
    return count_seeds(cell, text, arena);
}

/* --- how far a series extrapolates --- */

bool series_evaluated(const SeriesCell *cell) {
    return cell->count || series_outcomes(cell, "diverged") || series_outcomes(cell, "beyond_limit");
}

static const double tolerance = 1.05;

SeriesReach series_reach(const Series *series) {
    SeriesReach reach = {.base = NAN};
    double lowest = INFINITY;
    bool holds = false;
    for (int i = 0; i < series->count; i++) {
        const SeriesCell *cell = &series->cells[i];
        if (!series_evaluated(cell)) continue;
        reach.longest = cell->length;
        if (cell->length < series->train_length) continue;
        if (cell->length == series->train_length) {
            reach.base = cell->mean;
            holds = true;
        }
        holds = holds && cell->mean <= tolerance * reach.base;
        if (holds) reach.within = cell->length;
        if (isfinite(reach.base) && cell->mean < lowest) {
            lowest = cell->mean;
            reach.best = cell->length;
        }
    }
    return reach;
}

/* --- paired differences --- */

typedef struct Windows {
    double *nats;    /* or the numerator of the metric */
    int64_t *tokens; /* or its denominator */
    int64_t *targets;
    int count;
} Windows;

static bool read_windows(Windows *windows, const SeriesSeed *seed, SeriesMetric metric, Arena *arena,
                         Error *err) {
    static const char *const sums[] = {[SERIES_PERPLEXITY] = "nll_sum, tokens",
                                       [SERIES_EXACT] = "tokens_right = tokens, 1",
                                       [SERIES_TOKENS] = "tokens_right, tokens",
                                       [SERIES_NLL] = "nll_sum, tokens"};
    const char *const parameters[] = {arena_format(arena, "%lld", (long long)seed->evaluation), NULL};
    Query *query = query_begin(
        seed->store,
        arena_format(arena,
                     "SELECT %s, tokens FROM evaluation_window w LEFT JOIN task_example k"
                     " ON (k.evaluation, k.example) = (w.evaluation, w.window) WHERE w.evaluation = ?"
                     " ORDER BY window",
                     sums[metric]),
        parameters);
    *windows = (Windows){0};
    while (query_next(query)) {
        windows->nats = arena_extend(arena, windows->nats, (size_t)windows->count, sizeof *windows->nats);
        windows->nats[windows->count] = query_real(query, 0);
        windows->targets = arena_extend(arena, windows->targets, (size_t)windows->count, sizeof(int64_t));
        windows->targets[windows->count] = query_int(query, 2);
        *ARENA_PUSH(arena, windows->tokens, windows->count) = query_int(query, 1);
    }
    return query_end(query, err);
}

static bool same_windows(const Windows *a, const Windows *b) {
    return a->count == b->count &&
           (!a->count || !memcmp(a->targets, b->targets, (size_t)a->count * sizeof(int64_t)));
}

static int shared_seeds(int64_t *seeds, const SeriesCell *cell, const SeriesCell *base) {
    int shared = 0;
    for (int s = 0; s < base->count; s++)
        if (series_seed(cell, base->seeds[s].seed)) seeds[shared++] = base->seeds[s].seed;
    return shared;
}

/* Whether two cells share the same seeds with the base. */
static bool same_seeds(const SeriesCell *a, const SeriesCell *b, const SeriesCell *base) {
    for (int s = 0; s < base->count; s++)
        if (!series_seed(a, base->seeds[s].seed) != !series_seed(b, base->seeds[s].seed)) return false;
    return true;
}

/* Adds sign * the nats of the windows to the units of one method and seed. */
static void add_windows(double *nats, const int *unit, const Windows *windows, size_t width, double sign) {
    for (int w = 0; w < windows->count; w++) nats[(size_t)unit[w] * width] += sign * windows->nats[w];
}

/* series_compare for cells that share the same seeds with the base. */
static bool compare_together(StatsDifference *differences, const SeriesCell *const *cells, int count,
                             const SeriesCell *base, SeriesMetric metric, int64_t block, int resamples,
                             Arena *arena, Error *err) {
    ArenaMark mark = arena_mark(arena);
    StatsPanel panel = {.methods = count};
    int64_t *seeds = NEW(arena, base->count, int64_t);
    panel.seeds = shared_seeds(seeds, cells[0], base);
    size_t width = (size_t)count * (size_t)panel.seeds;
    double *nats = NULL, *tokens = NULL;
    int *unit = NULL;
    Windows first = {0}; /* all others must have these targets */
    bool fine = true;
    for (int s = 0; fine && s < panel.seeds; s++) {
        Windows theirs, ours;
        fine = read_windows(&theirs, series_seed(base, seeds[s]), metric, arena, err);
        if (fine && !unit) {
            first = theirs;
            unit = NEW(arena, first.count, int);
            panel.units = stats_units(unit, first.tokens, first.count,
                                      metric != SERIES_PERPLEXITY ? 1
                                      : block > base->length      ? block
                                                                  : base->length);
            panel.nats = nats = NEW(arena, (size_t)panel.units * width, double);
            panel.tokens = tokens = NEW(arena, panel.units, double);
            for (int w = 0; w < first.count; w++) tokens[unit[w]] += (double)first.tokens[w];
        }
        for (int m = 0; fine && m < count; m++) {
            const SeriesSeed *seed = series_seed(cells[m], seeds[s]);
            fine = read_windows(&ours, seed, metric, arena, err);
            if (fine && (!same_windows(&ours, &first) || !same_windows(&theirs, &first)))
                fine = error_set(err, EXIT_DAMAGED,
                                 "database '%s' is damaged: the windows of evaluation %lld differ",
                                 database_path(seed->store), (long long)seed->evaluation);
            if (!fine) break;
            double *index = nats + (size_t)m * (size_t)panel.seeds + (size_t)s;
            add_windows(index, unit, &ours, width, 1);
            add_windows(index, unit, &theirs, width, -1);
        }
    }
    if (fine) stats_compare(differences, &panel, resamples, arena);
    arena_release(arena, mark);
    return fine;
}

bool series_compare(StatsDifference *differences, const SeriesCell *const *cells, int count,
                    const SeriesCell *base, SeriesMetric metric, int64_t block, int resamples, Arena *arena,
                    Error *err) {
    const SeriesCell **members = NEW(arena, count, const SeriesCell *);
    StatsDifference *found = NEW(arena, count, StatsDifference);
    int *places = NEW(arena, count, int);
    bool *done = NEW(arena, count, bool);
    for (int i = 0; i < count; i++) {
        int together = 0;
        for (int k = i; k < count; k++) {
            if (done[k] || !same_seeds(cells[i], cells[k], base)) continue;
            done[k] = true;
            members[together] = cells[k];
            places[together++] = k;
        }
        if (together &&
            !compare_together(found, members, together, base, metric, block, resamples, arena, err))
            return false;
        for (int k = 0; k < together; k++) differences[places[k]] = found[k];
    }
    return true;
}

int series_log_costs(double *logs, const Series *series, const Series *other, int cost) {
    int count = 0;
    for (int i = 0; i < series->run_count; i++)
        for (int k = 0; k < other->run_count; k++) {
            double ours = series->runs[i].cost[cost], theirs = other->runs[k].cost[cost];
            if (series->runs[i].seed != other->runs[k].seed || !(ours > 0 && theirs > 0)) continue;
            logs[count++] = log(ours / theirs);
            break; /* a database that another program wrote can have a seed twice */
        }
    return count;
}

/* --- losses by position in the window --- */

int series_bins(SeriesBin *bins, const SeriesSeed *seed, Error *err) {
    char id[32];
    snprintf(id, sizeof id, "%lld", (long long)seed->evaluation);
    Query *query = query_begin(seed->store,
                               "SELECT first, last, nll_sum, tokens FROM position_loss WHERE evaluation = ?"
                               " ORDER BY first",
                               (const char *const[]){id, NULL});
    int count = 0;
    for (; query_next(query) && count < SERIES_BINS; count++)
        bins[count] = (SeriesBin){.first = query_int(query, 0),
                                  .last = query_int(query, 1),
                                  .nats = query_real(query, 2),
                                  .tokens = query_int(query, 3)};
    return query_end(query, err) ? count : -1;
}

/* --- gains --- */

static const double unseen_share = 0.05;

bool series_exact_gain(SeriesGain *gain, const Series *const *ours, const Series *const *theirs, int count,
                       int64_t size, Arena *arena) {
    const SeriesCell *first = series_cell(ours[0], size);
    int seeds = first ? first->count : 0;
    double *gains = NEW(arena, count * seeds + 1, double), *weights = NEW(arena, count, double);
    double our_share = 0, their_share = 0;
    *gain = (SeriesGain){0};
    for (int p = 0; p < count; p++) {
        const SeriesCell *cell = series_cell(ours[p], size), *other = series_cell(theirs[p], size);
        int s = 0;
        for (; s < seeds; s++) {
            const SeriesSeed *a = series_seed(cell, first->seeds[s].seed);
            const SeriesSeed *b = series_seed(other, first->seeds[s].seed);
            if (!a || !b) break;
            gains[gain->series * seeds + s] = series_score(a, SERIES_EXACT) - series_score(b, SERIES_EXACT);
        }
        if (s < seeds || !seeds) continue;
        weights[gain->series++] = 1;
        our_share += series_spread(cell, SERIES_EXACT, arena).median;
        their_share += series_spread(other, SERIES_EXACT, arena).median;
    }
    if (!gain->series) return false;
    gain->unseen = fmax(our_share, their_share) < unseen_share * gain->series ||
                   fmin(our_share, their_share) > (1 - unseen_share) * gain->series;
    StatsPanel panel = {
        .seeds = seeds, .units = gain->series, .methods = 1, .tokens = weights, .nats = gains};
    StatsDifference difference;
    stats_compare(&difference, &panel, STATS_RESAMPLES, arena);
    gain->mean = difference.nats;
    gain->low = difference.low;
    gain->high = difference.high;
    gain->seeds = seeds;
    return true;
}
