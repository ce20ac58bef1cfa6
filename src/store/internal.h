/* internal: statements and transactions, for the files of store/; most are implemented in store/query.c.
 *
 * A statement is SQL with numbered parameters and an array of their values. The last statement stays
 * prepared, so a loop over rows prepares its statement once. Code that writes more than one row uses a
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
    sqlite3_stmt *statement; /* the last statement, kept prepared; NULL at first */
    Query *queries;          /* the queries of store/query.c; NULL at first */
    QueryWait wait;
    bool in_memory;          /* `db` is a migrated copy of a read-only file */
    double waiting;          /* clock_now when the current wait for a lock began */
    bool announced, stopped; /* during this wait: a message was shown; go_on returned false */
    int lock;                /* descriptor of DATABASE.lock; 0: not held */
};

/* The remedy in errors about a damaged file. */
#define DATABASE_REMEDY "; restore a copy of it, or move it away and rerun `poslab run`"

typedef struct DatabaseValue {
    enum { DATABASE_TEXT, DATABASE_INT, DATABASE_REAL } type;
    const char *text;
    int64_t whole;
    double real;
} DatabaseValue;

static inline DatabaseValue database_text(const char *text) { /* NULL becomes SQL NULL */
    return (DatabaseValue){.type = DATABASE_TEXT, .text = text};
}

static inline DatabaseValue database_int(int64_t whole) {
    return (DatabaseValue){.type = DATABASE_INT, .whole = whole};
}

static inline DatabaseValue database_real(double real) { /* a number that is not finite becomes SQL NULL */
    return (DatabaseValue){.type = DATABASE_REAL, .real = real};
}

/* Runs a statement that returns at most one row. If `result` is not NULL, the first column of the row is
   stored in *result, which is unchanged without a row. */
bool database_step(Database *store, Error *err, int64_t *result, const char *sql, const DatabaseValue *values,
                   int count);

#define DATABASE_VALUES(...)                  (DatabaseValue[]){__VA_ARGS__}, COUNT_OF(((DatabaseValue[]){__VA_ARGS__}))
#define DATABASE_RUN(store, err, sql, ...)    database_step(store, err, NULL, sql, DATABASE_VALUES(__VA_ARGS__))
#define DATABASE_GET(store, err, result, sql) database_step(store, err, result, sql, NULL, 0)

typedef struct DatabaseColumn {
    const char *name;
    DatabaseValue value;
} DatabaseColumn;

/* Runs the statement "BEFORE (names) BETWEEN (values) AFTER" with the columns of `row`. `result` is that of
   database_step. INSERT gives columns that are not in the row their default or NULL. */
bool database_row(Database *store, Error *err, int64_t *result, const char *before, const char *between,
                  const char *after, const DatabaseColumn *row, int count);

#define DATABASE_ROW(...) (DatabaseColumn[]){__VA_ARGS__}, COUNT_OF(((DatabaseColumn[]){__VA_ARGS__}))
#define DATABASE_INSERT(store, err, table, conflict, ...)                                                    \
    database_row(store, err, NULL, "INSERT INTO " table, " VALUES ", " " conflict, DATABASE_ROW(__VA_ARGS__))

/* The columns that record the program and the machine that produced a result. */
#define DATABASE_ORIGIN(arena, made_by, thread_count)                                                        \
    {"revision", database_text(made_by)}, {"host", database_text(runs_host_name(arena))},                    \
        {"cpu", database_text(hardware_cpu(arena))}, {"blas", database_text(blas_name())}, {                 \
        "threads", database_int(thread_count)                                                                \
    }

const char *database_now(Arena *arena); /* the current time, UTC in ISO 8601 */

/* Sets err to the last error of SQLite; returns false. */
bool database_fail(Database *store, Error *err);

enum { DATABASE_APPLICATION = 0x706F736C }; /* application_id of a poslab database: "posl" */

/* Reads the application_id of a file and, in *version, its user_version, without SQLite. Returns 0 if the
   file is not an SQLite database, or cannot be read; errno is then set. */
uint32_t database_identity(const char *path, uint32_t *version);

/* The path as passed to SQLite: a relative path gets the prefix "./", because SQLite interprets names such as
   ":memory:" and "". */
const char *database_file(const char *path, Arena *arena);

/* Checks that the schema is that of SCHEMA_VERSION (EXIT_DAMAGED). */
bool database_check_schema(Database *store, Error *err);

/* The busy handler of SQLite; `user` is the Database. Returns whether SQLite tries again. After some seconds
   it shows a message. */
int database_wait(void *user, int attempt);

void database_free_queries(Database *store); /* frees the queries that were not ended */

/* Attaches the database at `path` as `theirs` and calls `import` in one transaction. Errors name the file as
   "WHAT 'PATH'". */
typedef bool DatabaseImport(Database *store, void *user, Error *err);
bool database_import(Database *store, const char *path, const char *what, DatabaseImport *import, void *user,
                     Error *err);

bool database_execute(Database *store, Error *err,
                      const char *sql);                     /* any number of statements without parameters */
bool database_finish(Database *store, Error *err, bool ok); /* commits if ok, otherwise rolls back */
int64_t database_changes(const Database *store);            /* rows changed by the last statement */
Arena *database_arena(Database *store);                     /* freed by database_close */

/* Calls `problem` with a line for each number that differs from the one that other columns determine. Fails
   only if the database cannot be read. */
bool integrity_numbers(Database *store, void (*problem)(void *user, const char *text), void *user,
                       Arena *arena, Error *err);

/* The first method named in a run's config that has no file in methods/; NULL if all have files. */
const char *integrity_numbers_missing_method(const char *config, Arena *arena);

const char *runs_host_name(Arena *arena); /* the name of this machine, or "unknown" */

#endif
