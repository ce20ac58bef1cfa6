/* internal: statements and transactions, for the files of store/. The bodies are in store/query.c.
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

#include <sqlite3.h>

#include "store/query.h"

struct Database {
    Arena *arena;
    sqlite3 *db;
    const char *path;
    sqlite3_stmt *statement; /* the one kept prepared; NULL at first */
    Query *queries;          /* of store/query.c; NULL at first */
    QueryWait wait;
    bool in_memory; /* an old database that could only be read, brought up to date */
    double waiting; /* when the wait began */
    bool announced, stopped;
};

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

/* A row is a list of columns with their values. Runs "BEFORE (names) BETWEEN (values) AFTER"; *result as with
   database_step. An INSERT leaves columns that are not named NULL or with their default. */
typedef struct DatabaseColumn {
    const char *name;
    DatabaseValue value;
} DatabaseColumn;
bool database_row(Database *store, Error *err, int64_t *result, const char *before, const char *between,
                  const char *after, const DatabaseColumn *row, int count);

#define DATABASE_ROW(...) (DatabaseColumn[]){__VA_ARGS__}, COUNT_OF(((DatabaseColumn[]){__VA_ARGS__}))
#define DATABASE_INSERT(store, err, table, conflict, ...)                                                    \
    database_row(store, err, NULL, "INSERT INTO " table, " VALUES ", " " conflict, DATABASE_ROW(__VA_ARGS__))

/* The columns that say what made a result. */
#define DATABASE_ORIGIN(arena, made_by, thread_count)                                                        \
    {"revision", database_text(made_by)}, {"host", database_text(runs_host_name(arena))},                    \
        {"cpu", database_text(hardware_cpu(arena))}, {"blas", database_text(blas_name())}, {                 \
        "threads", database_int(thread_count)                                                                \
    }

const char *database_now(Arena *arena); /* the time, UTC in ISO 8601 */

/* The last error of SQLite as an Error; returns false. */
bool database_fail(Database *store, Error *err);

/* Whether the schema is that of SCHEMA_VERSION; else EXIT_DAMAGED. */
bool database_check_schema(Database *store, Error *err);

/* SQLite's busy handler (user: the Database): whether to try again. A lock that is held for longer than a
 * moment is announced. */
int database_wait(void *user, int attempt);

void database_free_queries(Database *store); /* those that were not ended */
/* Takes from the database at `path`, attached as `theirs`: `import` is called in one transaction. Errors call
   it "WHAT 'PATH'". */
typedef bool DatabaseImport(Database *store, void *user, Error *err);
bool database_import(Database *store, const char *path, const char *what, DatabaseImport *import, void *user,
                     Error *err);

bool database_execute(Database *store, Error *err,
                      const char *sql); /* statements without values, any number of them */
bool database_finish(Database *store, Error *err, bool ok); /* commits if ok, else takes everything back */
int64_t database_changes(const Database *store);            /* rows changed by the last statement */
Arena *database_arena(Database *store);                     /* lives until database_close */

/* Calls `problem` with a line for each number that is not what other columns determine. Fails only if the
   database cannot be read. */
bool integrity_numbers(Database *store, void (*problem)(void *user, const char *text), void *user,
                       Arena *arena, Error *err);

/* A method that a run's config names and no file of methods/ has; NULL: all are here. */
const char *integrity_numbers_missing_method(const char *config, Arena *arena);

const char *runs_host_name(Arena *arena); /* this machine, by name; "unknown" */

#endif
