/* merge: imports the rows of an attached database with SQL statements.
 *
 * Conflicts are found first. The temporary table `conflict` has their keys, and later statements exclude
 * these runs. Messages are printed after the transaction, because a reader of the output may be slow.
 */
#include "store/merge.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/tempdir.h"
#include "train/safetensors.h"
#include "experiment/config_file.h"
#include "store/internal.h"
#include "store/run_folder.h"
#include "store/schema.h"

/* conflict: runs that are not imported. taken: runs whose status is imported, and with `trained` also their
   training. */
static const char create_sql[] =
    "CREATE TEMP TABLE IF NOT EXISTS conflict (key TEXT PRIMARY KEY, what TEXT NOT NULL);"
    "CREATE TEMP TABLE IF NOT EXISTS taken (key TEXT PRIMARY KEY, trained INTEGER NOT NULL);"
    "DELETE FROM conflict; DELETE FROM taken";

/* --- runs and their results --- */

static bool import_evaluations(Database *store, Error *err) {
    Arena *arena = database_arena(store);
    const char *columns = schema_columns("evaluation", SCHEMA_ALL, "", arena);
    const char *key = schema_columns("evaluation", SCHEMA_KEY, "", arena);
    int64_t last = 0;
    bool ok =
        DATABASE_GET(store, err, &last, "SELECT coalesce(max(id), 0) FROM main.evaluation") &&
        database_execute(
            store, err,
            arena_format(arena,
                         "INSERT INTO main.evaluation (%s) SELECT %s FROM theirs.evaluation"
                         " WHERE run NOT IN (SELECT key FROM conflict) ORDER BY id ON CONFLICT DO NOTHING",
                         columns, columns));
    for (const char *const *part = schema_evaluation_parts(arena); ok && *part; part++)
        ok = database_execute(
            store, err,
            arena_format(arena,
                         "INSERT INTO main.%s (evaluation, %s) SELECT e.id, %s FROM theirs.%s p"
                         " JOIN theirs.evaluation t ON t.id = p.evaluation JOIN main.evaluation e USING (%s)"
                         " WHERE e.id > %lld",
                         *part, schema_columns(*part, SCHEMA_ALL, "", arena),
                         schema_columns(*part, SCHEMA_ALL, "p.", arena), *part, key, (long long)last));
    return ok;
}

/* Copies from `theirs` to `main`: corpora, runs that are not in `conflict`, status and training of the runs
   in `taken`, and missing evaluations. A run with the status running becomes pending. */
static bool import_runs(Database *store, Error *err) {
    Arena *arena = database_arena(store);
    const char *corpus = schema_columns("corpus", SCHEMA_ALL, "", arena);
    const char *run = schema_columns("run", SCHEMA_ALL, "", arena);
    const char *training = schema_columns("run", SCHEMA_TRAINING, "", arena);
    const char *log = schema_columns("train_log", SCHEMA_ALL, "", arena);
    const char *sql = arena_format(
        arena,
        "INSERT INTO main.corpus (%s) SELECT %s FROM theirs.corpus WHERE true ON CONFLICT DO NOTHING;"

        "INSERT INTO main.run (%s, status, corpus_id) SELECT %s, replace(status, 'running', 'pending'),"
        " (SELECT c.id FROM main.corpus c JOIN theirs.corpus t USING (hash, tokenizer, vocabulary)"
        " WHERE t.id = r.corpus_id) FROM theirs.run r WHERE key NOT IN (SELECT key FROM conflict)"
        " ON CONFLICT DO NOTHING;"

        "UPDATE main.run SET (status, reason, started, finished) = (SELECT replace(status, 'running', "
        "'pending'), reason,"
        " coalesce(t.started, run.started), finished FROM theirs.run t WHERE t.key = run.key)"
        " WHERE key IN (SELECT key FROM taken);"

        "UPDATE main.run SET (%s) = (SELECT %s FROM theirs.run t WHERE t.key = run.key)"
        " WHERE key IN (SELECT key FROM taken WHERE trained);"

        "DELETE FROM main.train_log WHERE run IN (SELECT key FROM taken WHERE trained);"
        "INSERT INTO main.train_log (%s) SELECT %s FROM theirs.train_log"
        " WHERE run IN (SELECT key FROM taken WHERE trained)",
        corpus, corpus, run, run, training, training, log, log);
    return database_execute(store, err, sql) && import_evaluations(store, err);
}

/* Deletes the stale evaluations that `theirs` will replace. */
static bool delete_stale(Database *store, Error *err) {
    Arena *arena = database_arena(store);
    const char *key = schema_columns("evaluation", SCHEMA_KEY, "", arena);
    const char *stale = arena_format(arena,
                                     "SELECT e.id FROM main.evaluation e JOIN theirs.evaluation t USING (%s)"
                                     " WHERE edited(e.method_files)",
                                     key);
    const char *sql = "";
    for (const char *const *part = schema_evaluation_parts(arena); *part; part++)
        sql = arena_format(arena, "%sDELETE FROM main.%s WHERE evaluation IN (%s);", sql, *part, stale);
    return database_execute(
        store, err, arena_format(arena, "%sDELETE FROM main.evaluation WHERE id IN (%s)", sql, stale));
}

static bool result_attached(Database *store, void *user, Error *err) {
    (void)user;
    return database_execute(store, err, create_sql) && delete_stale(store, err) &&
           database_execute(store, err,
                            "INSERT INTO taken SELECT key, steps IS NOT NULL FROM theirs.run"
                            " WHERE status IN ('done', 'diverged', 'failed')") &&
           import_runs(store, err);
}

bool merge_result(Database *store, const char *path, Error *err) {
    return database_import(store, path, "result", result_attached, NULL, err);
}

/* --- whole databases --- */

/* Finds the runs that differ. The first reason found for a run is kept. */
static bool find_conflicts(Database *store, Error *err) {
    Arena *arena = database_arena(store);
    const char *sql = arena_format(
        arena,
        "INSERT OR IGNORE INTO conflict SELECT key, 'its configuration differs' FROM theirs.run t JOIN "
        "main.run r"
        " USING (key) WHERE (t.method, t.train_length, t.seed) <> (r.method, r.train_length, r.seed);"

        "INSERT OR IGNORE INTO conflict SELECT key, 'its training ended differently' FROM theirs.run t"
        " JOIN main.run r USING (key) WHERE t.steps IS NOT NULL AND r.steps IS NOT NULL"
        " AND (t.steps <> r.steps OR t.final_loss IS NOT r.final_loss OR t.diverged_step IS NOT "
        "r.diverged_step);"

        "INSERT OR IGNORE INTO conflict SELECT run, 'the loss of step ' || min(step) || ' differs' FROM"
        " theirs.train_log t JOIN main.train_log l USING (run, step) WHERE t.loss IS NOT l.loss GROUP BY run;"

        "INSERT OR IGNORE INTO conflict SELECT run, 'its evaluation at length ' || min(length) || ' differs'"
        " FROM theirs.evaluation t JOIN main.evaluation e USING (%s) WHERE t.nll_sum IS NOT e.nll_sum"
        " OR t.tokens <> e.tokens OR t.windows <> e.windows OR t.status <> e.status GROUP BY run",
        schema_columns("evaluation", SCHEMA_KEY, "", arena));
    return database_execute(store, err, sql);
}

static bool find_taken(Database *store, Error *err) {
    return database_execute(store, err,
                            "INSERT INTO taken SELECT key, true FROM theirs.run t WHERE steps IS NOT NULL"
                            " AND key NOT IN (SELECT key FROM conflict) AND NOT EXISTS"
                            " (SELECT 1 FROM main.run r WHERE r.key = t.key AND r.steps IS NOT NULL)");
}

/* Imports the other tables, after the runs to which points refer. Runs in conflict exist in `main`. */
static bool import_others(Database *store, Error *err) {
    Arena *arena = database_arena(store);
    const char *bench = schema_columns("bench", SCHEMA_ALL, "", arena);
    const char *sql = arena_format(
        arena,
        "INSERT INTO main.point (experiment, %s) SELECT m.id, %s"
        " FROM theirs.point p JOIN theirs.experiment x ON x.id = p.experiment JOIN main.experiment m"
        " ON (m.name, m.config) = (x.name, x.config) WHERE true ON CONFLICT DO NOTHING;"

        "INSERT INTO main.request (experiment, %s) SELECT m.id, %s"
        " FROM theirs.request q JOIN theirs.experiment x ON x.id = q.experiment JOIN main.experiment m"
        " ON (m.name, m.config) = (x.name, x.config) JOIN main.point p ON (p.experiment, p.run) = (m.id, "
        "q.run)"
        " WHERE true ON CONFLICT DO NOTHING;"

        "INSERT INTO main.reference SELECT * FROM theirs.reference EXCEPT SELECT * FROM main.reference;"

        "INSERT INTO main.bench (%s) SELECT %s FROM theirs.bench EXCEPT SELECT %s FROM main.bench;"

        "INSERT INTO main.bench_result (bench, %s) SELECT m.id, %s FROM theirs.bench_result r"
        " JOIN theirs.bench t ON t.id = r.bench JOIN main.bench m USING (%s) WHERE true ON CONFLICT DO "
        "NOTHING",
        schema_columns("point", SCHEMA_ALL, "", arena), schema_columns("point", SCHEMA_ALL, "p.", arena),
        schema_columns("request", SCHEMA_ALL, "", arena), schema_columns("request", SCHEMA_ALL, "q.", arena),
        bench, bench, bench, schema_columns("bench_result", SCHEMA_ALL, "", arena),
        schema_columns("bench_result", SCHEMA_ALL, "r.", arena),
        schema_columns("bench", SCHEMA_KEY, "", arena));
    return database_execute(store, err, sql);
}

typedef struct Merge {
    const char *path;
    const char *report; /* printed after the transaction */
    int64_t conflicts;
    const char **trained; /* keys of their trained runs that are not in conflict, NULL-terminated */
} Merge;

/* Adds the line "PATH: LINE" to the report. */
static void add_line(Merge *merge, const char *line, Arena *arena) {
    line = arena_format(arena, "%s: %s", merge->path, line);
    merge->report = arena_format(arena, "%s%s\n", merge->report, escape_text(ESCAPE_LINE, line, arena));
}

/* Adds the line "KIND FIRST: SECOND" for each row of a query with two columns; *count is their number. */
static bool add_rows(Database *store, Merge *merge, const char *kind, const char *sql, int64_t *count,
                     Error *err) {
    Arena *arena = database_arena(store);
    Query *query = query_begin(store, sql, NULL);
    for (*count = 0; query_next(query); ++*count)
        add_line(merge, arena_format(arena, "%s %s: %s", kind, query_text(query, 0), query_text(query, 1)),
                 arena);
    return query_end(query, err);
}

static bool list_trained(Database *store, Merge *merge, Error *err) {
    merge->trained = query_texts(store,
                                 "SELECT key FROM theirs.run WHERE steps IS NOT NULL AND status = 'done'"
                                 " AND key NOT IN (SELECT key FROM conflict)",
                                 NULL, database_arena(store), err);
    return merge->trained != NULL;
}

static bool merge_attached(Database *store, void *user, Error *err) {
    Merge *merge = user;
    int64_t runs = 0, evaluations = 0, before = 0, kept = 0;
    bool ok =
        database_execute(store, err, create_sql) && find_conflicts(store, err) &&
        add_rows(store, merge, "conflict in run", "SELECT key, what || '; kept as it is here' FROM conflict",
                 &merge->conflicts, err) &&
        add_rows(store, merge, "experiment",
                 "SELECT name, 'its config differs from the one here, which is kept; its runs are imported'"
                 " FROM theirs.experiment t JOIN main.experiment x USING (name) WHERE t.config <> x.config",
                 &kept, err) &&
        database_execute(store, err,
                         "INSERT INTO main.experiment (name, config, created) SELECT name, config, created"
                         " FROM theirs.experiment WHERE true ON CONFLICT DO NOTHING") &&
        DATABASE_GET(store, err, &before, "SELECT count(*) FROM main.evaluation") && find_taken(store, err) &&
        import_runs(store, err) && import_others(store, err) &&
        DATABASE_GET(store, err, &runs, "SELECT count(*) FROM taken") &&
        DATABASE_GET(store, err, &evaluations, "SELECT count(*) FROM main.evaluation") &&
        list_trained(store, merge, err);
    add_line(merge,
             arena_format(database_arena(store),
                          "%lld trained runs and %lld evaluations added, %lld conflicts", (long long)runs,
                          (long long)(evaluations - before), (long long)merge->conflicts),
             database_arena(store));
    return ok;
}

/* --- weights --- */

static bool are_weights_of(const char *path, const char *key, Error *err) {
    Arena *arena = arena_new(0);
    SafetensorsFile file;
    bool fine = safetensors_read_weights(path, key, &file, arena, err);
    arena_free(arena);
    return fine;
}

/* The folder to which the weights of a run are copied: that of the first experiment with the run as a point,
   otherwise that of the first experiment. NULL if there is no experiment. */
static const char *folder_for(Database *store, const char *key, Arena *arena, Error *err) {
    static const char sql[] =
        "SELECT x.name FROM experiment x LEFT JOIN point p ON p.experiment = x.id AND p.run"
        " = ? ORDER BY p.run IS NULL, x.id";
    const char *folder = NULL;
    Error ignored;
    Query *query = query_begin(store, sql, (const char *const[]){key, NULL});
    /* Names that a config cannot have are skipped: in a hostile database they could be paths. */
    while (!folder && query_next(query))
        if (config_file_check_name(query_text(query, 0), "", &ignored))
            folder = run_folder_path(database_path(store), query_text(query, 0), key, arena);
    return query_end(query, err) ? folder : NULL;
}

/* Verifies the checksums of the weights before the copy, and those of the copy. */
static bool copy_weights(Database *store, Database *theirs, const char *key, int64_t *copied, Error *err) {
    Arena *arena = database_arena(theirs);
    const char *from = run_folder_is_key(key) ? run_folder_weights(theirs, key, arena) : NULL;
    if (!from || run_folder_weights(store, key, arena)) return true;
    const char *folder = folder_for(store, key, arena, err);
    if (!folder) return true;
    const char *to = arena_format(arena, "%s/model.safetensors", folder);
    if (!are_weights_of(from, key, err) || !atomic_file_make_folder(folder, err) ||
        !tempdir_copy(to, from, arena, err))
        return false;
    if (!are_weights_of(to, key, err)) return unlink(to), false;
    ++*copied;
    return true;
}

/* Copies all undamaged weights and reports the damaged ones. */
static bool merge_weights(Database *store, const Merge *merge, FILE *out, int64_t *damaged, Error *err) {
    Error why;
    int64_t copied = 0;
    Database *theirs = database_open(merge->path, DATABASE_READ, err);
    bool fine = theirs != NULL;
    for (const char **key = merge->trained; fine && *key; key++) {
        if (copy_weights(store, theirs, *key, &copied, &why)) continue;
        fine = why.code == EXIT_DAMAGED;
        ++*damaged;
        if (fine) escape_line(out, "%s: weights of run %s were not copied: %s", merge->path, *key, why.text);
        if (!fine) *err = why;
    }
    if (fine) escape_line(out, "%s: weights of %lld runs copied", merge->path, (long long)copied);
    database_close(theirs);
    return fine;
}

static bool merge_one(Database *store, const char *path, bool weights, FILE *out, int64_t *conflicts,
                      Error *err) {
    struct stat ours, others;
    if (stat(database_path(store), &ours) == 0 && stat(path, &others) == 0 && ours.st_dev == others.st_dev &&
        ours.st_ino == others.st_ino)
        return error_set(err, EXIT_USAGE, "'%s' is the database itself; name the databases to add", path);
    Merge merge = {.path = path, .report = ""};
    if (!database_import(store, path, "database", merge_attached, &merge, err)) return false;
    fputs(merge.report, out);
    *conflicts = merge.conflicts;
    return !weights || merge_weights(store, &merge, out, conflicts, err);
}

bool merge_databases(Database *store, const char *const *others, bool weights, FILE *out, int64_t *conflicts,
                     Error *err) {
    *conflicts = 0;
    for (int i = 0; others[i]; i++) {
        int64_t found = 0;
        if (!merge_one(store, others[i], weights, out, &found, err)) return false;
        *conflicts += found;
    }
    return true;
}
