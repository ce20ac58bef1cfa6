/* statement: how store.c, record.c, merge.c and speed.c talk to SQLite. Private to these.
 *
 * A statement is SQL with numbered places and an array of values for them. The last statement is kept
 * prepared, so that a loop over rows prepares once. Everything that writes more than one row is a
 * transaction:
 *
 *     if (!store_execute(store, err, "BEGIN IMMEDIATE")) return false;
 *     bool ok = STORE_RUN(store, err, "INSERT INTO t VALUES (?, ?)", value_text(a), value_whole(b)) && ...;
 *     return store_finish(store, err, ok);
 */
#ifndef POSLAB_STATEMENT_H
#define POSLAB_STATEMENT_H

#include "store/database.h"

/* Columns of `evaluation` that say which one it is, and the others; columns of `run` that training fills. */
#define EVALUATION_IS "run, split, protocol, length, stride, requested, precision, variant, variant_options"
#define EVALUATION_HAS                                                                                       \
    "status, nll_sum, tokens, windows, seconds, peak_bytes, finished, revision, host, cpu, blas, threads"
#define RUN_TRAINED                                                                                          \
    "revision, host, cpu, blas, threads, steps, diverged_step, train_tokens, train_seconds, final_loss, "    \
    "peak_bytes, machine, ranks, processor_seconds, load, settings"

typedef struct Value {
    enum { VALUE_TEXT, VALUE_WHOLE, VALUE_REAL } type;
    const char *text;
    int64_t whole;
    double real;
} Value;

static inline Value value_text(const char *text) { /* NULL is NULL */
    return (Value){.type = VALUE_TEXT, .text = text};
}

static inline Value value_whole(int64_t whole) {
    return (Value){.type = VALUE_WHOLE, .whole = whole};
}

static inline Value value_real(double real) { /* a number that is not finite is NULL */
    return (Value){.type = VALUE_REAL, .real = real};
}

/* Runs one statement that returns at most one row; the first column of that row goes to *result (if not
 * NULL). */
bool store_step(Store *store, Err *err, int64_t *result, const char *sql, const Value *values, int count);

#define STORE_VALUES(...)                  (Value[]){__VA_ARGS__}, COUNT_OF(((Value[]){__VA_ARGS__}))
#define STORE_RUN(store, err, sql, ...)    store_step(store, err, NULL, sql, STORE_VALUES(__VA_ARGS__))
#define STORE_GET(store, err, result, sql) store_step(store, err, result, sql, NULL, 0)

bool store_execute(Store *store, Err *err,
                   const char *sql);                /* statements without values, any number of them */
bool store_finish(Store *store, Err *err, bool ok); /* commits if ok, else takes everything back */
int64_t store_changes(const Store *store);          /* rows changed by the last statement */
Arena *store_arena(Store *store);                   /* lives until store_close */

const char *record_host(Arena *arena); /* this machine, by name; "unknown" */

#endif
