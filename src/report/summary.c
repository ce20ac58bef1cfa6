#include "report/summary.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

#include "analysis/analysis.h"
#include "report/html.h"

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

/* Compares the best with the next: ", 0.731 times that of the next, Label (17.58), ...". The interval is
   omitted if there are too few seeds. brief: a text only if the two cannot be distinguished. */
static bool next_text(const char **text, const Ranking *ranking, bool brief, Arena *arena, Error *err) {
    StatsDifference difference;
    *text = "";
    if (!ranking->next) return true;
    if (!series_compare(&difference, &ranking->best_cell, 1, ranking->next_cell, SERIES_PERPLEXITY,
                        STATS_BLOCK, STATS_RESAMPLES, arena, err))
        return false;
    bool tested = difference.seeds >= 2 && isfinite(difference.low),
         clear = difference.low > 0 || difference.high < 0;
    const char *next =
        arena_format(arena, "%s (%s)", ranking->next->name, series_cell_text(ranking->next_cell, arena));
    if (brief && (!tested || clear)) return true;
    if (brief)
        *text = arena_format(arena, " (not distinguishable from %s)", ranking->next->name);
    else if (!tested)
        *text = arena_format(arena, ", followed by %s", next);
    else if (!clear)
        *text = arena_format(arena, ", not distinguishable from %s (ratio %.3f, 95 %% interval %.3f to %.3f)",
                             next, exp(difference.nats), exp(difference.low), exp(difference.high));
    else
        *text = arena_format(arena, ", %.3f times that of the next, %s, 95 %% interval %.3f to %.3f",
                             exp(difference.nats), next, exp(difference.low), exp(difference.high));
    return true;
}

/* "ALiBi, 7.21" and the comparison with the next; NULL if no series has a result at this length. */
static bool best_at(const char **text, const Results *set, const Series *first, int64_t length, bool brief,
                    Arena *arena, Error *err) {
    const Ranking ranking = rank(set, first, length);
    const char *next;
    *text = NULL;
    if (!ranking.best) return true;
    if (!next_text(&next, &ranking, brief, arena, err)) return false;
    *text =
        arena_format(arena, "%s, %s%s", ranking.best->name, series_cell_text(ranking.best_cell, arena), next);
    return true;
}

/* --- tasks --- */

/* "Rotary 3; ALiBi 2; None no size" */
static const char *answers(const Results *set, const Series *first, Arena *arena) {
    const char *list = "";
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (!series_comparable(first, series)) continue;
        int64_t to = series_answers_to(series, arena);
        list = text_join(list, "; ",
                         to ? arena_format(arena, "%s %lld", series->label, (long long)to)
                            : arena_format(arena, "%s no size", series->label),
                         arena);
    }
    return list;
}

static const char *task_sentence(const Results *set, const Series *first, Arena *arena) {
    const char *best = NULL; /* all methods with the highest median */
    double highest = 0;
    int64_t largest = results_longest(set, first);
    for (int i = 0; i < set->count; i++) {
        const SeriesCell *cell = series_cell(&set->items[i], largest);
        if (!series_comparable(first, &set->items[i]) || !cell) continue;
        double median = series_spread(cell, SERIES_EXACT, arena).median;
        if (!(median > 0 && median >= highest)) continue;
        best = text_join(median > highest ? "" : best, ", ", set->items[i].label, arena);
        highest = median;
    }
    const char *conditions = series_conditions(first, set->items, set->count, arena);
    const char *trained = arena_format(arena, "Trained on sizes %lld to %lld of %s%s%s%s",
                                       (long long)first->train_low, (long long)first->train_high, first->task,
                                       *conditions ? " (" : "", conditions, *conditions ? ")" : "");
    const char *far = best ? arena_format(arena, "the highest median is %.1f %% (%s)", 100 * highest, best)
                           : "no method has a median above 0";
    return arena_format(
        arena,
        "%s. At least 90 %% of the examples are answered (median over seeds) up to size: %s. The "
        "largest size evaluated is %lld: %s.",
        trained, answers(set, first, arena), (long long)largest, far);
}

/* --- text --- */

/* Whether the series is the first of its training length, under the first protocol. */
static bool begins_length(const Results *set, int index) {
    return series_same_protocol(&set->items[index], &set->items[0]) &&
           results_is_first(set, index, series_comparable);
}

/* The best series at the training length, or at the longest evaluated length, for each training length. */
static bool bests(const char **list, const Results *set, bool at_longest, Arena *arena, Error *err) {
    int lengths = 0;
    *list = "";
    for (int i = 0; i < set->count; i++) lengths += begins_length(set, i);
    for (int i = 0; i < set->count; i++) {
        const Series *first = &set->items[i];
        const char *best;
        int64_t trained = first->train_length, longest = results_longest(set, first);
        if (!begins_length(set, i) || (at_longest && longest <= trained)) continue;
        if (!best_at(&best, set, first, at_longest ? longest : trained, lengths > 1, arena, err))
            return false;
        if (!best) continue;
        const char *where = at_longest ? arena_format(arena, "at %lld, trained at %lld", (long long)longest,
                                                      (long long)trained)
                                       : arena_format(arena, "trained at %lld", (long long)trained);
        *list = arena_format(arena, "%s%s%s: %s", *list, **list ? "; " : "", where, best);
    }
    return true;
}

static bool same_name(const Series *a, const Series *b) {
    return !strcmp(a->name, b->name) && series_same_protocol(a, b);
}

/* "1.5 L to 16 L": the multiples of the training length up to which a method stays within 5 %, over all
   training lengths; NULL if none is known. */
static const char *reach_text(const Results *set, const Series *series, Arena *arena) {
    double least = INFINITY, greatest = 0;
    bool all = true;
    for (int i = 0; i < set->count; i++) {
        const Series *other = &set->items[i];
        if (!same_name(series, other)) continue;
        const SeriesReach reach = series_reach(other);
        if (!reach.within) continue;
        double multiple = (double)reach.within / (double)other->train_length;
        least = fmin(least, multiple);
        greatest = fmax(greatest, multiple);
        all &= reach.within == reach.longest;
    }
    if (greatest <= 0) return NULL;
    const char *range = least < greatest ? arena_format(arena, "%.4g L to %.4g L", least, greatest)
                                         : arena_format(arena, "%.4g L", least);
    return arena_format(arena, "%s%s", range, all ? " (the longest evaluated)" : "");
}

/* Methods with the same multiples are listed together. */
static const char *reaches(const Results *set, Arena *arena) {
    const char **texts = NEW(arena, set->count, const char *), *list = "";
    for (int i = 0; i < set->count; i++)
        if (series_same_protocol(&set->items[i], &set->items[0]) && results_is_first(set, i, same_name))
            texts[i] = reach_text(set, &set->items[i], arena);
    for (int i = 0; i < set->count; i++) {
        const char *text = texts[i], *names = "";
        if (!text) continue;
        for (int k = i; k < set->count; k++) {
            if (!texts[k] || strcmp(texts[k], text) != 0) continue;
            names = text_join(names, ", ", set->items[k].name, arena);
            texts[k] = NULL;
        }
        list = text_join(list, "; ", arena_format(arena, "%s for %s", text, names), arena);
    }
    if (!*list) return NULL;
    return arena_format(arena, "Perplexity stays within 5 %% of that at the training length L up to: %s.",
                        list);
}

/* What was compared, in one sentence. */
static const char *compared(const Results *set, Arena *arena) {
    const char *names = "", *lengths = "";
    int count = 0, variants = 0, seeds = 0, fewest = 0;
    int64_t longest = 0;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i];
        if (series_same_protocol(series, &set->items[0]) && results_is_first(set, i, same_name)) {
            if (!*series->variant) names = text_join(names, ", ", series->name, arena);
            *(*series->variant ? &variants : &count) += 1;
        }
        if (begins_length(set, i))
            lengths = arena_format(arena, "%s%s%lld", lengths, *lengths ? ", " : "",
                                   (long long)series->train_length);
        for (int k = 0; k < series->count; k++) {
            if (series->cells[k].count && series->cells[k].length > longest)
                longest = series->cells[k].length;
            int requested = series->cells[k].seeds_requested;
            if (requested > seeds) seeds = requested;
            if (!fewest || requested < fewest) fewest = requested;
        }
    }
    const char *listed = count > 6 ? "" : arena_format(arena, " (%s)", names);
    const char *trials = seeds == 1
                             ? "one seed each: differences of a few percent can come from the seed"
                             : arena_format(arena, "%s%d seeds each", fewest < seeds ? "up to " : "", seeds);
    const char *changed =
        !variants ? "" : arena_format(arena, " and %d variant%s", variants, variants == 1 ? "" : "s");
    return arena_format(
        arena,
        "%d position method%s%s%s, trained on sequences of %s tokens, evaluated on up to %lld, with %s.",
        count, count == 1 ? "" : "s", listed, changed, lengths, (long long)longest, trials);
}

static const char *verdicts(const ClaimList *claims, Arena *arena) {
    const char *list = "";
    for (int v = 0; v < CLAIM_VERDICTS; v++)
        if (claims->counts[v])
            list = arena_format(arena, "%s%s%d %s", list, *list ? ", " : "", claims->counts[v],
                                claims_verdict_names[v]);
    return arena_format(arena, "Of its %d claim%s: %s.", claims->count, claims->count == 1 ? "" : "s", list);
}

/* The list with a capital letter and a full stop; NULL if it is empty. */
static const char *sentence(const char *list, Arena *arena) {
    return *list ? arena_format(arena, "%c%s.", *list - 'a' + 'A', list + 1) : NULL;
}

bool summary_answer(const Results *set, const ClaimList *claims, FILE *out, Arena *arena, Error *err) {
    const char *near, *far;
    if (!set->count) return fputs("<p>The experiment requests no evaluations.</p>\n", out), true;
    if (set->task) {
        fputs("<ol class=\"answer\">\n", out);
        for (int i = 0; i < set->count; i++)
            if (begins_length(set, i))
                html_put(out, "<li>%s</li>\n", task_sentence(set, &set->items[i], arena));
        fputs("</ol>\n", out);
        return true;
    }
    if (!bests(&near, set, false, arena, err) || !bests(&far, set, true, arena, err)) return false;
    const struct {
        const char *question, *answer;
    } lines[] = {
        {"What was compared?", compared(set, arena)},
        {"Which methods extrapolate?", reaches(set, arena)},
        {"Which has the lowest perplexity at its training length?", sentence(near, arena)},
        {"Which has the lowest at the longest length?", sentence(far, arena)},
        {"Are the paper's claims supported?", claims->count ? verdicts(claims, arena) : NULL},
    };
    fputs("<ol class=\"answer\">\n", out);
    for (int i = 0; i < COUNT_OF(lines); i++)
        if (lines[i].answer) html_put(out, "<li><b>%s</b> %s</li>\n", lines[i].question, lines[i].answer);
    fputs("</ol>\n", out);
    return true;
}

/* --- claims --- */

static const struct {
    const char *class, *sign;
} marks[CLAIM_VERDICTS] = {
    [CLAIM_SUPPORTED] = {"supported", "✓"},
    [CLAIM_CONTRADICTED] = {"contradicted", "✗"},
    [CLAIM_UNDECIDED] = {"undecided", "?"},
    [CLAIM_UNTESTED] = {"untested", "–"},
};

static void put_claim(const Results *set, const Claim *claim, FILE *out, Arena *arena) {
    html_put(
        out,
        "<section class=\"claim %s\">\n<span class=\"badge\">%s %s here%s</span>\n<h3>%s</h3>\n<p>%s</p>\n"
        "<p class=\"note\">The paper, %s%s%s</p>\n",
        marks[claim->verdict].class, marks[claim->verdict].sign, claims_verdict_names[claim->verdict],
        claim->seeds == 1 ? ", with one seed" : "", claim->text, claim->finding, claim->section,
        *claim->paper ? ": " : ".", claim->paper);
    if (claim->count) {
        html_put(out, "<details><summary>%d point%s</summary>\n", claim->count, claim->count == 1 ? "" : "s");
        html_table(analysis_points(set, claim, arena), "Points of this claim", out);
        fputs("</details>\n", out);
    }
    fputs("</section>\n", out);
}

void summary_claims(const Results *set, const ClaimList *claims, FILE *out, Arena *arena) {
    fputs("<ul class=\"tally\">\n", out);
    for (int v = 0; v < CLAIM_VERDICTS; v++)
        html_put(out, "<li class=\"%s\"><b>%s %d</b> %s</li>\n", marks[v].class, marks[v].sign,
                 claims->counts[v], claims_verdict_names[v]);
    fputs("</ul>\n<details>\n<summary>Each claim with its verdict</summary>\n", out);
    for (int i = 0; i < claims->count; i++) put_claim(set, &claims->items[i], out, arena);
    html_put(
        out,
        "<p class=\"note\">Claims and numbers of the paper: %s</p>\n<p class=\"note\">A point is a ratio at "
        "one length. Its interval is the range of the seeds; for perplexities on "
        "the same windows it is widened to the 95 %% interval of the paired bootstrap. With one seed it "
        "is 5 %% to both sides, which no test supports. It begins at 0 where the other method was "
        "trained on more tokens. Speeds of a bench have the quartiles of its rounds. Supported: at every "
        "point the whole interval is on the claim's side. Contradicted: at half of the points or more the "
        "whole interval is on the other side. Otherwise undecided. Claims are judged one by one, without "
        "correction for their number, on a model and a text far smaller than the paper's.</p>\n</details>\n",
        claims->source);
}
