/* results: rows of the view `outcome` are in the order of the config; each is assigned to its series and
 * cell. Windows are read only when series are compared.
 */
#include "analysis/results.h"

#include <math.h>
#include <string.h>

#include "base/table.h"
#include "analysis/curves.h"

/* --- reading --- */

enum {
    NAME,
    LABEL,
    RUN_LABEL,
    METHOD,
    VARIANT,
    EVAL_VARIANT,
    SPLIT,
    PROTOCOL,
    RULE,
    CORPUS,
    PRECISION,
    TEXTS
};
/* columns, first the texts */
enum {
    TRAIN_LENGTH = TEXTS,
    REQUESTED,
    PARAMETERS,
    POSITION_PARAMETERS,
    LENGTH,
    STRIDE,
    SEED,
    OUTCOME,
    EVALUATION,
    LOSS,
    SECONDS,
    TOKENS,
    PEAK_BYTES,
};

static const char series_sql[] =
    "SELECT " CURVES_NAME ", " CURVES_LABEL
    ", label, method, variant, eval_variant, split, protocol, stride_rule, corpus,"
    " eval_precision, train_length, requested, parameters, position_parameters, eval_length, stride, seed,"
    " outcome, evaluation, nll / tokens, seconds, tokens, peak_bytes FROM outcome WHERE experiment = ?"
    " ORDER BY ordinal, eval_variant, split DESC, protocol, stride_rule, requested, eval_precision DESC,"
    " eval_length";

bool results_same_protocol(const Series *a, const Series *b) {
    return !strcmp(a->split, b->split) && !strcmp(a->protocol, b->protocol) && !strcmp(a->rule, b->rule) &&
           a->requested == b->requested && !strcmp(a->precision, b->precision);
}

static Series *find_series(Results *set, const Series *wanted, Arena *arena) {
    for (int i = 0; i < set->count; i++) {
        Series *series = &set->items[i];
        if (!strcmp(series->name, wanted->name) && series->train_length == wanted->train_length &&
            !strcmp(series->corpus, wanted->corpus) && results_same_protocol(series, wanted))
            return series;
    }
    Series *series = ARENA_PUSH(arena, set->items, set->count);
    *series = *wanted;
    const char **texts[] = {&series->name,    &series->label,    &series->run_label, &series->method,
                            &series->setting, &series->split,    &series->variant,   &series->rule,
                            &series->corpus,  &series->protocol, &series->precision};
    for (int i = 0; i < COUNT_OF(texts); i++) *texts[i] = arena_copy(arena, *texts[i]);
    return series;
}

ResultsCell *results_cell(const Series *series, int64_t length) {
    for (int i = 0; i < series->count; i++)
        if (series->cells[i].length == length) return &series->cells[i];
    return NULL;
}

static ResultsCell *find_cell(Series *series, int64_t length, int64_t stride, Arena *arena) {
    ResultsCell *known = results_cell(series, length);
    if (known) return known;
    series->cells = arena_extend(arena, series->cells, (size_t)series->count, sizeof *series->cells);
    int index = series->count++;
    for (; index > 0 && series->cells[index - 1].length > length; index--)
        series->cells[index] = series->cells[index - 1];
    series->cells[index] = (ResultsCell){.length = length, .stride = stride};
    return &series->cells[index];
}

static void add_seed(ResultsCell *cell, ResultsSeed seed, const char *outcome, Arena *arena) {
    cell->seeds_requested++;
    if (strcmp(outcome, "done")) {
        const SeriesLost lost = {seed.seed, arena_copy(arena, outcome)};
        *ARENA_PUSH(arena, cell->lost, cell->lost_count) = lost;
        cell->outcome = cell->lost->outcome;
        return;
    }
    cell->seeds = arena_extend(arena, cell->seeds, (size_t)cell->count, sizeof *cell->seeds);
    int index = cell->count++;
    for (; index > 0 && cell->seeds[index - 1].seed > seed.seed; index--)
        cell->seeds[index] = cell->seeds[index - 1];
    cell->seeds[index] = seed;
}

static void take_row(Results *set, Query *query, Arena *arena) {
    const Series wanted = {.name = query_text(query, NAME),
                           .label = query_text(query, LABEL),
                           .run_label = query_text(query, RUN_LABEL),
                           .method = query_text(query, METHOD),
                           .setting = query_text(query, VARIANT),
                           .variant = query_text(query, EVAL_VARIANT),
                           .split = query_text(query, SPLIT),
                           .protocol = query_text(query, PROTOCOL),
                           .rule = query_text(query, RULE),
                           .corpus = query_text(query, CORPUS),
                           .precision = query_text(query, PRECISION),
                           .train_length = query_int(query, TRAIN_LENGTH),
                           .requested = query_int(query, REQUESTED),
                           .parameters = query_int(query, PARAMETERS),
                           .position_parameters = query_int(query, POSITION_PARAMETERS)};
    const ResultsSeed seed = {.seed = query_int(query, SEED),
                              .evaluation = query_int(query, EVALUATION),
                              .loss = query_real(query, LOSS),
                              .seconds = query_real(query, SECONDS),
                              .tokens = query_int(query, TOKENS),
                              .peak_bytes = query_int(query, PEAK_BYTES)};
    Series *series = find_series(set, &wanted, arena);
    ResultsCell *cell = find_cell(series, query_int(query, LENGTH), query_int(query, STRIDE), arena);
    add_seed(cell, seed, query_text(query, OUTCOME), arena);
}

static void finish_cell(ResultsCell *cell, Arena *arena) {
    ArenaMark mark = arena_mark(arena);
    double *perplexities = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++) perplexities[i] = exp(cell->seeds[i].loss);
    cell->mean = stats_mean(perplexities, cell->count);
    cell->deviation = stats_deviation(perplexities, cell->count);
    arena_release(arena, mark);
}

/* How it was evaluated, once it is known on how many targets. */
static void finish_series(Series *series, Arena *arena) {
    Curve curve = {.split = series->split,
                   .protocol = series->protocol,
                   .stride_rule = series->rule,
                   .requested = series->requested,
                   .precision = series->precision};
    for (int k = 0; k < series->count; k++) {
        const ResultsCell *cell = &series->cells[k];
        finish_cell(&series->cells[k], arena);
        for (int i = 0; i < cell->count; i++)
            if (cell->seeds[i].tokens > curve.targets) curve.targets = cell->seeds[i].tokens;
    }
    series->evaluated = curves_protocol(&curve, arena);
}

static bool read_runs(Results *set, Database *store, const char *const *experiment, Arena *arena,
                      Error *err) {
    Query *query =
        query_begin(store,
                    "SELECT r.label, p.variant, c.hash, r.train_length, r.seed, r.threads, r.train_tokens,"
                    " r.train_seconds, r.peak_bytes, r.processor_seconds, r.load FROM experiment x JOIN "
                    "point p ON p.experiment = x.id"
                    " JOIN run r ON r.key = p.run JOIN corpus c ON c.id = r.corpus_id WHERE x.name = ?"
                    " AND r.status = 'done' AND r.train_seconds > 0 ORDER BY p.ordinal",
                    experiment);
    while (query_next(query)) {
        const ResultsRun run = {.seed = query_int(query, 4),
                                .threads = query_int(query, 5),
                                .tokens = query_int(query, 6),
                                .seconds = query_real(query, 7),
                                .peak_bytes = query_int(query, 8),
                                .processor_seconds = query_real(query, 9),
                                .load = query_real(query, 10)};
        for (int i = 0; i < set->count; i++) {
            Series *series = &set->items[i];
            if (strcmp(series->run_label, query_text(query, 0)) ||
                strcmp(series->setting, query_text(query, 1)) ||
                strcmp(series->corpus, query_text(query, 2)) || series->train_length != query_int(query, 3))
                continue;
            *ARENA_PUSH(arena, series->runs, series->run_count) = run;
        }
    }
    return query_end(query, err);
}

Results *results_read(Database *store, const char *experiment, Arena *arena, Error *err) {
    Results *set = NEW(arena, 1, Results);
    const char *const parameters[] = {experiment, NULL};
    const Curves *curves = curves_read(store, experiment, arena, err);
    if (!curves) return NULL;
    set->experiment = arena_copy(arena, experiment);
    set->signature = curves->signature;
    Query *query = query_begin(store, series_sql, parameters);
    while (query_next(query)) take_row(set, query, arena);
    if (!query_end(query, err) || !read_runs(set, store, parameters, arena, err)) return NULL;
    for (int i = 0; i < set->count; i++) finish_series(&set->items[i], arena);
    return set;
}

/* --- names --- */

static bool is_called(const Series *series, const char *wanted) {
    return (!strcmp(series->method, wanted) && !*series->variant) || !strcmp(series->label, wanted);
}

Series *results_counterpart(const Results *set, const char *wanted, const Series *series,
                            int64_t train_length) {
    for (int i = 0; i < set->count; i++) {
        Series *other = &set->items[i];
        if (is_called(other, wanted) && !strcmp(other->setting, series->setting) &&
            !strcmp(other->corpus, series->corpus) && other->train_length == train_length &&
            results_same_protocol(other, series))
            return other;
    }
    return NULL;
}

bool results_check_name(const Results *set, const char *wanted, Arena *arena, Error *err) {
    const char *label = NULL, *list = "";
    bool several = false;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        bool listed = false;
        for (int k = 0; k < i; k++) listed |= !strcmp(set->items[k].label, series->label);
        if (!listed) list = arena_format(arena, "%s%s'%s'", list, *list ? ", " : "", series->label);
        if (!is_called(series, wanted)) continue;
        several |= label && strcmp(label, series->label);
        label = series->label;
    }
    if (label && !several) return true;
    return error_set(err, EXIT_USAGE, "experiment '%s' has %s '%s'; name one of %s", set->experiment,
                     label ? "several series of the method" : "no method", wanted, list);
}

/* --- cells --- */

double results_mean_loss(const ResultsCell *cell) {
    double sum = 0;
    for (int i = 0; i < cell->count; i++) sum += cell->seeds[i].loss;
    return cell->count ? sum / cell->count : NAN;
}

bool series_evaluated(const ResultsCell *cell) {
    static const char *const unknown[] = {"beyond_text", "missing", "failed"};
    bool known = cell->count > 0;
    for (int i = 0; i < cell->lost_count; i++) {
        bool listed = false;
        for (int k = 0; k < COUNT_OF(unknown); k++) listed |= !strcmp(cell->lost[i].outcome, unknown[k]);
        known |= !listed;
    }
    return known;
}

const char *series_beyond_text(const Results *set) {
    for (int i = 0; i < set->count; i++)
        for (int k = 0; k < set->items[i].count; k++)
            for (int s = 0; s < set->items[i].cells[k].lost_count; s++)
                if (!strcmp(set->items[i].cells[k].lost[s].outcome, "beyond_text"))
                    return ">text: the text that was evaluated is shorter than this length, so no perplexity "
                           "at it was measured.";
    return NULL;
}

const char *results_cell_text(const ResultsCell *cell, Arena *arena) {
    static const char *const words[][2] = {
        {"beyond_limit", ">limit"}, {"beyond_text", ">text"}, {"missing", "-"}};
    if (!cell->count) {
        for (int i = 0; i < COUNT_OF(words); i++)
            if (cell->outcome && !strcmp(cell->outcome, words[i][0])) return words[i][1];
        return cell->outcome ? cell->outcome : "";
    }
    const char *text = table_perplexity(cell->mean, arena);
    if (cell->count > 1) {
        int digits = cell->mean < 100 ? 2 : cell->mean < 1000 ? 1 : 0;
        text =
            arena_format(arena, cell->mean < 1e6 ? "%s ± %.*f" : "%s ± %.*e", text, digits, cell->deviation);
    }
    return cell->count < cell->seeds_requested
               ? arena_format(arena, "%s (%d/%d)", text, cell->count, cell->seeds_requested)
               : text;
}

/* --- speeds --- */

static const double noticed = 1.2; /* ratio of speeds */

/* How much faster the fastest run of a series was than the slowest one with as many threads. */
static double speed_ratio(const Series *series) {
    double ratio = 1;
    for (int i = 0; i < series->run_count; i++)
        for (int k = 0; k < series->run_count; k++) {
            const ResultsRun *a = &series->runs[i], *b = &series->runs[k];
            if (a->threads != b->threads) continue;
            ratio = fmax(ratio, (double)a->tokens / a->seconds * b->seconds / (double)b->tokens);
        }
    return ratio;
}

const char *series_speed_warning(const Results *set, Arena *arena) {
    const Series *worst = NULL;
    double highest = noticed;
    for (int i = 0; i < set->count; i++) {
        double ratio = speed_ratio(&set->items[i]);
        if (ratio <= highest) continue;
        highest = ratio;
        worst = &set->items[i];
    }
    if (!worst) return NULL;
    return arena_format(arena,
                        "Warning: of runs that do the same, one was up to %.1f times as fast as another (%s "
                        "trained at %lld): the machine was busy, and their speeds say little about methods.",
                        highest, worst->name, (long long)worst->train_length);
}

/* --- windows --- */

typedef struct Windows {
    double *nats;
    int64_t *tokens;
    int count;
} Windows;

static bool read_windows(Windows *windows, Database *store, const ResultsSeed *seed, Arena *arena,
                         Error *err) {
    const char *const parameters[] = {arena_format(arena, "%lld", (long long)seed->evaluation), NULL};
    Query *query = query_begin(
        store, "SELECT nll_sum, tokens FROM evaluation_window WHERE evaluation = ? ORDER BY window",
        parameters);
    *windows = (Windows){0};
    while (query_next(query)) {
        windows->nats = arena_extend(arena, windows->nats, (size_t)windows->count, sizeof *windows->nats);
        windows->nats[windows->count] = query_real(query, 0);
        *ARENA_PUSH(arena, windows->tokens, windows->count) = query_int(query, 1);
    }
    return query_end(query, err);
}

static bool same_windows(const Windows *a, const Windows *b) {
    return a->count == b->count &&
           (!a->count || !memcmp(a->tokens, b->tokens, (size_t)a->count * sizeof(int64_t)));
}

int64_t results_train_tokens(const Series *series) {
    return series->run_count ? series->runs->tokens : 0;
}

const ResultsSeed *results_seed(const ResultsCell *cell, int64_t seed) {
    for (int i = 0; cell && i < cell->count; i++)
        if (cell->seeds[i].seed == seed) return &cell->seeds[i];
    return NULL;
}

static int shared_seeds(int64_t *seeds, const ResultsCell *const *cells, int count, const ResultsCell *base) {
    int shared = 0;
    for (int s = 0; s < base->count; s++) {
        bool all = true;
        for (int m = 0; m < count; m++) all &= results_seed(cells[m], base->seeds[s].seed) != NULL;
        if (all) seeds[shared++] = base->seeds[s].seed;
    }
    return shared;
}

/* Adds sign * the windows' nats to the places of one method and seed. */
static void add_windows(double *nats, const int *unit, const Windows *windows, size_t width, double sign) {
    for (int w = 0; w < windows->count; w++) nats[(size_t)unit[w] * width] += sign * windows->nats[w];
}

bool results_compare(StatsDifference *differences, Database *store, const ResultsCell *const *cells,
                     int count, const ResultsCell *base, int64_t block, int resamples, Arena *arena,
                     Error *err) {
    ArenaMark mark = arena_mark(arena);
    StatsPanel panel = {.methods = count};
    int64_t *seeds = NEW(arena, base->count, int64_t);
    panel.seeds = shared_seeds(seeds, cells, count, base);
    size_t width = (size_t)count * (size_t)panel.seeds;
    double *nats = NULL, *tokens = NULL;
    int *unit = NULL;
    Windows first = {0}; /* all others must be like these */
    bool fine = true;
    for (int s = 0; fine && s < panel.seeds; s++) {
        Windows theirs, ours;
        fine = read_windows(&theirs, store, results_seed(base, seeds[s]), arena, err);
        if (fine && !unit) {
            first = theirs;
            unit = NEW(arena, first.count, int);
            panel.units =
                stats_units(unit, first.tokens, first.count, block > base->length ? block : base->length);
            panel.nats = nats = NEW(arena, (size_t)panel.units * width, double);
            panel.tokens = tokens = NEW(arena, panel.units, double);
            for (int w = 0; w < first.count; w++) tokens[unit[w]] += (double)first.tokens[w];
        }
        for (int m = 0; fine && m < count; m++) {
            const ResultsSeed *seed = results_seed(cells[m], seeds[s]);
            fine = read_windows(&ours, store, seed, arena, err);
            if (fine && (!same_windows(&ours, &first) || !same_windows(&theirs, &first)))
                fine = error_set(err, EXIT_DAMAGED,
                                 "database '%s' is damaged: the windows of evaluation %lld differ",
                                 database_path(store), (long long)seed->evaluation);
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
