/* internal: statements and transactions, for the files of store/.
 *
 * A statement is SQL with numbered parameters and an array of values for them. The last statement is kept
 * prepared, so that a loop over rows prepares once. Everything that writes more than one row is a
 * transaction:
 *
 *     if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
 *     bool ok = DATABASE_RUN(store, err, "INSERT INTO t VALUES (?, ?)", database_text(a), database_int(b));
 *     return database_finish(store, err, ok);
 */
#ifndef POSLAB_STORE_INTERNAL_H
#define POSLAB_STORE_INTERNAL_H

#include "store/database.h"

/* Columns of `evaluation` that say which one it is, and the others; columns of `run` that training fills. */
#define EVALUATION_KEY_COLUMNS                                                                               \
    "run, split, protocol, length, stride, requested, precision, variant, variant_options"
#define EVALUATION_VALUE_COLUMNS                                                                             \
    "status, nll_sum, tokens, windows, seconds, peak_bytes, finished, revision, host, cpu, blas, threads"
#define RUN_TRAINING_COLUMNS                                                                                 \
    "revision, host, cpu, blas, threads, steps, diverged_step, train_tokens, train_seconds, final_loss, "    \
    "peak_bytes, machine, ranks, processor_seconds, load, settings"

typedef struct DatabaseValue {
    enum { DATABASE_TEXT, DATABASE_INT, DATABASE_REAL } type;
    const char *text;
    int64_t whole;
    double real;
} DatabaseValue;

static inline DatabaseValue database_text(const char *text) { /* NULL is NULL */
    return (DatabaseValue){.type = DATABASE_TEXT, .text = text};
}

static inline DatabaseValue database_int(int64_t whole) {
    return (DatabaseValue){.type = DATABASE_INT, .whole = whole};
}

static inline DatabaseValue database_real(double real) { /* a number that is not finite is NULL */
    return (DatabaseValue){.type = DATABASE_REAL, .real = real};
}

/* Runs one statement that returns at most one row; the first column of that row goes to *result (if not
 * NULL). */
bool database_step(Database *store, Error *err, int64_t *result, const char *sql, const DatabaseValue *values,
                   int count);

#define DATABASE_VALUES(...)                  (DatabaseValue[]){__VA_ARGS__}, COUNT_OF(((DatabaseValue[]){__VA_ARGS__}))
#define DATABASE_RUN(store, err, sql, ...)    database_step(store, err, NULL, sql, DATABASE_VALUES(__VA_ARGS__))
#define DATABASE_GET(store, err, result, sql) database_step(store, err, result, sql, NULL, 0)

bool database_execute(Database *store, Error *err,
                      const char *sql); /* statements without values, any number of them */
bool database_finish(Database *store, Error *err, bool ok); /* commits if ok, else takes everything back */
int64_t database_changes(const Database *store);            /* rows changed by the last statement */
Arena *database_arena(Database *store);                     /* lives until database_close */

const char *runs_host_name(Arena *arena); /* this machine, by name; "unknown" */

#endif
