/* integrity_values: one query per table tells whether any value breaks its rule; only then one query per
 * column tells which.
 */
#include "store/integrity_values.h"

#include <string.h>

#include "base/json.h"
#include "store/internal.h"

typedef struct Rule {
    const char *column, *holds /* SQL */, *must;
} Rule;

typedef struct TableRule {
    const char *name, *key; /* key: SQL for the name of a row */
    const Rule *rules;
    int count;
} TableRule;

#define WHOLE(c, low, high)                                                                                  \
    {                                                                                                        \
        c, "typeof(\"" c "\") = 'integer' AND \"" c "\" BETWEEN " low " AND " high,                          \
            "a whole number from " low " to " high                                                           \
    }
#define WHOLE_OR_NULL(c, low, high)                                                                          \
    {                                                                                                        \
        c, "\"" c "\" IS NULL OR typeof(\"" c "\") = 'integer' AND \"" c "\" BETWEEN " low " AND " high,     \
            "NULL or a whole number from " low " to " high                                                   \
    }
#define LARGEST          "1000000000000000" /* 1e15: a double holds it, and thousands of them can be added up */
#define COUNT(c)         WHOLE(c, "0", LARGEST)
#define COUNT_OR_NULL(c) WHOLE_OR_NULL(c, "0", LARGEST)
#define LENGTH(c)        WHOLE(c, "1", "1000000000")
#define FINITE(c)        "typeof(\"" c "\") = 'real' AND abs(\"" c "\") < 1e300"
#define REAL(c)                                                                                              \
    { c, FINITE(c), "a finite number" }
#define REAL_OR_NULL(c)                                                                                      \
    { c, "\"" c "\" IS NULL OR " FINITE(c), "NULL or a finite number" }
#define POSITIVE(c)                                                                                          \
    { c, FINITE(c) " AND \"" c "\" >= 0", "a finite number, not negative" }
#define POSITIVE_OR_NULL(c)                                                                                  \
    { c, "\"" c "\" IS NULL OR " FINITE(c) " AND \"" c "\" >= 0", "NULL or a finite number, not negative" }
#define TEXT(c)                                                                                              \
    { c, "typeof(\"" c "\") = 'text'", "text" }
#define TEXT_OR_NULL(c)                                                                                      \
    { c, "typeof(\"" c "\") IN ('text', 'null')", "NULL or text" }
#define IS_OBJECT(c)                                                                                         \
    "typeof(\"" c "\") = 'text' AND iif(json_valid(\"" c "\"), json_type(\"" c "\") = 'object', 0)"
#define OBJECT(c)                                                                                            \
    { c, IS_OBJECT(c), "a JSON object" }
#define OBJECT_OR_NULL(c)                                                                                    \
    { c, "\"" c "\" IS NULL OR " IS_OBJECT(c), "NULL or a JSON object" }
#define ONE_OF(c, list)                                                                                      \
    { c, "\"" c "\" IN (" list ")", "one of " list }
#define STRIDE                                                                                               \
    { "stride", "typeof(stride) = 'integer' AND stride BETWEEN 1 AND length", "from 1 to the length" }

static const Rule experiment[] = {TEXT("name"), OBJECT("config"), TEXT("created")};
static const Rule corpus[] = {
    TEXT("hash"),
    TEXT("tokenizer"),
    LENGTH("vocabulary"),
    COUNT("train_tokens"),
    COUNT("valid_tokens"),
    COUNT("test_tokens"),
    COUNT("documents"),
    {"bytes_per_token", "bytes_per_token IS NULL OR " FINITE("bytes_per_token") " AND bytes_per_token > 0",
     "NULL or a finite number above 0"},
};
static const Rule run[] = {
    TEXT("key"),
    TEXT("method"),
    OBJECT("method_options"),
    TEXT("label"),
    LENGTH("train_length"),
    WHOLE("seed", "0", "9007199254740992"),
    COUNT("parameters"),
    COUNT("position_parameters"),
    ONE_OF("status", "'pending', 'running', 'done', 'diverged', 'failed'"),
    TEXT_OR_NULL("reason"),
    OBJECT("config"),
    TEXT_OR_NULL("started"),
    TEXT_OR_NULL("finished"),
    TEXT_OR_NULL("revision"),
    TEXT_OR_NULL("host"),
    TEXT_OR_NULL("cpu"),
    TEXT_OR_NULL("blas"),
    COUNT_OR_NULL("threads"),
    COUNT_OR_NULL("steps"),
    COUNT_OR_NULL("diverged_step"),
    COUNT_OR_NULL("train_tokens"),
    POSITIVE_OR_NULL("train_seconds"),
    REAL_OR_NULL("final_loss"),
    COUNT_OR_NULL("peak_bytes"),
    OBJECT_OR_NULL("machine"),
    COUNT_OR_NULL("ranks"),
    POSITIVE_OR_NULL("processor_seconds"),
    POSITIVE_OR_NULL("load"),
    TEXT_OR_NULL("settings"),
};
static const Rule point[] = {WHOLE("ordinal", "0", "2147483647"), TEXT("run"), TEXT("variant")};
static const Rule request[] = {
    TEXT("run"),
    TEXT("split"),
    TEXT("protocol"),
    TEXT("stride_rule"),
    LENGTH("length"),
    COUNT("requested"),
    TEXT("precision"),
    TEXT("variant"),
    OBJECT("variant_options"),
    STRIDE,
    ONE_OF("added", "0, 1"),
};
static const Rule train_log[] = {
    TEXT("run"), COUNT("step"), REAL_OR_NULL("loss"), REAL_OR_NULL("rate"), REAL_OR_NULL("norm"),
};
static const Rule evaluation[] = {
    TEXT("run"),
    TEXT("split"),
    TEXT("protocol"),
    LENGTH("length"),
    STRIDE,
    COUNT("requested"),
    ONE_OF("status", "'done', 'beyond_limit'"),
    REAL_OR_NULL("nll_sum"),
    COUNT("tokens"),
    COUNT("windows"),
    POSITIVE_OR_NULL("seconds"),
    COUNT_OR_NULL("peak_bytes"),
    TEXT("finished"),
    TEXT("revision"),
    TEXT("host"),
    TEXT("cpu"),
    TEXT("blas"),
    COUNT("threads"),
    TEXT("precision"),
    TEXT("variant"),
    OBJECT("variant_options"),
};
static const Rule evaluation_window[] = {
    WHOLE("window", "0", "2147483647"),
    REAL_OR_NULL("nll_sum"),
    LENGTH("tokens"),
};
static const Rule position_loss[] = {
    WHOLE("bin", "0", "1000"),
    WHOLE("first", "0", "1000000000"),
    WHOLE("last", "0", "1000000000"),
    REAL_OR_NULL("nll_sum"),
    COUNT("tokens"),
};
static const Rule reference[] = {
    TEXT("source"),          TEXT_OR_NULL("dataset"), TEXT_OR_NULL("split"),
    TEXT("method"),          LENGTH("train_length"),  COUNT_OR_NULL("eval_length"),
    COUNT_OR_NULL("stride"), TEXT("quantity"),        REAL("value"),
};
static const Rule bench[] = {
    TEXT("created"),
    TEXT("revision"),
    TEXT("host"),
    TEXT("cpu"),
    TEXT("blas"),
    OBJECT_OR_NULL("machine"),
    COUNT("threads"),
    TEXT("precision"),
    OBJECT("config"),
    TEXT("reference"),
    POSITIVE_OR_NULL("gemm_rate"),
};
static const Rule bench_result[] = {
    TEXT("method"),
    TEXT("label"),
    LENGTH("length"),
    ONE_OF("phase", "'train', 'evaluate'"),
    POSITIVE("tokens_per_second"),
    POSITIVE("tokens_per_second_low"),
    POSITIVE("tokens_per_second_high"),
    POSITIVE("flops_per_second"),
    POSITIVE("share"),
    POSITIVE("ratio"),
    POSITIVE("ratio_low"),
    POSITIVE("ratio_high"),
    COUNT("peak_bytes"),
};

#define TABLE(name, key)                                                                                     \
    { #name, key, name, COUNT_OF(name) }
static const TableRule tables[] = {
    TABLE(experiment, "id"),
    TABLE(corpus, "id"),
    TABLE(run, "key"),
    TABLE(point, "experiment || ', ' || ordinal"),
    TABLE(request, "experiment || ', ' || run || ', ' || split || ', ' || protocol || ', ' || length"),
    TABLE(train_log, "run || ', ' || step"),
    TABLE(evaluation, "id"),
    TABLE(evaluation_window, "evaluation || ', ' || \"window\""),
    TABLE(position_loss, "evaluation || ', ' || bin"),
    TABLE(reference, "rowid"),
    TABLE(bench, "id"),
    TABLE(bench_result, "bench || ', ' || method || ', ' || length || ', ' || phase"),
};

/* Whether all values of the table obey its rules; false, too, if it cannot be read. */
static bool obeys(Database *store, const TableRule *table, Arena *arena, Error *err) {
    const char *all = "1";
    for (int i = 0; i < table->count; i++)
        all = arena_format(arena, "%s AND (%s)", all, table->rules[i].holds);
    Query *query = query_begin(
        store, arena_format(arena, "SELECT 1 FROM %s WHERE (%s) IS NOT 1 LIMIT 1", table->name, all), NULL);
    bool broken = query_next(query);
    err->code = EXIT_DONE;
    return query_end(query, err) && !broken;
}

static bool each_of_table(Database *store, const TableRule *table, void (*found)(void *, const char *),
                          void *user, Arena *arena, Error *err) {
    for (int i = 0; i < table->count; i++) {
        const Rule *rule = &table->rules[i];
        const char *sql =
            arena_format(arena, "SELECT %s, quote(substr(\"%s\", 1, 100)) FROM %s WHERE (%s) IS NOT 1",
                         table->key, rule->column, table->name, rule->holds);
        Query *query = query_begin(store, sql, NULL);
        while (query_next(query)) {
            ArenaMark mark = arena_mark(arena);
            char key[JSON_EXCERPT_SIZE], value[JSON_EXCERPT_SIZE];
            found(user, arena_format(arena, "table %s, row %s: '%s' must be %s, got %s", table->name,
                                     json_excerpt_text(query_text(query, 0), key), rule->column, rule->must,
                                     json_excerpt_text(query_text(query, 1), value)));
            arena_release(arena, mark);
        }
        if (!query_end(query, err)) return false;
    }
    return true;
}

bool integrity_values_each(Database *store, void (*found)(void *user, const char *line), void *user,
                           Error *err) {
    Arena *arena = arena_new(0);
    bool fine = true;
    for (int i = 0; fine && i < COUNT_OF(tables); i++) {
        ArenaMark mark = arena_mark(arena);
        fine = obeys(store, &tables[i], arena, err) ||
               (!err->code && each_of_table(store, &tables[i], found, user, arena, err));
        arena_release(arena, mark);
    }
    arena_free(arena);
    return fine;
}

typedef struct First {
    Database *store;
    bool found;
    Error *err;
} First;

static void take_first(void *user, const char *line) {
    First *first = user;
    if (!first->found)
        error_set(first->err, EXIT_DAMAGED,
                  "database '%s' is damaged: %s; `poslab check` lists what else is wrong", first->store->path,
                  line);
    first->found = true;
}

bool integrity_values_check(Database *store, Error *err) {
    First first = {.store = store, .err = err};
    Error failure;
    if (!integrity_values_each(store, take_first, &first, &failure) && !first.found)
        return *err = failure, false;
    return !first.found;
}
