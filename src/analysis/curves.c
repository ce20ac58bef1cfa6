/* curves: rows of the view `outcome` are in the order of the config; each is assigned to its curve and cell.
 */
#include "analysis/curves.h"

#include <math.h>
#include <string.h>

#include "math/linear.h"

static const char *const outcome_names[] = {"done",        "diverged", "failed", "beyond_limit",
                                            "beyond_text", "missing",  NULL};

int curves_seeds_requested(const CurveCell *cell) {
    int seeds = 0;
    for (int i = 0; i < OUTCOME_COUNT; i++) seeds += cell->seeds[i];
    return seeds;
}

bool curves_same_protocol(const Curve *a, const Curve *b) {
    return !strcmp(a->split, b->split) && !strcmp(a->protocol, b->protocol) &&
           !strcmp(a->stride_rule, b->stride_rule) && a->requested == b->requested &&
           !strcmp(a->precision, b->precision);
}

const char *curves_protocol(const Curve *curve, Arena *arena) {
    const char *text = arena_format(arena, "%s, %s", curve->split, curve->protocol);
    if (strcmp(curve->stride_rule, "L")) text = arena_format(arena, "%s %s", text, curve->stride_rule);
    const char *end = strcmp(curve->protocol, "last_n") ? "first" : "last";
    if (curve->targets && curve->targets < curve->requested)
        text = arena_format(arena, "%s, %lld targets (%lld requested)", text, (long long)curve->targets,
                            (long long)curve->requested);
    else if (curve->requested)
        text = arena_format(arena, "%s, %s %lld targets", text, end, (long long)curve->requested);
    if (strcmp(curve->precision, precision_names[0]))
        text = arena_format(arena, "%s, %s", text, curve->precision);
    return text;
}

static bool same_curve(const Curve *a, const Curve *b) {
    return !strcmp(a->name, b->name) && a->train_length == b->train_length && curves_same_protocol(a, b);
}

/* The curve that equals `wanted`, added with copies of its texts if it is new. */
static Curve *find_curve(Curves *curves, const Curve *wanted, Arena *arena) {
    for (int i = 0; i < curves->count; i++)
        if (same_curve(&curves->items[i], wanted)) return &curves->items[i];
    Curve *curve = ARENA_PUSH(arena, curves->items, curves->count);
    *curve = *wanted;
    curve->name = arena_copy(arena, wanted->name);
    curve->split = arena_copy(arena, wanted->split);
    curve->protocol = arena_copy(arena, wanted->protocol);
    curve->stride_rule = arena_copy(arena, wanted->stride_rule);
    curve->precision = arena_copy(arena, wanted->precision);
    curve->cells = NEW(arena, curves->length_count, CurveCell);
    return curve;
}

/* Adds one seed. Mean and sum of squared differences (in `deviation` until all are in) as Welford does. */
static void add_seed(CurveCell *cell, const char *outcome, double perplexity) {
    CurveOutcome kind = OUTCOME_DONE;
    while (kind < OUTCOME_COUNT && strcmp(outcome_names[kind], outcome)) kind++;
    if (kind == OUTCOME_COUNT) BUG("unknown outcome '%s'", outcome);
    int n = ++cell->seeds[kind];
    if (kind != OUTCOME_DONE) return;
    double difference = perplexity - cell->mean;
    cell->mean += difference / n;
    cell->deviation += difference * (perplexity - cell->mean);
    cell->low = n == 1 ? perplexity : fmin(cell->low, perplexity);
    cell->high = n == 1 ? perplexity : fmax(cell->high, perplexity);
}

static void finish_cells(Curves *curves) {
    for (int i = 0; i < curves->count; i++)
        for (int k = 0; k < curves->length_count; k++) {
            CurveCell *cell = &curves->items[i].cells[k];
            int n = cell->seeds[OUTCOME_DONE];
            cell->deviation = n > 1 ? sqrt(cell->deviation / (n - 1)) : 0;
        }
}

static void count_protocols(Curves *curves) {
    for (int i = 0; i < curves->count; i++) {
        bool seen = false;
        for (int k = 0; k < i; k++) seen |= curves_same_protocol(&curves->items[k], &curves->items[i]);
        curves->protocols += !seen;
    }
}

static bool read_lengths(Curves *curves, Database *store, const char *const *experiment, Arena *arena,
                         Error *err) {
    Query *query = query_begin(
        store, "SELECT DISTINCT eval_length FROM outcome WHERE experiment = ? ORDER BY eval_length",
        experiment);
    while (query_next(query)) *ARENA_PUSH(arena, curves->lengths, curves->length_count) = query_int(query, 0);
    return query_end(query, err);
}

static bool read_cells(Curves *curves, Database *store, const char *const *experiment, Arena *arena,
                       Error *err) {
    Query *query =
        query_begin(store,
                    "SELECT " CURVES_NAME ", split, protocol, stride_rule, train_length, requested,"
                    " position_parameters, eval_length, outcome, perplexity, eval_precision, tokens"
                    " FROM outcome WHERE experiment = ?"
                    " ORDER BY ordinal, eval_variant, split DESC, protocol, stride_rule, requested,"
                    " eval_precision DESC",
                    experiment);
    while (query_next(query)) {
        const Curve wanted = {.name = query_text(query, 0),
                              .split = query_text(query, 1),
                              .protocol = query_text(query, 2),
                              .stride_rule = query_text(query, 3),
                              .train_length = query_int(query, 4),
                              .requested = query_int(query, 5),
                              .position_parameters = query_int(query, 6),
                              .precision = query_text(query, 10)};
        Curve *curve = find_curve(curves, &wanted, arena);
        if (query_int(query, 11) > curve->targets) curve->targets = query_int(query, 11);
        int column = 0;
        while (column < curves->length_count && curves->lengths[column] != query_int(query, 7)) column++;
        if (column < curves->length_count)
            add_seed(&curve->cells[column], query_text(query, 8), query_real(query, 9));
    }
    return query_end(query, err);
}

const char *curves_signature(Database *store, const char *experiment, const char *evaluations, Arena *arena,
                             Error *err) {
    const char *signature = "";
    const char *const parameters[] = {experiment, evaluations, NULL};
    Query *query =
        query_begin(store,
                    "WITH shown AS (SELECT * FROM outcome WHERE experiment = ?1"
                    "   AND (?2 IS NULL OR evaluation IN (SELECT value FROM json_each(?2))))"
                    "SELECT 'tokenizer=' || group_concat(DISTINCT tokenizer)"
                    " || ' corpus=' || group_concat(DISTINCT substr(corpus, 1, 12))"
                    " || ' split=' || group_concat(DISTINCT split)"
                    " || ' protocol=' || group_concat(DISTINCT protocol)"
                    " || ' stride=' || group_concat(DISTINCT replace(stride_rule, ' ', ''))"
                    " || ' targets=' || coalesce(group_concat(DISTINCT nullif(tokens, 0)), '-')"
                    " || ' precision=' || group_concat(DISTINCT eval_precision)"
                    " || ' seeds=' || count(DISTINCT seed)"
                    " || ' poslab=' || coalesce(group_concat(DISTINCT revision), '-')"
                    " || coalesce((SELECT iif(count(DISTINCT tokens) > 1,"
                    "     ' train.tokens=' || group_concat(budget), '')"
                    "   FROM (SELECT DISTINCT json_extract(config, '$.train.tokens') AS tokens,"
                    "       json_extract(config, '$.train.tokens') || '@' || train_length AS budget"
                    "     FROM run WHERE key IN (SELECT run_key FROM shown)"
                    "     ORDER BY train_length, tokens)), '')"
                    " || coalesce((SELECT ' resumed-in-another-environment=' || group_concat(key)"
                    "   FROM (SELECT key FROM run WHERE settings IS NOT NULL"
                    "     AND key IN (SELECT run_key FROM shown) ORDER BY key)), '')"
                    " FROM shown",
                    parameters);
    if (query_next(query)) signature = arena_copy(arena, query_text(query, 0));
    return query_end(query, err) ? signature : NULL;
}

Curves *curves_read(Database *store, const char *experiment, Arena *arena, Error *err) {
    Curves *curves = NEW(arena, 1, Curves);
    const char *const parameters[] = {experiment, NULL};
    curves->experiment = arena_copy(arena, experiment);
    curves->signature = curves_signature(store, experiment, NULL, arena, err);
    if (!curves->signature || !read_lengths(curves, store, parameters, arena, err) ||
        !read_cells(curves, store, parameters, arena, err))
        return NULL;
    finish_cells(curves);
    count_protocols(curves);
    return curves;
}
