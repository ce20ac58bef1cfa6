/* database: opens files, creates the schema, and migrates older schemas.
 *
 * The head of a file is read with fread before SQLite opens the file. So a file that is not a poslab database
 * is refused before SQLite can roll back a journal into it or create a journal next to it. Creation and
 * migration are one transaction each.
 */
#include "store/database.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/lock.h"
#include "position/encoding.h"
#include "experiment/run_label.h"
#include "store/internal.h"
#include "store/query.h"
#include "store/schema.h"

/* The first version with STRICT tables. */
#define SQLITE_FLOOR 3037000
#if defined SQLITE_VERSION_NUMBER && SQLITE_VERSION_NUMBER < SQLITE_FLOOR
#error "poslab needs SQLite 3.37 or later (libsqlite3-dev)"
#endif

/* --- opening --- */

static uint32_t big_endian(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The file format is documented in sqlite.org/fileformat.html, section 1.3. */
uint32_t database_identity(const char *path, uint32_t *version) {
    unsigned char head[100] = {0};
    FILE *stream = fopen(path, "re");
    *version = 0;
    if (!stream) return 0;
    bool sqlite = fread(head, 1, sizeof head, stream) == sizeof head && !memcmp(head, "SQLite format 3", 16);
    fclose(stream);
    *version = big_endian(head + 60);
    errno = 0;
    return sqlite ? big_endian(head + 68) : 0;
}

const char *database_file(const char *path, Arena *arena) {
    return arena_format(arena, "%s%s", *path == '/' ? "" : "./", path);
}

static bool check_identity(const char *path, uint32_t application, uint32_t version, Error *err) {
    if (application != DATABASE_APPLICATION)
        return error_set(
            err, EXIT_DAMAGED,
            "'%s' is not a poslab database (it was not changed); name a .db file that `poslab run` wrote",
            path);
    if (version > SCHEMA_VERSION)
        return error_set(
            err, EXIT_DAMAGED,
            "database '%s' has schema version %u and this poslab knows versions up to %d; use a newer "
            "poslab",
            path, version, SCHEMA_VERSION);
    return true;
}

/* An empty file is accepted in DATABASE_CREATE, because a process that was killed while it created a database
   leaves one. */
static bool check_file(const char *path, DatabaseMode mode, Error *err) {
    struct stat file;
    if (stat(path, &file) != 0) {
        if (errno != ENOENT) return error_system(err, "database '%s'", path);
        if (mode == DATABASE_CREATE) return true;
        return error_set(err, EXIT_USAGE, "database '%s' does not exist; `poslab run CONFIG` creates it",
                         path);
    }
    if (!S_ISREG(file.st_mode))
        return error_set(err, EXIT_USAGE, "database '%s' is not a regular file", path);
    if (file.st_nlink > 1 && (mode == DATABASE_WRITE || mode == DATABASE_CREATE))
        return error_set(
            err, EXIT_USAGE,
            "database '%s' has %d names (hard links); SQLite names its journal after one of them, so "
            "that a crash could damage it; remove the other names, or use a copy",
            path, (int)file.st_nlink);
    if (file.st_size == 0 && mode == DATABASE_CREATE) return true;
    uint32_t version, application = database_identity(path, &version);
    if (!application && errno) return error_system(err, "database '%s'", path);
    return check_identity(path, application, version, err);
}

/* Creates the schema in an empty database, in one transaction. Two processes may do this at the same
   time. */
static bool create_schema(Database *store, Error *err) {
    int64_t objects = 0;
    if (!database_execute(store, err, "BEGIN IMMEDIATE")) return false;
    bool ok = DATABASE_GET(store, err, &objects, "SELECT count(*) FROM sqlite_schema");
    if (ok && objects == 0) {
        ok = database_execute(store, err, schema_sql(store->arena)) &&
             database_execute(store, err,
                              arena_format(store->arena,
                                           "PRAGMA application_id = %d; PRAGMA user_version = %d",
                                           DATABASE_APPLICATION, SCHEMA_VERSION));
    }
    return database_finish(store, err, ok);
}

static bool get_version(Database *store, int64_t *version, Error *err) {
    int64_t application = 0;
    return DATABASE_GET(store, err, &application, "PRAGMA application_id") &&
           DATABASE_GET(store, err, version, "PRAGMA user_version") &&
           check_identity(store->path, (uint32_t)application, (uint32_t)*version, err);
}

static bool fail_readonly(Database *store, Error *err) {
    return error_set(err, EXIT_SYSTEM, "database '%s' cannot be written: its permissions forbid it",
                     store->path);
}

/* Called in a transaction. Reads the version again, because another process may have migrated the file. */
static bool migrate_all(Database *store, Error *err) {
    int64_t version = 0;
    bool ok = get_version(store, &version, err);
    long long old = version;
    for (; ok && version < SCHEMA_VERSION; version++) {
        const char *sql = schema_migration(version, store->arena);
        if (!sql)
            return error_set(err, EXIT_DAMAGED, "database '%s' has schema version %lld, which does not exist",
                             store->path, (long long)version);
        if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) != SQLITE_OK)
            return sqlite3_errcode(store->db) == SQLITE_ERROR /* the schema is not that of this version */
                       ? error_set(err, EXIT_DAMAGED,
                                   "database '%s' is damaged: its schema is not that of version %lld "
                                   "(%s)" DATABASE_REMEDY,
                                   store->path, old, sqlite3_errmsg(store->db))
                       : database_fail(store, err);
        ok = database_execute(
            store, err, arena_format(store->arena, "PRAGMA user_version = %lld", (long long)version + 1));
    }
    return ok && database_check_schema(store, err);
}

/* The library at run time may be older than the headers, or built without some functions. */
static bool check_library(Database *store, Error *err) {
    if (sqlite3_libversion_number() >= SQLITE_FLOOR &&
        sqlite3_exec(store->db, "SELECT exp(1), json_valid('{}')", NULL, NULL, NULL) == SQLITE_OK)
        return true;
    return error_set(
        err, EXIT_SYSTEM,
        "the installed SQLite library, %s, lacks features; install 3.37 or later, with mathematical "
        "functions and JSON",
        sqlite3_libversion());
}

/* The SQL function edited(method_files): 1 or 0. */
static void edited(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    sqlite3_result_int(context, encoding_files_edited((const char *)sqlite3_value_text(*values)));
}

/* The SQL function point_name(label, variant): the column `name` of table point. */
static void point_name(sqlite3_context *context, int count, sqlite3_value **values) {
    (void)count;
    const char *label = (const char *)sqlite3_value_text(values[0]);
    const char *settings = (const char *)sqlite3_value_text(values[1]);
    Arena *arena = arena_new(0);
    const char *name = run_label_plain_name(label ? label : "", settings ? settings : "", arena);
    sqlite3_result_text(context, name, -1, SQLITE_TRANSIENT);
    arena_free(arena);
}

static void add_function(Database *store, const char *name, int values,
                         void (*function)(sqlite3_context *, int, sqlite3_value **)) {
    sqlite3_create_function(store->db, name, values, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                            NULL, function, NULL, NULL);
}

static bool configure(Database *store, Error *err) {
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_handler(store->db, database_wait, store);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL); /* the schema has no triggers */
    add_function(store, "edited", 1, edited);
    add_function(store, "point_name", 2, point_name);
    return check_library(store, err) &&
           database_execute(
               store, err,
               "PRAGMA foreign_keys = ON; PRAGMA synchronous = EXTRA; PRAGMA trusted_schema = OFF;"
               "PRAGMA cell_size_check = ON");
}

/* Replaces the connection by a copy of the database in memory. */
static bool copy_to_memory(Database *store, Error *err) {
    sqlite3 *file = store->db;
    if (sqlite3_open(":memory:", &store->db) != SQLITE_OK) error_fatal("no memory for SQLite");
    sqlite3_backup *backup = sqlite3_backup_init(store->db, "main", file, "main");
    if (backup) sqlite3_backup_step(backup, -1);
    bool ok = sqlite3_backup_finish(backup) == SQLITE_OK || database_fail(store, err);
    sqlite3_close_v2(file);
    store->in_memory = true;
    return ok && configure(store, err);
}

/* Migrates an older database in one transaction; a read-only file is migrated in memory. Foreign keys are off
   during the migration, because it drops tables to which others refer. SQLite changes that setting only
   outside of transactions. */
static bool migrate(Database *store, DatabaseMode mode, Error *err) {
    int64_t version = 0;
    if (!get_version(store, &version, err)) return false;
    if (version == SCHEMA_VERSION) return database_check_schema(store, err);
    if (sqlite3_db_readonly(store->db, "main")) {
        if (mode == DATABASE_WRITE || mode == DATABASE_CREATE) return fail_readonly(store, err);
        if (!copy_to_memory(store, err)) return false;
    }
    bool ok = database_execute(store, err, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE");
    ok = ok && database_finish(store, err, migrate_all(store, err));
    return ok && database_execute(store, err, "PRAGMA foreign_keys = ON");
}

static bool check_pages(Database *store, Error *err) {
    Query *check = query_begin(store, "PRAGMA quick_check(1)", NULL);
    bool good = query_next(check) && strcmp(query_text(check, 0), "ok") == 0;
    char *found = arena_copy(store->arena, query_text(check, 0));
    for (char *end = found; (end = strchr(end, '\n')) != NULL;) *end = ' ';
    if (!query_end(check, err)) return false;
    return good ||
           error_set(err, EXIT_DAMAGED, "database '%s' is damaged: %s" DATABASE_REMEDY, store->path, found);
}

/* --- values --- */

/* Whether all values of a table are in range, by one query. Also false if the table cannot be read; then
   err->code is set. */
static bool obeys(Database *store, const SchemaTable *table, Arena *arena, Error *err) {
    const char *all = "1";
    for (int i = 0; i < table->count; i++)
        all = arena_format(arena, "%s AND (%s)", all, schema_condition(&table->columns[i], arena));
    Query *query = query_begin(
        store, arena_format(arena, "SELECT 1 FROM %s WHERE (%s) IS NOT 1 LIMIT 1", table->name, all), NULL);
    bool broken = query_next(query);
    err->code = EXIT_DONE;
    return query_end(query, err) && !broken;
}

/* Reports each value out of range in a table, by one query per column. If `found` is NULL, the first one is
   the error. */
static bool each_of_table(Database *store, const SchemaTable *table, void (*found)(void *, const char *),
                          void *user, Arena *arena, Error *err) {
    for (int i = 0; i < table->count; i++) {
        const SchemaColumn *column = &table->columns[i];
        const char *sql =
            arena_format(arena, "SELECT %s, quote(substr(\"%s\", 1, 100)) FROM %s WHERE (%s) IS NOT 1",
                         table->row, column->name, table->name, schema_condition(column, arena));
        Query *query = query_begin(store, sql, NULL);
        bool refused = false;
        while (!refused && query_next(query)) {
            ArenaMark mark = arena_mark(arena);
            char key[JSON_EXCERPT_SIZE], value[JSON_EXCERPT_SIZE];
            const char *line =
                arena_format(arena, "table %s, row %s: '%s' must be %s, got %s", table->name,
                             json_excerpt_text(query_text(query, 0), key), column->name,
                             schema_values(column, arena), json_excerpt_text(query_text(query, 1), value));
            refused = !found;
            if (found)
                found(user, line);
            else
                error_set(err, EXIT_DAMAGED,
                          "database '%s' is damaged: %s; `poslab check` lists all problems", store->path,
                          line);
            arena_release(arena, mark);
        }
        Error unused = {0};
        if (!query_end(query, refused ? &unused : err) || refused) return false;
    }
    return true;
}

bool database_check_values(Database *store, void (*found)(void *user, const char *line), void *user,
                           Error *err) {
    Arena *arena = arena_new(0);
    bool fine = true;
    for (int i = 0; fine && i < schema_table_count; i++) {
        ArenaMark mark = arena_mark(arena);
        fine = obeys(store, &schema_tables[i], arena, err) ||
               (!err->code && each_of_table(store, &schema_tables[i], found, user, arena, err));
        arena_release(arena, mark);
    }
    arena_free(arena);
    return fine;
}

/* --- opening and closing --- */

static bool prepare(Database *store, DatabaseMode mode, Error *err) {
    /* All modes open the file for writing, so that SQLite can roll back the journal of a killed writer. In
       the modes that only read, query_only forbids changes. */
    const char *file = database_file(store->path, store->arena);
    int flags = SQLITE_OPEN_READWRITE | (mode == DATABASE_CREATE ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(file, &store->db, flags, NULL) != SQLITE_OK) {
        if (!store->db) error_fatal("no memory for SQLite");
        return database_fail(store, err);
    }
    if (!configure(store, err) || (mode == DATABASE_CREATE && !create_schema(store, err)) ||
        (mode != DATABASE_CHECK && !check_pages(store, err)) || !migrate(store, mode, err) ||
        (mode != DATABASE_CHECK && !database_check_values(store, NULL, NULL, err)))
        return false;
    if (mode == DATABASE_READ || mode == DATABASE_CHECK)
        return database_execute(store, err, "PRAGMA query_only = ON");
    if (sqlite3_db_readonly(store->db, "main")) return fail_readonly(store, err);
    return database_execute(store, err, "PRAGMA journal_mode = DELETE");
}

Database *database_open(const char *path, DatabaseMode mode, Error *err) {
    if (!check_file(path, mode, err)) return NULL;
    Arena *arena = arena_new(0);
    Database *store = NEW(arena, 1, Database);
    store->arena = arena;
    store->path = arena_copy(arena, path);
    store->wait.seconds = QUERY_PATIENCE;
    if (prepare(store, mode, err)) return store;
    database_close(store);
    return NULL;
}

Database *database_open_locked(const char *path, DatabaseMode mode, Error *err) {
    if (mode != DATABASE_CREATE && !check_file(path, mode, err)) return NULL;
    Arena *scratch = arena_new(0);
    int lock = lock_database(path, scratch, err);
    Database *store = lock >= 0 ? database_open(path, mode, err) : NULL;
    if (store)
        store->lock = lock;
    else if (lock >= 0)
        close(lock);
    arena_free(scratch);
    return store;
}

void database_close(Database *store) {
    if (!store) return;
    sqlite3_finalize(store->statement);
    database_free_queries(store);
    sqlite3_close(store->db);
    if (store->lock) close(store->lock);
    arena_free(store->arena);
}

bool database_import(Database *store, const char *path, const char *what, DatabaseImport *import, void *user,
                     Error *err) {
    Database *theirs =
        database_open(path, DATABASE_READ, err); /* checks the file and rolls back interrupted changes */
    if (!theirs) return false;
    bool old = theirs->in_memory;
    database_close(theirs);
    if (old)
        return error_set(
            err, EXIT_SYSTEM,
            "%s '%s' has an older schema and cannot be migrated, because it is not writable; use a copy in "
            "a writable folder",
            what, path);
    const char *file = database_file(path, store->arena);
    if (!DATABASE_RUN(store, err, "ATTACH ? AS theirs", database_text(file))) return false;
    bool ok = database_execute(store, err, "BEGIN IMMEDIATE");
    ok = ok && database_finish(store, err, import(store, user, err));
    if (!ok &&
        /* both files passed the checks, so rows of `theirs` violate a constraint */
        err->code == EXIT_DAMAGED) {
        Error cause = *err;
        error_set(err, EXIT_DAMAGED, "%s '%s' cannot be imported: %.500s", what, path, cause.text);
    }
    Error ignored;
    return database_execute(store, ok ? err : &ignored, "DETACH theirs") && ok;
}

const char *database_path(const Database *store) {
    return store->path;
}

Arena *database_arena(Database *store) {
    return store->arena;
}

const char **database_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err) {
    static const char sql[] = "SELECT name FROM experiment WHERE ?1 IS NULL OR name = ?1 ORDER BY id";
    const char **names = query_texts(store, sql, (const char *const[]){wanted, NULL}, arena, err);
    if (!names) return NULL;
    for (*count = 0; names[*count];) ++*count;
    if (*count) return names;
    if (wanted)
        error_set(err, EXIT_USAGE, "database '%s' has no experiment '%s'", database_path(store), wanted);
    else
        error_set(err, EXIT_USAGE, "database '%s' has no experiment; `poslab run CONFIG` adds one",
                  database_path(store));
    return NULL;
}
