#include "report/summary.h"

#include <math.h>
#include <string.h>

typedef struct Ranking {
    const Series *best, *next; /* NULL: there is none */
    const SeriesCell *best_cell, *next_cell;
} Ranking;

static Ranking rank(const Results *set, const Series *first, int64_t length) {
    Ranking ranking = {0};
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        const SeriesCell *cell = series_comparable(first, series) ? series_cell(series, length) : NULL;
        if (!cell || !cell->count) continue;
        if (!ranking.best || cell->mean < ranking.best_cell->mean) {
            ranking.next = ranking.best;
            ranking.next_cell = ranking.best_cell;
            ranking.best = series;
            ranking.best_cell = cell;
        } else if (!ranking.next || cell->mean < ranking.next_cell->mean) {
            ranking.next = series;
            ranking.next_cell = cell;
        }
    }
    return ranking;
}

/* ", 0.73 [0.71, 0.75] of that of the next, Label (17.58)": the interval only where seeds allow one. */
static bool next_text(const char **text, const Ranking *ranking, Arena *arena, Error *err) {
    StatsDifference difference;
    *text = "";
    if (!ranking->next) return true;
    if (!results_compare(&difference, &ranking->best_cell, 1, ranking->next_cell, STATS_BLOCK,
                         STATS_RESAMPLES, arena, err))
        return false;
    const char *next =
        arena_format(arena, "%s (%s)", ranking->next->name, series_cell_text(ranking->next_cell, arena));
    if (difference.seeds < 2)
        *text = arena_format(arena, ", followed by %s", next);
    else if (difference.low <= 0 && difference.high >= 0)
        *text = arena_format(arena, ", not distinguishable from %s (ratio %.3f, 95 %% interval %.3f to %.3f)",
                             next, exp(difference.nats), exp(difference.low), exp(difference.high));
    else
        *text =
            arena_format(arena, ", %.3f times that of the next, %s, with a 95 %% interval of %.3f to %.3f",
                         exp(difference.nats), next, exp(difference.low), exp(difference.high));
    return true;
}

static bool best_at(const char **sentence, const Results *set, const Series *first, int64_t length,
                    const char *length_text, Arena *arena, Error *err) {
    const Ranking ranking = rank(set, first, length);
    const char *next;
    *sentence = "";
    if (!ranking.best) return true;
    if (!next_text(&next, &ranking, arena, err)) return false;
    *sentence = arena_format(arena, " At %s %s has the lowest perplexity, %s%s.", length_text,
                             ranking.best->name, series_cell_text(ranking.best_cell, arena), next);
    return true;
}

/* "Label 1024 (the longest evaluated)": the last length before the perplexity exceeds 1.05 times that at L.
 */
static const char *reach_text(const Series *series, Arena *arena) {
    const SeriesReach reach = series_reach(series);
    if (!reach.within) return NULL;
    return arena_format(arena, "%s to %lld%s", series->name, (long long)reach.within,
                        reach.within == reach.longest          ? " (the longest evaluated)"
                        : reach.within == series->train_length ? " (no further)"
                                                               : "");
}

static const char *reaches(const Results *set, const Series *first, Arena *arena) {
    const char *list = "";
    for (int i = 0; i < set->count; i++) {
        const char *reach =
            series_comparable(first, &set->items[i]) ? reach_text(&set->items[i], arena) : NULL;
        if (reach) list = arena_format(arena, "%s%s%s", list, *list ? "; " : "", reach);
    }
    if (!*list) return "";
    return arena_format(arena, " Perplexity stays within 5 %% of that at %lld up to: %s.",
                        (long long)first->train_length, list);
}

static int64_t longest_length(const Results *set, const Series *first) {
    int64_t longest = 0;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        for (int k = 0; series_comparable(first, series) && k < series->count; k++)
            if (series->cells[k].count && series->cells[k].length > longest)
                longest = series->cells[k].length;
    }
    return longest;
}

const char **summary_sentences(const Results *set, Arena *arena, Error *err) {
    const char **sentences = NEW(arena, set->count + 1, const char *);
    int count = 0;
    for (int i = 0; i < set->count; i++) {
        const Series *first = &set->items[i];
        if (!series_same_protocol(first, &set->items[0]) || !results_is_first(set, i, series_comparable))
            continue;
        const char *near, *far = "";
        int64_t longest = longest_length(set, first);
        const char *length_text = arena_format(arena, "that length");
        if (!best_at(&near, set, first, first->train_length, length_text, arena, err)) return NULL;
        length_text = arena_format(arena, "%lld, the longest evaluated,", (long long)longest);
        if (longest > first->train_length && !best_at(&far, set, first, longest, length_text, arena, err))
            return NULL;
        sentences[count++] = arena_format(arena, "Trained at %lld:%s%s%s", (long long)first->train_length,
                                          near, far, reaches(set, first, arena));
    }
    return sentences;
}
