#include "analysis/claims.h"

#include <math.h>
#include <string.h>

#include "base/options.h"
#include "base/table.h"
#include "base/text.h"
#include "sys/atomic_file.h"
#include "position/encoding.h"
#include "train/evaluate.h"
#include "store/bench_results.h"
#include "analysis/selection.h"

const char *const claims_verdict_names[] = {"supported", "contradicted", "undecided", "not tested", NULL};

static const double one_seed_margin = 0.05; /* of the logarithm, on both sides */

typedef struct Judge {
    const BenchResults *benches;
    const Results *set, *others; /* with the method, and with what it is compared */
    bool chosen;                 /* the claim chooses the runs of both */
    Claim *claim;
    Arena *arena;
} Judge;

/* --- points --- */

/* logs[count]: logarithms of the ratios, one for each seed. Returns the new point; NULL if count is 0. */
static ClaimPoint *add_point(const Judge *judge, const Series *series, const Series *against, int64_t length,
                             const double *logs, int count) {
    Claim *claim = judge->claim;
    if (!count) return NULL;
    ClaimPoint *point = ARENA_PUSH(judge->arena, claim->points, claim->count);
    *point = (ClaimPoint){.series = series, .against = against, .length = length, .seeds = count};
    const StatsSpread spread = stats_spread(logs, count, judge->arena);
    double margin = count > 1 ? 0 : one_seed_margin;
    point->ratio = exp(spread.mean);
    point->low = exp(spread.low - margin);
    point->high = exp(spread.high + margin);
    return point;
}

static bool in_range(const Claim *claim, int64_t length, int64_t train_length) {
    double multiple = (double)length / (double)train_length;
    return multiple >= claim->from - 1e-9 && (claim->to <= 0 || multiple <= claim->to + 1e-9);
}

static bool add_growth(const Judge *judge, const Series *series, const Series *against, Error *err) {
    (void)err;
    const SeriesCell *base = series->base;
    const SeriesCell *other_base = against ? against->base : NULL;
    for (int k = 0; base && k < series->count; k++) {
        const SeriesCell *cell = &series->cells[k],
                         *other = against ? series_cell(against, cell->length) : NULL;
        if (cell == base || !in_range(judge->claim, cell->length, series->train_length)) continue;
        if (against && (!other || !other_base)) continue;
        double *logs = NEW(judge->arena, cell->count, double);
        int count = series_log_ratios(logs, cell, base, other, other_base);
        add_point(judge, series, against, cell->length, logs, count);
    }
    return true;
}

/* Perplexities on the same windows: the interval covers the range of the seeds and the bootstrap interval. If
   the method was trained on fewer tokens than the other, the lower end is 0. */
static bool add_pair(const Judge *judge, const Series *series, const Series *against, const SeriesCell *cell,
                     const SeriesCell *other, Error *err) {
    double *logs = NEW(judge->arena, cell->count, double);
    int count = series_log_ratios(logs, cell, other, NULL, NULL);
    ClaimPoint *point = add_point(judge, series, against, cell->length, logs, count);
    if (!point) return true;
    if (!judge->chosen && series_train_tokens(series) &&
        series_train_tokens(series) < series_train_tokens(against))
        point->low = 0;
    if (count < 2) return true;
    StatsDifference difference;
    if (!series_compare(&difference, &cell, 1, other, SERIES_PERPLEXITY, STATS_BLOCK, STATS_RESAMPLES,
                        judge->arena, err))
        return false;
    if (isfinite(difference.low)) {
        point->low = fmin(point->low, exp(difference.low));
        point->high = fmax(point->high, exp(difference.high));
    }
    return true;
}

static bool add_versus(const Judge *judge, const Series *series, const Series *against, Error *err) {
    bool alike = series_same_protocol(series, against);
    for (int k = 0; k < series->count; k++)
        for (int m = 0; m < against->count; m++) {
            const SeriesCell *cell = &series->cells[k], *other = &against->cells[m];
            if (cell->stride != other->stride || (alike && cell->length != other->length)) continue;
            if (!in_range(judge->claim, cell->length, series->train_length)) continue;
            if (!add_pair(judge, series, against, cell, other, err)) return false;
        }
    return true;
}

static bool add_short_long(const Judge *judge, const Series *series, const Series *against, Error *err) {
    int64_t length = against->train_length;
    const SeriesCell *cell = series_cell(series, length), *other = series_cell(against, length);
    if (!cell || !other || other->stride != cell->stride) return true;
    return add_pair(judge, series, against, cell, other, err);
}

static bool is_known(const Claim *claim, const Series *series, const Series *against, int64_t length) {
    for (int i = 0; i < claim->count; i++) {
        const ClaimPoint *point = &claim->points[i];
        if (!point->seeds && point->length == length && !strcmp(point->series->label, series->label) &&
            !strcmp(point->against->label, against->label))
            return true;
    }
    return false;
}

/* At the same length the ratio is that of times within rounds; at two lengths, of speeds. Each length is
   added once, for whatever training lengths the runs have. */
static void add_bench(const Judge *judge, const BenchRecord *bench, const Series *series,
                      const Series *against) {
    bool longer = against->train_length > series->train_length;
    for (int i = 0; i < bench->count; i++) {
        const BenchResult *ours = &bench->results[i];
        const BenchResult *theirs =
            bench_results_find(bench, against->label, longer ? against->train_length : ours->length, true);
        if (!ours->train || strcmp(ours->label, series->label) || !theirs) continue;
        if (longer && ours->length != series->train_length) continue;
        if (is_known(judge->claim, series, against, ours->length)) continue;
        double speed = log(longer ? ours->rate / theirs->rate : theirs->ratio / ours->ratio);
        ClaimPoint *point = add_point(judge, series, against, ours->length, &speed, 1);
        point->low = longer ? ours->rate_low / theirs->rate_high : theirs->ratio_low / ours->ratio_high;
        point->high = longer ? ours->rate_high / theirs->rate_low : theirs->ratio_high / ours->ratio_low;
        point->seeds = 0;
    }
}

static bool add_speed(const Judge *judge, const Series *series, const Series *against, Error *err) {
    (void)err;
    for (int b = 0; b < judge->benches->count; b++)
        if (judge->benches->items[b].own) add_bench(judge, &judge->benches->items[b], series, against);
    return true;
}

/* Taken from runs: memory, unlike time, does not depend on the load of the machine. */
static bool add_memory(const Judge *judge, const Series *series, const Series *against, Error *err) {
    (void)err;
    double *logs = NEW(judge->arena, series->run_count, double);
    int count = series_log_costs(logs, series, against, SERIES_BYTES);
    ClaimPoint *point = add_point(judge, series, against, series->train_length, logs, count);
    if (count == 1) point->low = point->high = point->ratio;
    return true;
}

/* --- quantities --- */

enum { SAME_LENGTH, LONGER, ALONE, CHOSEN };
static const char *const quantity_names[] = {"growth",
                                             "growth_against",
                                             "versus",
                                             "short_against_long",
                                             "train_speed",
                                             "train_memory",
                                             "short_long_speed",
                                             "short_long_memory",
                                             "exact_gain",
                                             "change",
                                             NULL};
static const struct {
    const char *words; /* %s stands for the other method */
    int against;
    bool whole_run; /* does not depend on the protocol */
    bool (*add)(const Judge *judge, const Series *series, const Series *against, Error *err);
} quantities[] = {
    {"perplexity over that at the training length", ALONE, false, add_growth},
    {"growth of perplexity beyond the training length over that of %s", SAME_LENGTH, false, add_growth},
    {"perplexity over that of %s", SAME_LENGTH, false, add_versus},
    {"perplexity over that of %s trained at the length of evaluation", LONGER, false, add_short_long},
    {"training speed over that of %s", SAME_LENGTH, true, add_speed},
    {"peak memory in training over that of %s", SAME_LENGTH, true, add_memory},
    {"training speed over that of %s trained longer", LONGER, true, add_speed},
    {"peak memory in training over that of %s trained longer", LONGER, true, add_memory},
    {"gain in exact match", ALONE, true, NULL}, /* add_gains */
    {"perplexity over that of %s", CHOSEN, false, add_versus},
};

/* --- reading --- */

static const OptionField claim_fields[] = {
    {"text", OPTION_TEXT, offsetof(Claim, text), .help = "the claim, a sentence"},
    {"section", OPTION_TEXT, offsetof(Claim, section), .help = "where the paper makes it"},
    {"paper", OPTION_TEXT, offsetof(Claim, paper), .help = "its figures there"},
    {"quantity", OPTION_CHOICE, offsetof(Claim, quantity), .choices = quantity_names,
     .help = "what would show it"},
    {"method", OPTION_TEXT, offsetof(Claim, method), .help = "key of the method; exact_gain: keys"},
    {"against", OPTION_TEXT, offsetof(Claim, against), .help = "keys of others, separated by commas"},
    {"where", OPTION_TEXT, offsetof(Claim, where), .help = "field=value, separated by commas"},
    {"against_where", OPTION_TEXT, offsetof(Claim, against_where), .help = "those of what is compared"},
    {"protocol", OPTION_CHOICE, offsetof(Claim, protocol), .choices = evaluate_protocol_names,
     .help = "of evaluation"},
    {"from", OPTION_REAL, offsetof(Claim, from), .low = 0, .high = 1e6,
     .help = "least multiple of the training length"},
    {"to", OPTION_REAL, offsetof(Claim, to), .low = 0, .high = 1e6, .help = "greatest multiple; 0: any"},
    {"at_least", OPTION_REAL, offsetof(Claim, at_least), .low = 0, .high = 1e6,
     .help = "lower bound; 0: none"},
    {"at_most", OPTION_REAL, offsetof(Claim, at_most), .low = 0, .high = 1e6, .help = "upper bound; 0: none"},
};

static bool read_claims(ClaimList *list, const Json *json, const char *source, Arena *arena, Error *err) {
    const Json *array = json_get(json, "claims");
    if (!json_is_array(array)) return json_value_error(array, source, "claims", "an array", err);
    list->source = arena_copy(arena, json_text(json_get(json, "source"), ""));
    list->items = NEW(arena, json_count(array), Claim);
    for (list->count = 0; list->count < json_count(array); list->count++) {
        Claim *claim = &list->items[list->count];
        const char *path = arena_format(arena, "claims.%d", list->count);
        const OptionSection section = {path, NULL, claim_fields, COUNT_OF(claim_fields), NULL};
        options_default(claim, claim_fields, COUNT_OF(claim_fields));
        if (!options_read(claim, &section, json_at(array, list->count), source, arena, err)) return false;
        if (*claim->text && *claim->method && json_get(json_at(array, list->count), "quantity") &&
            (claim->at_least > 0) + (claim->at_most > 0) == 1)
            continue;
        return error_set(err, EXIT_USAGE,
                         "%s: '%s' needs a text, a quantity, a method and either at_least or at_most", source,
                         path);
    }
    return true;
}

/* --- judging --- */

/* Whether a claim about a method applies to this series. Of several sets of options it applies to the default
   ones, if the experiment has them. */
static bool is_meant(const Results *set, const Series *series) {
    const PositionMethod *method = encoding_find(series->method);
    if (!method || !strcmp(series->label, method->label)) return true;
    for (int i = 0; i < set->count; i++)
        if (!strcmp(set->items[i].method, series->method) && !strcmp(set->items[i].label, method->label))
            return false;
    return true;
}

static bool comparable(const Claim *claim, const Series *series, const Series *other) {
    int against = quantities[claim->quantity].against;
    bool lengths = against == LONGER ? other->train_length > series->train_length
                                     : other->train_length == series->train_length;
    if (strcmp(other->corpus, series->corpus) != 0) return false;
    if (against == CHOSEN) return series_same_targets(other, series);
    return lengths && !strcmp(other->setting, series->setting) && series_same_protocol(other, series);
}

static const Series *gain_counterpart(const Judge *judge, const Series *series) {
    const Claim *claim = judge->claim;
    for (int i = 0; i < judge->set->count; i++) {
        const Series *other = &judge->set->items[i];
        if (*claim->against ? !text_has(claim->against, ',', other->method)
                            : strcmp(other->label, series->label))
            continue;
        if (series_has_answers(other, claim->against_where, judge->arena)) return other;
    }
    return NULL;
}

/* Adds a point for each size. */
static void add_gains(const Judge *judge) {
    Claim *claim = judge->claim;
    int count = 0, most = judge->set->count;
    const Series **ours = NEW(judge->arena, 2 * most, const Series *), **theirs = ours + most;
    for (int i = 0; i < most; i++) {
        const Series *series = ours[count] = &judge->set->items[i];
        if (!text_has(claim->method, ',', series->method) ||
            !series_has_answers(series, claim->where, judge->arena))
            continue;
        count += (theirs[count] = gain_counterpart(judge, series)) != NULL;
    }
    for (int k = 0; count && k < ours[0]->count; k++) {
        SeriesGain gain;
        int64_t size = ours[0]->cells[k].length;
        if (!in_range(claim, size, ours[0]->train_high)) continue;
        if (!series_exact_gain(&gain, ours, theirs, count, size, judge->arena)) continue;
        ClaimPoint *point = ARENA_PUSH(judge->arena, claim->points, claim->count);
        *point = (ClaimPoint){ours[0], theirs[0], size, gain.mean, gain.low, gain.high, .seeds = gain.seeds};
        point->methods = gain.series, point->unseen = gain.unseen;
    }
}

static bool add_series(const Judge *judge, const Series *series, Error *err) {
    const Claim *claim = judge->claim;
    const Results *set = judge->others;
    int against = quantities[claim->quantity].against;
    if (against == ALONE) return quantities[claim->quantity].add(judge, series, NULL, err);
    for (int i = 0; i < set->count; i++) {
        const Series *other = &set->items[i];
        if (!text_has(claim->against, ',', other->method) || !is_meant(set, other)) continue;
        if (!comparable(claim, series, other)) continue;
        if (against == LONGER && !in_range(claim, other->train_length, series->train_length)) continue;
        if (!quantities[claim->quantity].add(judge, series, other, err)) return false;
    }
    return true;
}

static const char *called(const Judge *judge, const Series *series) {
    return judge->chosen ? series->name : series->label;
}

/* "1.77 (Label, trained at 128, evaluated at 256)" */
static const char *point_text(const Judge *judge, const ClaimPoint *point) {
    bool whole = quantities[judge->claim->quantity].whole_run;
    const char *other = point->against && strchr(judge->claim->against, ',')
                            ? arena_format(judge->arena, "%s, ", point->against->name)
                            : "";
    const char *interval = isnan(point->low)
                               ? "" /* one seed */
                               : arena_format(judge->arena, " (%+.3f to %+.3f)", point->low, point->high);
    if (point->methods)
        return arena_format(judge->arena, "%+.3f%s at size %lld", point->ratio, interval,
                            (long long)point->length);
    int64_t trained = whole ? point->length : point->series->train_length;
    const char *evaluated =
        whole ? "" : arena_format(judge->arena, ", evaluated at %lld", (long long)point->length);
    return arena_format(judge->arena, "%.3g (%strained at %lld%s)", point->ratio, other, (long long)trained,
                        evaluated);
}

static const char *quantity_words(const Judge *judge) {
    const Claim *claim = judge->claim;
    const char *names = "";
    for (int i = 0; i < claim->count; i++) {
        const Series *other = claim->points[i].against;
        if (!other) break;
        bool seen = false;
        for (int k = 0; k < i; k++)
            seen |= !strcmp(called(judge, claim->points[k].against), called(judge, other));
        if (!seen) names = text_join(names, ", ", called(judge, other), judge->arena);
    }
    char *words = arena_copy(judge->arena, quantities[claim->quantity].words), *source = strstr(words, "%s");
    if (!source) return words;
    *source = '\0';
    return arena_format(judge->arena, "%s%s%s", words, names, source + 2);
}

/* Why a claim has no point. */
static const char *untested_text(const Judge *judge) {
    bool there = false, speed = quantities[judge->claim->quantity].add == add_speed;
    for (int i = 0; i < judge->set->count; i++)
        there |= text_has(judge->claim->method, ',', judge->set->items[i].method);
    if (there && speed)
        return "There is no bench that tests it: `poslab bench CONFIG --db DB` measures speeds. Speeds of "
               "runs depend on the other load of the machine.";
    return there ? "There is no evaluation that tests it: other methods, training lengths, evaluation "
                   "lengths or a protocol are missing."
                 : "The method is not part of this experiment.";
}

static void judge_all(const Judge *judge) {
    Claim *claim = judge->claim;
    int holds = 0, fails = 0, few = 0, most = 0;
    const char *unseen = "";
    const ClaimPoint *first = claim->points, *low = first, *high = first;
    claim->verdict = CLAIM_UNTESTED;
    claim->finding = untested_text(judge);
    if (!claim->count) return;
    few = most = first->seeds;
    for (int i = 0; i < claim->count; i++) {
        ClaimPoint *point = &claim->points[i];
        point->holds = claim->at_least > 0 ? point->low >= claim->at_least : point->high <= claim->at_most;
        point->fails = claim->at_least > 0 ? point->high < claim->at_least : point->low > claim->at_most;
        if (point->unseen) {
            unseen =
                arena_format(judge->arena, "%s%s%lld", unseen, *unseen ? ", " : "", (long long)point->length);
            point->holds = point->fails = false;
        }
        holds += point->holds;
        fails += point->fails;
        if (point->ratio < low->ratio) low = point;
        if (point->ratio > high->ratio) high = point;
        if (point->seeds < few) few = point->seeds;
        if (point->seeds > most) most = point->seeds;
    }
    claim->seeds = most;
    claim->verdict = holds == claim->count       ? CLAIM_SUPPORTED
                     : 2 * fails >= claim->count ? CLAIM_CONTRADICTED
                                                 : CLAIM_UNDECIDED;
    const char *range = low == high ? point_text(judge, low)
                                    : arena_format(judge->arena, "between %s and %s", point_text(judge, low),
                                                   point_text(judge, high));
    const char *seeds = !most         ? "measured by `poslab bench`, in alternating rounds"
                        : few == most ? arena_format(judge->arena, "n = %d", few)
                                      : arena_format(judge->arena, "n = %d to %d", few, most);
    int open = claim->count - holds - fails;
    const char *counts =
        claim->count > 1 ? arena_format(judge->arena,
                                        "Of %d points the bound clearly holds at %d and clearly fails at %d; "
                                        "%d %s open",
                                        claim->count, holds, fails, open, open == 1 ? "is" : "are")
        : holds          ? "The bound clearly holds"
        : fails          ? "The bound clearly fails"
                         : "The point is open";
    if (*unseen)
        counts =
            arena_format(judge->arena,
                         "Nothing can be seen at size %s, where both answer less than 5 %% of the examples "
                         "or both more than 95 %%. %s",
                         unseen, counts);
    claim->finding =
        arena_format(judge->arena, "%s: the %s is %s; the claim requires at %s %g. %s (%s).",
                     first->methods > 1 ? arena_format(judge->arena, "Mean of %d methods", first->methods)
                                        : called(judge, first->series),
                     quantity_words(judge), range, claim->at_least > 0 ? "least" : "most",
                     claim->at_least > 0 ? claim->at_least : claim->at_most, counts, seeds);
}

static bool judge_claim(const Judge *judge, Error *err) {
    const Claim *claim = judge->claim;
    bool gains = !quantities[claim->quantity].add;
    if (gains) add_gains(judge);
    for (int i = 0; !gains && i < judge->set->count; i++) {
        const Series *series = &judge->set->items[i];
        if (strcmp(series->method, claim->method) || !is_meant(judge->set, series)) continue;
        if (quantities[claim->quantity].whole_run
                ? !results_is_first(judge->set, i, series_same_runs)
                : !judge->chosen && strcmp(series->protocol, evaluate_protocol_names[claim->protocol]))
            continue;
        if (!add_series(judge, series, err)) return false;
    }
    judge_all(judge);
    return true;
}

const ClaimList *claims_judge(const Results *set, const char *file, Arena *arena, Error *err) {
    ClaimList *list = NEW(arena, 1, ClaimList);
    list->source = "";
    if (!file && !set->task) file = file_find("results/paper/claims.json", arena);
    if (!file) return list;
    const char *source = arena_format(arena, "claims '%s'", file);
    Json *json = file_read_json(file, source, arena, err);
    if (!json) return NULL;
    const BenchResults *benches = bench_results_read(set->store, set->experiment, arena, err);
    bool fine = benches && read_claims(list, json, source, arena, err);
    for (int i = 0; fine && i < list->count; i++) {
        Claim *claim = &list->items[i];
        Judge judge = {.benches = benches, .set = set, .others = set, .claim = claim, .arena = arena};
        judge.chosen = quantities[claim->quantity].against == CHOSEN;
        fine = !judge.chosen || (selection_choose(&judge.set, claim->where, arena, err) &&
                                 selection_choose(&judge.others, claim->against_where, arena, err));
        fine = fine && judge_claim(&judge, err);
        list->counts[claim->verdict]++;
    }
    return fine ? list : NULL;
}
