/* query: runs statements and queries, and converts errors of SQLite.
 *
 * If the schema is correct, a statement that cannot be prepared is a bug. A statement that fails later has
 * read values with which it cannot compute, so the database is damaged.
 */
#include "store/query.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/lock.h"
#include "store/internal.h"
#include "store/schema.h"

static const double ANNOUNCED_AFTER = 3; /* seconds of waiting before a message */

/* A value of a row, in each of the types that SQLite converts it to. */
typedef struct Cell {
    int type; /* type code of SQLite */
    int64_t whole;
    double real;
    const char *text; /* of a number NULL until it is requested */
} Cell;

enum { MAX_QUERIES = 8 }; /* open at the same time */

struct Query {
    Arena *arena; /* NULL: this element of Database.queries is free */
    Cell *cells;  /* [rows, columns] */
    const char **names;
    int columns;
    int64_t rows, row;
    bool failed;
    Error err;
};

/* --- waiting and errors --- */

int database_wait(void *user, int attempt) {
    Database *store = user;
    if (attempt == 0) {
        store->waiting = clock_now();
        store->announced = store->stopped = false;
    }
    double waited = clock_now() - store->waiting;
    if (waited >= store->wait.seconds) return 0;
    const char *message = NULL;
    if (waited >= ANNOUNCED_AFTER && !store->announced)
        message = arena_format(store->arena, "waiting for database '%s', which is in use%s", store->path,
                               lock_holder_of(store->path, store->arena));
    store->announced |= message != NULL;
    if (!store->wait.go_on && message) fprintf(stderr, "poslab: %s\n", message);
    store->stopped = store->wait.go_on && !store->wait.go_on(store->wait.user, message);
    usleep(attempt < 20 ? 5000 : 100000);
    return !store->stopped;
}

void query_set_wait(Database *store, QueryWait wait) {
    store->wait = wait;
}

bool database_fail(Database *store, Error *err) {
    const char *text = sqlite3_errmsg(store->db), *folder;
    int saved = sqlite3_system_errno(store->db);
    switch (sqlite3_extended_errcode(store->db) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return error_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s" DATABASE_REMEDY, store->path,
                         text);
    case SQLITE_ERROR: /* caused by values: text that is not JSON, an overflow of 64 bits */
        return error_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s; `poslab check` finds the row",
                         store->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        if (store->stopped)
            return error_set(err, EXIT_STOPPED, "stopped while waiting for database '%s'", store->path);
        return error_set(
            err, EXIT_SYSTEM,
            "database '%s' is in use%s: close the other poslab, sqlite3 or viewer that uses it, and rerun "
            "the command",
            store->path, lock_holder_of(store->path, store->arena));
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        BUG("database '%s': %s", store->path, text);
    case SQLITE_CANTOPEN: /* possibly of the journal, for which the folder must be writable */
    case SQLITE_READONLY:
        folder = dirname(arena_copy(store->arena, store->path));
        if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0 && errno != ENOENT)
            return error_system(
                err,
                "database '%s' cannot be written: its folder '%s' must be writable for SQLite's "
                "journal; change its permissions, or use a copy in another folder",
                store->path, folder);
        /* fall through */
    default:
        return error_set(err, EXIT_SYSTEM, "database '%s': %s%s%s", store->path, text, saved ? ": " : "",
                         saved ? strerror(saved) : "");
    }
}

/* --- statements --- */

/* SQL without comments, which begin with "--" outside of quotes, and without the spaces before them. */
static const char *without_comments(const char *sql, Arena *arena) {
    char *text = arena_copy(arena, sql), *end = text, quote = '\0';
    for (; *sql; sql++) {
        if (!quote && sql[0] == '-' && sql[1] == '-') {
            sql += strcspn(sql, "\n");
            while (end > text && end[-1] == ' ') end--;
            if (!*sql) break;
        }
        if (*sql == quote)
            quote = '\0';
        else if (!quote && (*sql == '\'' || *sql == '"'))
            quote = *sql;
        *end++ = *sql;
    }
    *end = '\0';
    return text;
}

/* Compares the stored CREATE texts, which SQLite keeps unchanged, without comments. Additional tables and
   views are allowed. */
static bool has_schema(Database *store) {
    sqlite3_stmt *statement = NULL;
    ArenaMark mark = arena_mark(store->arena);
    const char *expected = without_comments(schema_sql(store->arena), store->arena);
    int missing = 0;
    for (const char *at = expected; (at = strstr(at, "CREATE ")) != NULL; at++) missing++;
    if (sqlite3_prepare_v2(store->db, "SELECT sql || ';' FROM sqlite_schema WHERE sql NOT NULL", -1,
                           &statement, NULL) == SQLITE_OK)
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *sql = (const char *)sqlite3_column_text(statement, 0);
            missing -= sql && strstr(expected, without_comments(sql, store->arena)) != NULL;
        }
    sqlite3_finalize(statement);
    arena_release(store->arena, mark);
    return missing == 0;
}

bool database_check_schema(Database *store, Error *err) {
    return has_schema(store) ||
           error_set(err, EXIT_DAMAGED,
                     "database '%s' is damaged: its schema is not that of version %d" DATABASE_REMEDY,
                     store->path, SCHEMA_VERSION);
}

static bool prepare(Database *store, sqlite3_stmt **statement, const char *sql, Error *err) {
    if (sqlite3_prepare_v2(store->db, sql, -1, statement, NULL) == SQLITE_OK) return true;
    database_fail(store, err);
    if ((sqlite3_errcode(store->db) & 0xff) != SQLITE_ERROR) return false;
    if (has_schema(store)) BUG("%s: %s", err->text, sql);
    database_check_schema(store, err);
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
    if (!store->statement || strcmp(sqlite3_sql(store->statement), sql) != 0) {
        sqlite3_finalize(store->statement);
        if (!prepare(store, &store->statement, sql, err)) return false;
    }
    if (sqlite3_bind_parameter_count(store->statement) != count) BUG("%d values for: %s", count, sql);
    for (int i = 0; i < count; i++) bind(store->statement, i + 1, values[i]);
    int code = sqlite3_step(store->statement);
    if (code == SQLITE_ROW && result) *result = sqlite3_column_int64(store->statement, 0);
    bool ok = code == SQLITE_ROW || code == SQLITE_DONE || database_fail(store, err);
    sqlite3_reset(store->statement);
    sqlite3_clear_bindings(store->statement);
    return ok;
}

bool database_row(Database *store, Error *err, int64_t *result, const char *before, const char *between,
                  const char *after, const DatabaseColumn *row, int count) {
    ArenaMark mark = arena_mark(store->arena);
    DatabaseValue *values = NEW(store->arena, count, DatabaseValue);
    size_t size = strlen(before) + strlen(between) + strlen(after) + 8;
    for (int i = 0; i < count; i++) size += strlen(row[i].name) + 4;
    char *sql = NEW(store->arena, size, char), *end = stpcpy(stpcpy(sql, before), " (");
    for (int i = 0; i < count; i++) end = stpcpy(stpcpy(end, i ? ", " : ""), row[i].name);
    end = stpcpy(stpcpy(stpcpy(end, ")"), between), "(");
    for (int i = 0; i < count; i++) end = stpcpy(end, i ? ",?" : "?");
    stpcpy(stpcpy(end, ")"), after);
    for (int i = 0; i < count; i++) values[i] = row[i].value;
    bool ok = database_step(store, err, result, sql, values, count);
    arena_release(store->arena, mark);
    return ok;
}

const char *database_now(Arena *arena) {
    char text[32];
    time_t now = time(NULL);
    struct tm utc;
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    return arena_copy(arena, text);
}

bool database_execute(Database *store, Error *err, const char *sql) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK || database_fail(store, err);
}

bool database_finish(Database *store, Error *err, bool ok) {
    if (ok && database_execute(store, err, "COMMIT")) return true;
    if (!sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

int64_t database_changes(const Database *store) {
    return sqlite3_changes64(store->db);
}

/* --- queries --- */

static void add_row(Query *query, sqlite3_stmt *statement) {
    size_t columns = (size_t)query->columns, rows = (size_t)query->rows++;
    query->cells = arena_extend(query->arena, query->cells, rows, columns * sizeof(Cell));
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

/* Reads all rows. So no lock is held while the caller computes, prints or waits for a pager. */
static bool read_rows(Query *query, Database *store, const char *sql, const char *const *parameters) {
    sqlite3_stmt *statement = NULL;
    if (!prepare(store, &statement, sql, &query->err)) return false;
    for (int i = 0; parameters && parameters[i]; i++) bind(statement, i + 1, database_text(parameters[i]));
    query->columns = sqlite3_column_count(statement);
    query->names = NEW(query->arena, query->columns, const char *);
    for (int c = 0; c < query->columns; c++)
        query->names[c] = arena_copy(query->arena, sqlite3_column_name(statement, c));
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) add_row(query, statement);
    bool ok = code == SQLITE_DONE || database_fail(store, &query->err);
    sqlite3_finalize(statement);
    return ok;
}

Query *query_begin(Database *store, const char *sql, const char *const *parameters) {
    int free_place = 0;
    if (!store->queries) store->queries = NEW(store->arena, MAX_QUERIES, Query);
    while (free_place < MAX_QUERIES && store->queries[free_place].arena) free_place++;
    if (free_place == MAX_QUERIES) BUG("more than %d queries at a time", MAX_QUERIES);
    Query *query = &store->queries[free_place];
    *query = (Query){.arena = arena_new(0), .row = -1};
    query->failed = !read_rows(query, store, sql, parameters);
    return query;
}

bool query_next(Query *query) {
    if (query->row < query->rows) query->row++;
    return query->row < query->rows;
}

int query_column(const Query *query, const char *name) {
    for (int c = 0; c < query->columns; c++)
        if (!strcmp(query->names[c], name)) return c;
    BUG("there is no column '%s'", name);
}

/* A cell of the current row; NULL if there is no current row. */
static Cell *cell_at(const Query *query, int column) {
    if (query->row < 0 || query->row >= query->rows) return NULL;
    return &query->cells[query->row * query->columns + column];
}

const char *query_text(Query *query, int column) {
    Cell *cell = cell_at(query, column);
    if (!cell || cell->type == SQLITE_NULL) return "";
    if (!cell->text) {
        char text[64];
        bool whole = cell->type == SQLITE_INTEGER;
        if (whole) sqlite3_snprintf(sizeof text, text, "%lld", (long long)cell->whole);
        if (!whole) sqlite3_snprintf(sizeof text, text, "%!.15g", cell->real);
        cell->text = arena_copy(query->arena, text);
    }
    return cell->text;
}

double query_real(Query *query, int column) {
    const Cell *cell = cell_at(query, column);
    return cell && cell->type != SQLITE_NULL ? cell->real : NAN;
}

int64_t query_int(Query *query, int column) {
    const Cell *cell = cell_at(query, column);
    return cell ? cell->whole : 0;
}

bool query_is_null(Query *query, int column) {
    const Cell *cell = cell_at(query, column);
    return !cell || cell->type == SQLITE_NULL;
}

const char *query_text_of(Query *query, const char *column) {
    return query_text(query, query_column(query, column));
}

double query_real_of(Query *query, const char *column) {
    return query_real(query, query_column(query, column));
}

int64_t query_int_of(Query *query, const char *column) {
    return query_int(query, query_column(query, column));
}

void query_cells(TableCell *row, Query *query, const TableColumn *columns, int count, Arena *arena) {
    for (int c = 0; c < count; c++)
        if (columns[c].type != TABLE_TEXT)
            row[c] = table_number(query_real(query, c));
        else if (!query_is_null(query, c))
            row[c] = table_text(arena_copy(arena, query_text(query, c)));
}

bool query_end(Query *query, Error *err) {
    bool ok = !query->failed;
    if (!ok) *err = query->err;
    arena_free(query->arena);
    query->arena = NULL;
    return ok;
}

const char **query_texts(Database *store, const char *sql, const char *const *parameters, Arena *arena,
                         Error *err) {
    const char **texts = NULL;
    int count = 0;
    Query *query = query_begin(store, sql, parameters);
    while (query_next(query)) *ARENA_PUSH(arena, texts, count) = arena_copy(arena, query_text(query, 0));
    *ARENA_PUSH(arena, texts, count) = NULL;
    return query_end(query, err) ? texts : NULL;
}

const char *query_first(Database *store, const char *sql, const char *const *parameters, Arena *arena,
                        Error *err) {
    err->code = EXIT_DONE;
    const char **texts = query_texts(store, sql, parameters, arena, err);
    return texts ? *texts : NULL;
}

void database_free_queries(Database *store) {
    for (int i = 0; store->queries && i < MAX_QUERIES; i++) arena_free(store->queries[i].arena);
}
