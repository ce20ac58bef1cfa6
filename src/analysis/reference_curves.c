#include "analysis/reference_curves.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

static bool same_setting(const ReferenceCurve *a, const ReferenceCurve *b) {
    return a->train_length == b->train_length && !strcmp(a->dataset, b->dataset) &&
           !strcmp(a->split, b->split);
}

static void add_number(ReferenceCurves *paper, Query *query, Arena *arena) {
    const ReferenceCurve wanted = {.source = query_text(query, 0),
                                   .dataset = query_text(query, 1),
                                   .split = query_text(query, 2),
                                   .method = query_text(query, 3),
                                   .train_length = query_int(query, 4)};
    ReferenceCurve *curve =
        paper->count ? &paper->items[paper->count - 1] : NULL; /* rows are ordered by curve */
    if (!curve || !same_setting(curve, &wanted) || strcmp(curve->method, wanted.method) ||
        strcmp(curve->source, wanted.source)) {
        curve = ARENA_PUSH(arena, paper->items, paper->count);
        *curve = wanted;
        const char **texts[] = {&curve->source, &curve->dataset, &curve->split, &curve->method};
        for (int i = 0; i < COUNT_OF(texts); i++) *texts[i] = arena_copy(arena, *texts[i]);
    }
    curve->lengths = arena_extend(arena, curve->lengths, (size_t)curve->count, sizeof *curve->lengths);
    curve->lengths[curve->count] = query_int(query, 5);
    *ARENA_PUSH(arena, curve->perplexities, curve->count) = query_real(query, 6);
}

/* Whether a curve begins at its training length, has further lengths, and is the longest (of equal ones the
   first) of its method and setting. */
static bool is_taken(const ReferenceCurves *paper, int index) {
    const ReferenceCurve *curve = &paper->items[index];
    if (curve->count < 2 || curve->lengths[0] != curve->train_length) return false;
    for (int i = 0; i < paper->count; i++) {
        const ReferenceCurve *other = &paper->items[i];
        if (i == index || !same_setting(other, curve) || strcmp(other->method, curve->method)) continue;
        if (other->count > curve->count || (other->count == curve->count && i < index)) return false;
    }
    return true;
}

/* Keeps the curves that are wanted, sorted by training length (stable). */
static void keep(ReferenceCurves *paper, bool (*wanted)(const ReferenceCurves *, int), Arena *arena) {
    ReferenceCurve *kept = NEW(arena, paper->count, ReferenceCurve);
    int count = 0;
    for (int i = 0; i < paper->count; i++) {
        if (!wanted(paper, i)) continue;
        int place = count++;
        for (; place > 0 && kept[place - 1].train_length > paper->items[i].train_length; place--)
            kept[place] = kept[place - 1];
        kept[place] = paper->items[i];
    }
    paper->items = kept;
    paper->count = count;
}

static int methods_of_setting(const ReferenceCurves *paper, const ReferenceCurve *curve) {
    int methods = 0;
    for (int i = 0; i < paper->count; i++) methods += same_setting(&paper->items[i], curve);
    return methods;
}

static bool has_most_methods(const ReferenceCurves *paper, int index) {
    int methods = methods_of_setting(paper, &paper->items[index]);
    for (int i = 0; i < paper->count; i++)
        if (methods_of_setting(paper, &paper->items[i]) > methods) return false;
    return true;
}

static const char *list_sources(const ReferenceCurves *paper, Arena *arena) {
    const char *list = "";
    for (int i = 0; i < paper->count; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= !strcmp(paper->items[k].source, paper->items[i].source);
        if (!seen) list = text_join(list, "; ", paper->items[i].source, arena);
    }
    return list;
}

const ReferenceCurves *reference_curves_read(Database *store, const char *experiment, Arena *arena,
                                             Error *err) {
    ReferenceCurves *paper = NEW(arena, 1, ReferenceCurves);
    const char *last = "";
    Query *query =
        query_begin(store,
                    "SELECT source, coalesce(dataset, ''), coalesce(split, ''), method, train_length,"
                    " eval_length, value, quantity = 'perplexity' AND value > 0"
                    " AND stride = eval_length AND eval_length >= train_length FROM reference WHERE method IN"
                    " (SELECT method_name FROM outcome WHERE experiment = ?)"
                    " ORDER BY source, dataset, split, train_length, method, eval_length",
                    (const char *const[]){experiment, NULL});
    paper->sources = "";
    while (query_next(query)) {
        if (strcmp(last, query_text(query, 0))) {
            last = arena_copy(arena, query_text(query, 0));
            paper->sources = text_join(paper->sources, "; ", last, arena);
        }
        if (query_int(query, 7)) add_number(paper, query, arena);
    }
    return query_end(query, err) ? paper : NULL;
}

const ReferenceCurves *reference_curves_choose(const ReferenceCurves *all, Arena *arena) {
    ReferenceCurves *paper = NEW(arena, 1, ReferenceCurves);
    *paper = *all;
    keep(paper, is_taken, arena);
    keep(paper, has_most_methods, arena);
    paper->sources = list_sources(paper, arena);
    return paper;
}

double reference_curves_at(const ReferenceCurve *curve, double multiple, bool *between) {
    double length = multiple * (double)curve->train_length;
    *between = false;
    for (int i = 0; i < curve->count; i++)
        if (fabs((double)curve->lengths[i] / length - 1) < 1e-3) return curve->perplexities[i];
    for (int i = 0; i + 1 < curve->count; i++) {
        double from = (double)curve->lengths[i], to = (double)curve->lengths[i + 1];
        if (length < from || length > to) continue;
        double share = log(length / from) / log(to / from);
        *between = true;
        return exp((1 - share) * log(curve->perplexities[i]) + share * log(curve->perplexities[i + 1]));
    }
    return NAN;
}
