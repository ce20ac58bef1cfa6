/* database: opening, statements and queries. Writing about runs is in store/runs.c.
 *
 * A file is inspected with plain reads before SQLite opens it: a file that is not a poslab database is
 * refused before SQLite can roll back a journal in it or create one next to it. Everything that writes is
 * one transaction. Errors of SQLite become an Error in one function, `fail`: a damaged file, a file in use,
 * or a write that the system refused. A statement of ours that SQLite cannot prepare is a bug; one that
 * fails while it runs has met damaged contents.
 */
#include "store/internal.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/integrity_values.h"
#include "sys/lock_holder.h"
#include "store/schema.h"
#include "store/database.h"
#include "base/clock.h"

/* STRICT tables came with 3.37. */
#define SQLITE_FLOOR 3037000
#if defined SQLITE_VERSION_NUMBER && SQLITE_VERSION_NUMBER < SQLITE_FLOOR
#error "poslab needs SQLite 3.37 or later (libsqlite3-dev)"
#endif

enum { APPLICATION_ID = 0x706F736C, MAX_QUERIES = 8 };
static const double announced = 3; /* seconds of waiting for others, before it is said */

/* A value of a row that was read. */
typedef struct Cell {
    int type;      /* of SQLite */
    int64_t whole; /* the value as each of these */
    double real;
    const char *text; /* NULL for numbers: made when asked for */
} Cell;

struct DatabaseQuery {
    Arena *arena; /* NULL: free */
    Cell *cells;  /* [rows, columns] */
    int columns;
    int64_t rows, row;
    bool failed;
    Error err;
};

struct Database {
    Arena *arena;
    sqlite3 *db;
    const char *path;
    const char *sql;         /* of the statement kept prepared */
    sqlite3_stmt *statement; /* NULL at first */
    DatabaseQuery queries[MAX_QUERIES];
    StoreWait wait;
    double waiting; /* when the wait began */
    bool said, stopped;
};

/* --- errors --- */

/* SQLite's busy handler: whether to try again. A lock that is held for longer than a moment is announced. */
static int wait_for_others(void *user, int attempt) {
    Database *store = user;
    if (attempt == 0) {
        store->waiting = clock_now();
        store->said = store->stopped = false;
    }
    double waited = clock_now() - store->waiting;
    if (waited >= store->wait.seconds) return 0;
    const char *message = NULL;
    if (waited >= announced && !store->said)
        message = arena_format(store->arena, "waiting for database '%s', which is in use%s", store->path,
                               lock_holder_of(store->path, store->arena));
    store->said |= message != NULL;
    if (!store->wait.go_on && message) fprintf(stderr, "poslab: %s\n", message);
    store->stopped = store->wait.go_on && !store->wait.go_on(store->wait.user, message);
    usleep(attempt < 20 ? 5000 : 100000);
    return !store->stopped;
}

void store_set_wait(Database *store, StoreWait wait) {
    store->wait = wait;
}

/* The last error of SQLite as an Error; returns false. */
static bool fail(Database *store, Error *err) {
    const char *text = sqlite3_errmsg(store->db);
    int saved = sqlite3_system_errno(store->db);
    switch (sqlite3_extended_errcode(store->db) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return error_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s", store->path, text);
    case SQLITE_ERROR: /* of values: text that is no JSON, a sum beyond 64 bits */
        return error_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s; `poslab check` names the row",
                         store->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        if (store->stopped)
            return error_set(err, EXIT_STOPPED, "stopped while waiting for database '%s'", store->path);
        return error_set(
            err, EXIT_SYSTEM,
            "database '%s' is in use%s: another poslab, sqlite3 or a viewer holds it; close that and "
            "repeat the command",
            store->path, lock_holder_of(store->path, store->arena));
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        BUG("database '%s': %s", store->path, text);
    default:
        return error_set(err, EXIT_SYSTEM, "database '%s': %s%s%s", store->path, text, saved ? ": " : "",
                         saved ? strerror(saved) : "");
    }
}

/* --- statements --- */

/* SQLite keeps the text of each CREATE as it was; others may have added tables and views of their own. */
static bool has_schema(Database *store) {
    static const char sql[] = "SELECT count(*) = ?2 FROM sqlite_schema WHERE instr(?1, sql || ';')";
    sqlite3_stmt *statement = NULL;
    bool has = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
               sqlite3_bind_text(statement, 1, schema_sql, -1, SQLITE_STATIC) == SQLITE_OK &&
               sqlite3_bind_int(statement, 2, SCHEMA_OBJECTS) == SQLITE_OK &&
               sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return has;
}

static bool check_schema(Database *store, Error *err) {
    return has_schema(store) ||
           error_set(err, EXIT_DAMAGED, "database '%s' is damaged: its schema is not that of version %d",
                     store->path, SCHEMA_VERSION);
}

static bool prepare(Database *store, sqlite3_stmt **statement, const char *sql, Error *err) {
    if (sqlite3_prepare_v2(store->db, sql, -1, statement, NULL) == SQLITE_OK) return true;
    fail(store, err);
    if ((sqlite3_errcode(store->db) & 0xff) != SQLITE_ERROR) return false;
    if (has_schema(store)) BUG("%s: %s", err->text, sql);
    check_schema(store, err);
    return false;
}

static void bind(sqlite3_stmt *statement, int number, DatabaseValue value) {
    if (value.type == DATABASE_INT)
        sqlite3_bind_int64(statement, number, value.whole);
    else if (value.type == DATABASE_REAL && isfinite(value.real))
        sqlite3_bind_double(statement, number, value.real);
    else if (value.type == DATABASE_TEXT && value.text)
        sqlite3_bind_text(statement, number, value.text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(statement, number);
}

bool database_step(Database *store, Error *err, int64_t *result, const char *sql, const DatabaseValue *values,
                   int count) {
    if (store->sql != sql) {
        sqlite3_finalize(store->statement);
        store->sql = NULL;
        if (!prepare(store, &store->statement, sql, err)) return false;
        store->sql = sql;
    }
    if (sqlite3_bind_parameter_count(store->statement) != count) BUG("%d values for: %s", count, sql);
    for (int i = 0; i < count; i++) bind(store->statement, i + 1, values[i]);
    int code = sqlite3_step(store->statement);
    if (code == SQLITE_ROW && result) *result = sqlite3_column_int64(store->statement, 0);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || fail(store, err);
    sqlite3_reset(store->statement);
    sqlite3_clear_bindings(store->statement);
    return ok;
}

bool database_execute(Database *store, Error *err, const char *sql) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(store, err);
}

bool database_finish(Database *store, Error *err, bool ok) {
    if (ok && database_execute(store, err, "COMMIT")) return true;
    if (!sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* --- opening --- */

static uint32_t big_endian(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool check_identity(const char *path, uint32_t application, uint32_t version, Error *err) {
    if (application != APPLICATION_ID)
        return error_set(err, EXIT_DAMAGED, "'%s' is no poslab database; it was left untouched", path);
    if (version > SCHEMA_VERSION)
        return error_set(
            err, EXIT_DAMAGED,
            "database '%s' has schema version %u and this poslab knows versions up to %d; use a newer "
            "poslab",
            path, version, SCHEMA_VERSION);
    return true;
}

/* What plain reads can tell (the file format: sqlite.org/fileformat.html, section 1.3). An empty file is what
   a process leaves that dies while it creates a database. */
static bool check_file(const char *path, DatabaseMode mode, Error *err) {
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno != ENOENT) return error_system(err, "database '%s'", path);
        if (mode == DATABASE_CREATE) return true;
        return error_set(err, EXIT_USAGE, "database '%s' does not exist; `poslab run CONFIG` makes one",
                         path);
    }
    if (!S_ISREG(file.st_mode))
        return error_set(err, EXIT_USAGE, "database '%s' is not a regular file", path);
    if (file.st_size == 0 && mode == DATABASE_CREATE) return true;
    unsigned char head[100] = {0};
    FILE *stream = fopen(path, "re");
    if (!stream) return error_system(err, "database '%s'", path);
    size_t count = fread(head, 1, sizeof head, stream);
    fclose(stream);
    bool sqlite = count == sizeof head && memcmp(head, "SQLite format 3", 16) == 0;
    return check_identity(path, sqlite ? big_endian(head + 68) : 0, big_endian(head + 60), err);
}

/* Makes the schema in an empty database, in one transaction; two processes may try at once. */
static bool create_schema(Database *store, Error *err) {
    int64_t objects = 0;
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = DATABASE_GET(store, err, &objects, "SELECT count(*) FROM sqlite_schema");
    if (ok && objects == 0) {
        ok = database_execute(store, err, schema_sql) &&
             database_execute(store, err,
                              arena_format(store->arena,
                                           "PRAGMA application_id = %d; PRAGMA user_version = %d",
                                           APPLICATION_ID, SCHEMA_VERSION));
    }
    return database_finish(store, err, ok);
}

static bool get_version(Database *store, int64_t *version, Error *err) {
    int64_t application = 0;
    return DATABASE_GET(store, err, &application, "PRAGMA application_id") &&
           DATABASE_GET(store, err, version, "PRAGMA user_version") &&
           check_identity(store->path, (uint32_t)application, (uint32_t)*version, err);
}

/* Within a transaction. The version is asked again: another process may have been faster. */
static bool migrate_all(Database *store, Error *err) {
    int64_t version = 0;
    bool ok = get_version(store, &version, err);
    long long old = version;
    for (; ok && version < SCHEMA_VERSION; version++) {
        if (version < 1)
            return error_set(err, EXIT_DAMAGED,
                             "database '%s' has schema version %lld, which no poslab ever wrote", store->path,
                             (long long)version);
        if (sqlite3_exec(store->db, migrations[version], NULL, NULL, NULL) != SQLITE_OK)
            return sqlite3_errcode(store->db) == SQLITE_ERROR /* of SQL that fits version `version` */
                       ? error_set(err, EXIT_DAMAGED,
                                   "database '%s' is damaged: its schema is not that of version %lld (%s)",
                                   store->path, old, sqlite3_errmsg(store->db))
                       : fail(store, err);
        ok = database_execute(
            store, err, arena_format(store->arena, "PRAGMA user_version = %lld", (long long)version + 1));
    }
    return ok && check_schema(store, err);
}

/* Brings an older database up to date, in one transaction. Without foreign keys, a table can be dropped to
   which others refer; and that cannot be changed within a transaction. */
static bool migrate(Database *store, Error *err) {
    int64_t version = 0;
    if (!get_version(store, &version, err)) return false;
    if (version == SCHEMA_VERSION) return check_schema(store, err);
    if (sqlite3_db_readonly(store->db, "main"))
        return error_set(err, EXIT_SYSTEM,
                         "database '%s' has schema version %lld and cannot be brought up to version %d: its "
                         "permissions forbid it",
                         store->path, (long long)version, SCHEMA_VERSION);
    bool ok = database_execute(store, err, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
    ok = ok && database_finish(store, err, migrate_all(store, err));
    return ok && database_execute(store, err, "PRAGMA foreign_keys = ON");
}

/* The library may be another one than that of the headers, and may lack functions. */
static bool check_library(Database *store, Error *err) {
    if (sqlite3_libversion_number() >= SQLITE_FLOOR &&
        sqlite3_exec(store->db, "SELECT exp(1), json_valid('{}')", NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return error_set(
        err, EXIT_SYSTEM,
        "the library SQLite %s that poslab runs with does not suffice; install 3.37 or later, with "
        "mathematical functions and JSON",
        sqlite3_libversion());
}

static bool check_pages(Database *store, Error *err) {
    DatabaseQuery *check = database_query_begin(store, "PRAGMA quick_check(1)", NULL);
    bool good = database_query_next(check) && strcmp(database_query_text(check, 0), "ok") == 0;
    if (!good)
        error_set(&check->err, EXIT_DAMAGED, "database '%s' is damaged: %s", store->path,
                  database_query_text(check, 0));
    check->failed |= !good;
    return database_query_end(check, err);
}

static bool prepare_store(Database *store, DatabaseMode mode, Error *err) {
    /* "./" keeps SQLite from seeing a special name (":memory:", ""). A database for reading is opened for
       writing, too, so that what a killed writer left half done can be rolled back; query_only then forbids
       changes. */
    const char *file = arena_format(store->arena, "%s%s", *store->path == '/' ? "" : "./", store->path);
    int flags = SQLITE_OPEN_READWRITE | (mode == DATABASE_CREATE ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(file, &store->db, flags, NULL) != SQLITE_OK) {
        if (!store->db) error_fatal("no memory for SQLite");
        return fail(store, err);
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_handler(store->db, wait_for_others, store);
    if (!check_library(store, err) ||
        !database_execute(store, err,
                          "PRAGMA foreign_keys = ON; PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;"
                          "PRAGMA cell_size_check = ON") ||
        (mode == DATABASE_CREATE && !create_schema(store, err)) ||
        (mode != STORE_CHECK && !check_pages(store, err)) || !migrate(store, err) ||
        (mode != STORE_CHECK && !integrity_values_check(store, err)))
        return false;
    if (mode == DATABASE_READ || mode == STORE_CHECK)
        return database_execute(store, err, "PRAGMA query_only = ON");
    if (sqlite3_db_readonly(store->db, "main"))
        return error_set(err, EXIT_SYSTEM, "database '%s' cannot be written: its permissions forbid it",
                         store->path);
    return database_execute(store, err, "PRAGMA journal_mode = DELETE");
}

Database *database_open(const char *path, DatabaseMode mode, Error *err) {
    if (!check_file(path, mode, err)) return NULL;
    Arena *arena = arena_new(0);
    Database *store = NEW(arena, 1, Database);
    store->arena = arena;
    store->path = arena_copy(arena, path);
    store->wait.seconds = STORE_PATIENCE;
    if (prepare_store(store, mode, err)) return store;
    database_close(store);
    return NULL;
}

void database_close(Database *store) {
    if (!store) return;
    sqlite3_finalize(store->statement);
    for (int i = 0; i < MAX_QUERIES; i++) arena_free(store->queries[i].arena);
    sqlite3_close(store->db);
    arena_free(store->arena);
}

const char *database_path(const Database *store) {
    return store->path;
}

int64_t database_changes(const Database *store) {
    return sqlite3_changes64(store->db);
}

Arena *database_arena(Database *store) {
    return store->arena;
}

/* --- queries --- */

static void add_row(DatabaseQuery *query, sqlite3_stmt *statement) {
    size_t columns = (size_t)query->columns, rows = (size_t)query->rows++;
    if ((rows & (rows - 1)) == 0)
        query->cells =
            arena_grow(query->arena, query->cells, rows, rows ? 2 * rows : 1, columns * sizeof(Cell));
    for (int c = 0; c < query->columns; c++) {
        Cell *cell = &query->cells[rows * columns + (size_t)c];
        *cell = (Cell){.type = sqlite3_column_type(statement, c),
                       .whole = sqlite3_column_int64(statement, c),
                       .real = sqlite3_column_double(statement, c)};
        if (cell->type == SQLITE_TEXT || cell->type == SQLITE_BLOB) {
            const char *text = (const char *)sqlite3_column_text(statement, c);
            cell->text = arena_copy(query->arena, text ? text : "");
        }
    }
}

/* All rows at once: what reads holds no lock while its caller computes, prints or waits for a pager. */
static bool read_rows(DatabaseQuery *query, Database *store, const char *sql, const char *const *parameters) {
    sqlite3_stmt *statement = NULL;
    if (!prepare(store, &statement, sql, &query->err)) return false;
    for (int i = 0; parameters && parameters[i]; i++) bind(statement, i + 1, database_text(parameters[i]));
    query->columns = sqlite3_column_count(statement);
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) add_row(query, statement);
    bool ok = code == SQLITE_DONE || fail(store, &query->err);
    sqlite3_finalize(statement);
    return ok;
}

DatabaseQuery *database_query_begin(Database *store, const char *sql, const char *const *parameters) {
    int free_place = 0;
    while (free_place < MAX_QUERIES && store->queries[free_place].arena) free_place++;
    if (free_place == MAX_QUERIES) BUG("more than %d queries at a time", MAX_QUERIES);
    DatabaseQuery *query = &store->queries[free_place];
    *query = (DatabaseQuery){.arena = arena_new(0), .row = -1};
    query->failed = !read_rows(query, store, sql, parameters);
    return query;
}

bool database_query_next(DatabaseQuery *query) {
    if (query->row < query->rows) query->row++;
    return query->row < query->rows;
}

/* NULL where there is no row. */
static Cell *cell_at(const DatabaseQuery *query, int column) {
    if (query->row < 0 || query->row >= query->rows) return NULL;
    return &query->cells[query->row * query->columns + column];
}

const char *database_query_text(DatabaseQuery *query, int column) {
    Cell *cell = cell_at(query, column);
    if (!cell || cell->type == SQLITE_NULL) return "";
    if (!cell->text) { /* as SQLite writes numbers */
        char text[64];
        bool whole = cell->type == SQLITE_INTEGER;
        if (whole) sqlite3_snprintf(sizeof text, text, "%lld", (long long)cell->whole);
        if (!whole) sqlite3_snprintf(sizeof text, text, "%!.15g", cell->real);
        cell->text = arena_copy(query->arena, text);
    }
    return cell->text;
}

double database_query_real(DatabaseQuery *query, int column) {
    const Cell *cell = cell_at(query, column);
    return cell && cell->type != SQLITE_NULL ? cell->real : NAN;
}

int64_t database_query_int(DatabaseQuery *query, int column) {
    const Cell *cell = cell_at(query, column);
    return cell ? cell->whole : 0;
}

bool database_query_is_null(DatabaseQuery *query, int column) {
    const Cell *cell = cell_at(query, column);
    return !cell || cell->type == SQLITE_NULL;
}

bool database_query_end(DatabaseQuery *query, Error *err) {
    bool ok = !query->failed;
    if (!ok) *err = query->err;
    arena_free(query->arena);
    query->arena = NULL;
    return ok;
}

const char **database_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err) {
    const char **names = NULL;
    const char *parameters[] = {wanted, NULL};
    DatabaseQuery *query = database_query_begin(store,
                                                wanted ? "SELECT name FROM experiment WHERE name = ?"
                                                       : "SELECT name FROM experiment ORDER BY id",
                                                parameters);
    for (*count = 0; database_query_next(query); ++*count) {
        if (!(*count & (*count - 1)))
            names = arena_grow(arena, names, (size_t)*count, *count ? 2 * (size_t)*count : 1, sizeof *names);
        names[*count] = arena_copy(arena, database_query_text(query, 0));
    }
    if (!database_query_end(query, err)) return NULL;
    if (*count) return names;
    if (wanted)
        error_set(err, EXIT_USAGE, "database '%s' has no experiment '%s'", database_path(store), wanted);
    else
        error_set(err, EXIT_USAGE, "database '%s' has no experiment; `poslab run CONFIG` adds one",
                  database_path(store));
    return NULL;
}
