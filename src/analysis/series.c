#include "analysis/series.h"

#include <math.h>
#include <string.h>

#include "base/table.h"
#include "math/precision.h"
#include "train/evaluate.h"

/* --- making --- */

static SeriesCell *find_cell(Series *series, int64_t length, int64_t stride, Arena *arena) {
    SeriesCell *known = series_cell(series, length);
    if (known) return known;
    series->cells = arena_extend(arena, series->cells, (size_t)series->count, sizeof *series->cells);
    int index = series->count++;
    for (; index > 0 && series->cells[index - 1].length > length; index--)
        series->cells[index] = series->cells[index - 1];
    series->cells[index] = (SeriesCell){.length = length, .stride = stride};
    return &series->cells[index];
}

static void add_seed(SeriesCell *cell, SeriesSeed seed, Arena *arena) {
    cell->seeds = arena_extend(arena, cell->seeds, (size_t)cell->seeds_requested, sizeof *cell->seeds);
    int index = cell->seeds_requested++, place = index;
    if (!strcmp(seed.outcome, "done")) {
        place = cell->count++;
        while (place > 0 && cell->seeds[place - 1].seed > seed.seed) place--;
    }
    for (; index > place; index--) cell->seeds[index] = cell->seeds[index - 1];
    cell->seeds[place] = seed;
}

void series_add(Series *series, int64_t length, int64_t stride, SeriesSeed seed, Arena *arena) {
    add_seed(find_cell(series, length, stride, arena), seed, arena);
}

static void finish_cell(SeriesCell *cell, Arena *arena) {
    cell->perplexities = NEW(arena, cell->count, double);
    for (int i = 0; i < cell->count; i++) cell->perplexities[i] = exp(cell->seeds[i].loss);
    cell->mean = stats_mean(cell->perplexities, cell->count);
    cell->deviation = stats_deviation(cell->perplexities, cell->count);
    cell->outcome = cell->count < cell->seeds_requested ? cell->seeds[cell->count].outcome : NULL;
}

/* "valid, strided 0.125 L, first 4096 targets, bf16", once it is known on how many targets. */
static const char *describe_evaluation(const Series *series, Arena *arena) {
    int64_t targets = 0;
    for (int k = 0; k < series->count; k++)
        for (int i = 0; i < series->cells[k].count; i++)
            if (series->cells[k].seeds[i].tokens > targets) targets = series->cells[k].seeds[i].tokens;
    const char *text = arena_format(arena, "%s, %s", series->split, series->protocol);
    if (strcmp(series->rule, "L")) text = arena_format(arena, "%s %s", text, series->rule);
    if (targets && targets < series->requested)
        text = arena_format(arena, "%s, %lld targets (%lld requested)", text, (long long)targets,
                            (long long)series->requested);
    else if (series->requested)
        text =
            arena_format(arena, "%s, %s %lld targets", text,
                         strcmp(series->protocol, "last_n") ? "first" : "last", (long long)series->requested);
    return strcmp(series->precision, precision_names[0])
               ? arena_format(arena, "%s, %s", text, series->precision)
               : text;
}

void series_finish(Series *series, Arena *arena) {
    for (int k = 0; k < series->count; k++) finish_cell(&series->cells[k], arena);
    series->evaluated = describe_evaluation(series, arena);
    double *numbers = NEW(arena, series->run_count, double);
    for (int c = 0; c < SERIES_COSTS; c++) {
        for (int i = 0; i < series->run_count; i++) numbers[i] = series->runs[i].cost[c];
        series->cost[c] = stats_mean(numbers, series->run_count);
    }
}

Series *series_of_reference(const ReferenceCurve *curve, const char *name, Arena *arena) {
    const char *split = *curve->split ? curve->split : "-";
    Series *series = NEW(arena, 1, Series);
    *series = (Series){.name = name,
                       .label = name,
                       .method = curve->method,
                       .setting = "",
                       .variant = "",
                       .split = split,
                       .protocol = evaluate_protocol_names[EVALUATE_NONOVERLAPPING],
                       .rule = "L",
                       .corpus = curve->dataset,
                       .precision = precision_names[0],
                       .evaluated = arena_format(arena, "%s, nonoverlapping", split),
                       .train_length = curve->train_length,
                       .parameters = -1,
                       .position_parameters = -1,
                       .cells = NEW(arena, curve->count, SeriesCell),
                       .count = curve->count};
    for (int i = 0; i < curve->count; i++)
        series->cells[i] = series_cell_single(curve->lengths[i], curve->perplexities[i], arena);
    return series;
}

/* --- comparing --- */

bool series_same_runs(const Series *a, const Series *b) {
    return !strcmp(a->name, b->name) && a->train_length == b->train_length && !strcmp(a->corpus, b->corpus);
}

bool series_same_targets(const Series *a, const Series *b) {
    return !strcmp(a->split, b->split) && a->requested == b->requested && !strcmp(a->precision, b->precision);
}

bool series_same_protocol(const Series *a, const Series *b) {
    return series_same_targets(a, b) && !strcmp(a->protocol, b->protocol) && !strcmp(a->rule, b->rule);
}

bool series_comparable(const Series *a, const Series *b) {
    return a->train_length == b->train_length && !strcmp(a->corpus, b->corpus) && series_same_protocol(a, b);
}

bool series_nonoverlapping(const Series *series) {
    return !strcmp(series->protocol, evaluate_protocol_names[EVALUATE_NONOVERLAPPING]) &&
           !strcmp(series->rule, "L");
}

int64_t series_train_tokens(const Series *series) {
    return series->run_count ? series->runs->tokens : 0;
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

/* --- cells --- */

SeriesCell *series_cell(const Series *series, int64_t length) {
    for (int i = 0; i < series->count; i++)
        if (series->cells[i].length == length) return &series->cells[i];
    return NULL;
}

SeriesCell *series_cell_of(const SeriesCell *cell, const bool *keep, Arena *arena) {
    SeriesCell *kept = NEW(arena, 1, SeriesCell);
    *kept = (SeriesCell){.length = cell->length, .stride = cell->stride};
    for (int i = 0; i < cell->seeds_requested; i++)
        if (keep[i]) add_seed(kept, cell->seeds[i], arena);
    finish_cell(kept, arena);
    return kept;
}

SeriesCell series_cell_single(int64_t length, double perplexity, Arena *arena) {
    SeriesCell cell = {.length = length};
    add_seed(&cell, (SeriesSeed){.outcome = isnan(perplexity) ? "missing" : "done", .loss = log(perplexity)},
             arena);
    finish_cell(&cell, arena);
    cell.mean = perplexity;
    return cell;
}

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

int series_outcomes(const SeriesCell *cell, const char *outcome) {
    int count = 0;
    for (int i = 0; i < cell->seeds_requested; i++) count += !strcmp(cell->seeds[i].outcome, outcome);
    return count;
}

int series_log_ratios(double *logs, const SeriesCell *cell, const SeriesCell *base) {
    int count = 0;
    for (int i = 0; i < cell->count; i++) {
        const SeriesSeed *at = series_seed(base, cell->seeds[i].seed);
        if (at) logs[count++] = cell->seeds[i].loss - at->loss;
    }
    return count;
}

double series_mean_loss(const SeriesCell *cell) {
    double sum = 0;
    for (int i = 0; i < cell->count; i++) sum += cell->seeds[i].loss;
    return cell->count ? sum / cell->count : NAN;
}

bool series_evaluated(const SeriesCell *cell) {
    return cell->count || series_outcomes(cell, "diverged") || series_outcomes(cell, "beyond_limit");
}

const char *series_cell_text(const SeriesCell *cell, Arena *arena) {
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
