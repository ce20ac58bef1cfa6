/* store: opening, statements and queries; see store.h. What is written about runs is in record.c.
 *
 * A file is looked at with plain reads before SQLite opens it: what is no poslab database is refused before
 * SQLite could roll back a journal in it or create one beside it. After that, everything that writes is one
 * transaction. Errors of SQLite become an Err in one place, `fail`: a damaged file, a file in use, or the
 * system's refusal to write. A statement that SQLite does not understand is a bug.
 */
#include "statement.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "schema.h"

enum { APPLICATION_ID = 0x706F736C, BUSY_MILLISECONDS = 3000, MAX_QUERIES = 8 };

const char *const run_status_names[] = {"pending", "running", "done", "diverged", "failed", NULL};

struct Query {
    Store *store;
    sqlite3_stmt *statement; /* NULL: free, or failed to prepare */
    bool used, failed;
    Err err;
};

struct Store {
    Arena *arena;
    sqlite3 *db;
    const char *path;
    const char *sql;         /* of the statement kept prepared */
    sqlite3_stmt *statement; /* NULL at first */
    Query queries[MAX_QUERIES];
};

/* --- errors --- */

/* Who holds a lock on the file, " (process 123, sqlite3)", from /proc/locks; "" where that is unknown. */
static const char *lock_holder(const Store *store) {
    struct stat file;
    FILE *locks = stat(store->path, &file) == 0 ? fopen("/proc/locks", "re") : NULL;
    const char *holder = "";
    char line[256];
    while (locks && !*holder && fgets(line, sizeof line, locks)) {
        int process;
        unsigned device_major, device_minor;
        unsigned long long inode;
        if (sscanf(line, "%*d: %*s %*s %*s %d %x:%x:%llu", &process, &device_major, &device_minor, &inode) !=
            4)
            continue;
        if (inode != file.st_ino || process == getpid() || device_major != major(file.st_dev) ||
            device_minor != minor(file.st_dev))
            continue;
        char name[64] = "unknown";
        FILE *comm = fopen(arena_format(store->arena, "/proc/%d/comm", process), "re");
        if (comm && fgets(name, sizeof name, comm)) name[strcspn(name, "\n")] = '\0';
        if (comm) fclose(comm);
        holder = arena_format(store->arena, " (process %d, %s)", process, name);
    }
    if (locks) fclose(locks);
    return holder;
}

/* The last error of SQLite as an Err; returns false. */
static bool fail(Store *store, Err *err) {
    const char *text = sqlite3_errmsg(store->db);
    int saved = sqlite3_system_errno(store->db);
    switch (sqlite3_extended_errcode(store->db) & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return err_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s", store->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(
            err, EXIT_SYSTEM,
            "database '%s' is in use%s: another poslab, sqlite3 or a viewer holds it; close that and "
            "repeat the command",
            store->path, lock_holder(store));
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        BUG("database '%s': %s", store->path, text);
    default:
        return err_set(err, EXIT_SYSTEM, "database '%s': %s%s%s", store->path, text, saved ? ": " : "",
                       saved ? strerror(saved) : "");
    }
}

/* --- statements --- */

static void bind(sqlite3_stmt *statement, int place, Value value) {
    if (value.type == VALUE_WHOLE)
        sqlite3_bind_int64(statement, place, value.whole);
    else if (value.type == VALUE_REAL && isfinite(value.real))
        sqlite3_bind_double(statement, place, value.real);
    else if (value.type == VALUE_TEXT && value.text)
        sqlite3_bind_text(statement, place, value.text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(statement, place);
}

bool store_step(Store *store, Err *err, int64_t *result, const char *sql, const Value *values, int count) {
    if (store->sql != sql) {
        sqlite3_finalize(store->statement);
        store->sql = NULL;
        if (sqlite3_prepare_v2(store->db, sql, -1, &store->statement, NULL) != SQLITE_OK)
            return fail(store, err);
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

bool store_execute(Store *store, Err *err, const char *sql) {
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(store, err);
}

bool store_finish(Store *store, Err *err, bool ok) {
    if (ok && store_execute(store, err, "COMMIT")) return true;
    if (!sqlite3_get_autocommit(store->db)) sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* --- opening --- */

static uint32_t big_endian(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool check_identity(const char *path, uint32_t application, uint32_t version, Err *err) {
    if (application != APPLICATION_ID)
        return err_set(err, EXIT_DAMAGED, "'%s' is no poslab database; it was left untouched", path);
    if (version > SCHEMA_VERSION)
        return err_set(
            err, EXIT_DAMAGED,
            "database '%s' has schema version %u and this poslab knows versions up to %d; use a newer "
            "poslab",
            path, version, SCHEMA_VERSION);
    return true;
}

/* What plain reads can tell (the file format: sqlite.org/fileformat.html, section 1.3). An empty file is what
   a process leaves that dies while it creates a database. */
static bool check_file(const char *path, StoreMode mode, Err *err) {
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno != ENOENT) return err_system(err, "database '%s'", path);
        if (mode == STORE_CREATE) return true;
        return err_set(err, EXIT_USAGE, "database '%s' does not exist; `poslab run CONFIG` makes one", path);
    }
    if (!S_ISREG(file.st_mode)) return err_set(err, EXIT_USAGE, "database '%s' is not a regular file", path);
    if (file.st_size == 0 && mode == STORE_CREATE) return true;
    unsigned char head[100] = {0};
    FILE *stream = fopen(path, "re");
    if (!stream) return err_system(err, "database '%s'", path);
    size_t count = fread(head, 1, sizeof head, stream);
    fclose(stream);
    bool sqlite = count == sizeof head && memcmp(head, "SQLite format 3", 16) == 0;
    return check_identity(path, sqlite ? big_endian(head + 68) : 0, big_endian(head + 60), err);
}

/* Makes the schema in an empty database, in one transaction; two processes may try at once. */
static bool create_schema(Store *store, Err *err) {
    int64_t objects = 0;
    if (!store_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = STORE_GET(store, err, &objects, "SELECT count(*) FROM sqlite_schema");
    if (ok && objects == 0) {
        ok = store_execute(store, err, schema_sql) &&
             store_execute(store, err,
                           arena_format(store->arena, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                                        APPLICATION_ID, SCHEMA_VERSION));
    }
    return store_finish(store, err, ok);
}

/* [v]: the SQL that makes version v + 1 out of version v; its CREATEs as schema.h has them. The last
   migration that changes a table makes it anew: SQLite keeps the text of a CREATE, and ALTER TABLE would
   change that. What a later one makes anew needs no text of its own before. */
static const char *const migrations[SCHEMA_VERSION] = {
    [1] =
        "DROP VIEW curve; DROP VIEW outcome;"

        "ALTER TABLE main.run ADD COLUMN machine TEXT; ALTER TABLE main.run ADD COLUMN ranks INTEGER;"

        "CREATE TEMP TABLE old_request AS SELECT * FROM main.request; DROP TABLE main.request;" SCHEMA_REQUEST
        "INSERT INTO main.request (experiment, run, split, protocol, stride_rule, length, requested, stride, "
        "added) SELECT experiment, run, split, protocol, stride_rule, length, requested, stride, added FROM "
        "old_request; DROP TABLE old_request;"

        "CREATE TEMP TABLE old_evaluation AS SELECT * FROM main.evaluation; DROP TABLE "
        "main.evaluation;" SCHEMA_EVALUATION
        "INSERT INTO main.evaluation SELECT *, 'fp32', '', '{}' FROM old_evaluation;"
        "DROP TABLE old_evaluation;"

    SCHEMA_BENCH,
    [2] = "DROP VIEW IF EXISTS curve; DROP VIEW IF EXISTS outcome;"

          "CREATE TEMP TABLE old_run AS SELECT * FROM main.run; DROP TABLE main.run;" SCHEMA_RUN
          "INSERT INTO main.run SELECT *, NULL, NULL, NULL FROM old_run; DROP TABLE old_run;"

    SCHEMA_VIEWS,
};

static bool get_version(Store *store, int64_t *version, Err *err) {
    int64_t application = 0;
    return STORE_GET(store, err, &application, "PRAGMA application_id") &&
           STORE_GET(store, err, version, "PRAGMA user_version") &&
           check_identity(store->path, (uint32_t)application, (uint32_t)*version, err);
}

/* SQLite keeps the text of each CREATE as it was; others may have added tables and views of their own. */
static bool check_schema(Store *store, Err *err) {
    int64_t ours = 0;
    if (!store_step(store, err, &ours, "SELECT count(*) FROM sqlite_schema WHERE instr(?, sql || ';')",
                    STORE_VALUES(value_text(schema_sql))))
        return false;
    return ours == SCHEMA_OBJECTS ||
           err_set(err, EXIT_DAMAGED, "database '%s' is damaged: its schema is not that of version %d",
                   store->path, SCHEMA_VERSION);
}

/* Within a transaction. The version is asked again: another process may have been faster. */
static bool migrate_all(Store *store, Err *err) {
    int64_t version = 0;
    bool ok = get_version(store, &version, err);
    long long old = version;
    for (; ok && version < SCHEMA_VERSION; version++) {
        if (version < 1)
            return err_set(err, EXIT_DAMAGED,
                           "database '%s' has schema version %lld, which no poslab ever wrote", store->path,
                           (long long)version);
        if (sqlite3_exec(store->db, migrations[version], NULL, NULL, NULL) != SQLITE_OK)
            return sqlite3_errcode(store->db) == SQLITE_ERROR /* of SQL that fits version `version` */
                       ? err_set(err, EXIT_DAMAGED,
                                 "database '%s' is damaged: its schema is not that of version %lld (%s)",
                                 store->path, old, sqlite3_errmsg(store->db))
                       : fail(store, err);
        ok = store_execute(store, err,
                           arena_format(store->arena, "PRAGMA user_version = %lld", (long long)version + 1));
    }
    return ok && check_schema(store, err);
}

/* Brings an older database up to date, in one transaction. Without foreign keys, a table can be dropped to
   which others refer; and that cannot be changed within a transaction. */
static bool migrate(Store *store, Err *err) {
    int64_t version = 0;
    if (!get_version(store, &version, err)) return false;
    if (version == SCHEMA_VERSION) return check_schema(store, err);
    if (sqlite3_db_readonly(store->db, "main"))
        return err_set(err, EXIT_SYSTEM,
                       "database '%s' has schema version %lld and cannot be brought up to version %d: its "
                       "permissions forbid it",
                       store->path, (long long)version, SCHEMA_VERSION);
    bool ok = store_execute(store, err, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
    ok = ok && store_finish(store, err, migrate_all(store, err));
    return ok && store_execute(store, err, "PRAGMA foreign_keys = ON");
}

static bool check_pages(Store *store, Err *err) {
    Query *check = query_begin(store, "PRAGMA quick_check(1)", NULL);
    bool good = query_next(check) && strcmp(query_text(check, 0), "ok") == 0;
    err_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s", store->path, query_text(check, 0));
    return query_end(check, err) && good;
}

static bool prepare_store(Store *store, StoreMode mode, Err *err) {
    /* "./" keeps SQLite from seeing a special name (":memory:", ""). A database for reading is opened for
       writing, too, so that what a killed writer left half done can be rolled back; query_only then forbids
       changes. */
    const char *file = arena_format(store->arena, "%s%s", *store->path == '/' ? "" : "./", store->path);
    int flags = SQLITE_OPEN_READWRITE | (mode == STORE_CREATE ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(file, &store->db, flags, NULL) != SQLITE_OK) {
        if (!store->db) die("no memory for SQLite");
        return fail(store, err);
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MILLISECONDS);
    if (!store_execute(store, err,
                       "PRAGMA foreign_keys = ON; PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;"
                       "PRAGMA cell_size_check = ON") ||
        (mode == STORE_CREATE && !create_schema(store, err)) || !check_pages(store, err) ||
        !migrate(store, err))
        return false;
    if (mode == STORE_READ) return store_execute(store, err, "PRAGMA query_only = ON");
    if (sqlite3_db_readonly(store->db, "main"))
        return err_set(err, EXIT_SYSTEM, "database '%s' cannot be written: its permissions forbid it",
                       store->path);
    return store_execute(store, err, "PRAGMA journal_mode = DELETE");
}

Store *store_open(const char *path, StoreMode mode, Err *err) {
    if (!check_file(path, mode, err)) return NULL;
    Arena *arena = arena_new(0);
    Store *store = NEW(arena, 1, Store);
    store->arena = arena;
    store->path = arena_copy(arena, path);
    if (prepare_store(store, mode, err)) return store;
    store_close(store);
    return NULL;
}

void store_close(Store *store) {
    if (!store) return;
    sqlite3_finalize(store->statement);
    for (int i = 0; i < MAX_QUERIES; i++) sqlite3_finalize(store->queries[i].statement);
    sqlite3_close(store->db);
    arena_free(store->arena);
}

const char *store_path(const Store *store) {
    return store->path;
}

int64_t store_changes(const Store *store) {
    return sqlite3_changes64(store->db);
}

Arena *store_arena(Store *store) {
    return store->arena;
}

/* --- queries --- */

Query *query_begin(Store *store, const char *sql, const char *const *parameters) {
    int free_place = 0;
    while (free_place < MAX_QUERIES && store->queries[free_place].used) free_place++;
    if (free_place == MAX_QUERIES) BUG("more than %d queries at a time", MAX_QUERIES);
    Query *query = &store->queries[free_place];
    *query = (Query){.store = store, .used = true};
    query->failed = sqlite3_prepare_v2(store->db, sql, -1, &query->statement, NULL) != SQLITE_OK;
    if (query->failed) fail(store, &query->err);
    for (int i = 0; !query->failed && parameters && parameters[i]; i++)
        bind(query->statement, i + 1, value_text(parameters[i]));
    return query;
}

bool query_next(Query *query) {
    if (query->failed) return false;
    int code = sqlite3_step(query->statement);
    query->failed = code != SQLITE_ROW && code != SQLITE_DONE;
    if (query->failed) fail(query->store, &query->err);
    return code == SQLITE_ROW;
}

const char *query_text(Query *query, int column) {
    const char *text = query->statement ? (const char *)sqlite3_column_text(query->statement, column) : NULL;
    return text ? text : "";
}

double query_real(Query *query, int column) {
    return query_is_null(query, column) ? NAN : sqlite3_column_double(query->statement, column);
}

int64_t query_int(Query *query, int column) {
    return sqlite3_column_int64(query->statement, column);
}

bool query_is_null(Query *query, int column) {
    return sqlite3_column_type(query->statement, column) == SQLITE_NULL;
}

bool query_end(Query *query, Err *err) {
    bool ok = !query->failed;
    if (!ok) *err = query->err;
    sqlite3_finalize(query->statement);
    query->statement = NULL;
    query->used = false;
    return ok;
}
