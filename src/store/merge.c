/* merge: conflicts are found first; their keys are in a temporary table and are left out of all later
 * statements. Messages are printed after the transaction has ended, because the reader of a pipe may be
 * slow.
 */
#include "store/merge.h"

#include <string.h>
#include <sys/stat.h>

#include "base/escape.h"
#include "store/internal.h"

#define MERGE_PLANNED_COLUMNS                                                                                \
    "key, method, method_options, label, train_length, seed, parameters, position_parameters, config"
#define BENCH               "created, revision, host, cpu, blas, machine, threads, precision, config, reference, gemm_rate"
#define EVALUATIONS_OF_BOTH "theirs.evaluation t JOIN main.evaluation e USING (" EVALUATION_KEY_COLUMNS ")"
#define NO_CONFLICT         "NOT IN (SELECT key FROM conflict)"

static const char create_sql[] =
    "CREATE TEMP TABLE IF NOT EXISTS conflict (key TEXT PRIMARY KEY, what TEXT NOT NULL);"
    "CREATE TEMP TABLE IF NOT EXISTS newly (key TEXT PRIMARY KEY);" /* trained there and not here */
    "DELETE FROM conflict; DELETE FROM newly";

/* The first reason stays. */
static const char conflict_sql[] =
    "INSERT OR IGNORE INTO conflict SELECT key, 'its configuration differs' FROM theirs.run t JOIN main.run r"
    " USING (key) WHERE (t.method, t.train_length, t.seed) <> (r.method, r.train_length, r.seed);"

    "INSERT OR IGNORE INTO conflict SELECT key, 'its training ended differently' FROM theirs.run t"
    " JOIN main.run r USING (key) WHERE t.steps IS NOT NULL AND r.steps IS NOT NULL"
    " AND (t.steps <> r.steps OR t.final_loss IS NOT r.final_loss OR t.diverged_step IS NOT r.diverged_step);"

    "INSERT OR IGNORE INTO conflict SELECT run, 'the loss of step ' || min(step) || ' differs'"
    " FROM theirs.train_log t JOIN main.train_log l USING (run, step) WHERE t.loss IS NOT l.loss GROUP BY "
    "run;"

    "INSERT OR IGNORE INTO conflict SELECT run, 'its evaluation at length ' || min(length) || ' differs'"
    " FROM " EVALUATIONS_OF_BOTH " WHERE t.nll_sum IS NOT e.nll_sum OR t.tokens <> e.tokens"
    " OR t.windows <> e.windows OR t.status <> e.status GROUP BY run;";

/* From `theirs` to `main`, in this order; ? is the number of the last evaluation that was there before. */
static const char *const merge_sql[] = {
    "INSERT INTO newly SELECT key FROM theirs.run t WHERE steps IS NOT NULL AND key " NO_CONFLICT
    " AND NOT EXISTS (SELECT 1 FROM main.run r WHERE r.key = t.key AND r.steps IS NOT NULL)",

    "INSERT INTO main.corpus (hash, tokenizer, vocabulary, train_tokens, valid_tokens, test_tokens, "
    "documents,"
    " bytes_per_token) SELECT hash, tokenizer, vocabulary, train_tokens, valid_tokens, test_tokens, "
    "documents,"
    " bytes_per_token FROM theirs.corpus WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO main.run (" MERGE_PLANNED_COLUMNS ", status, reason, started, finished, corpus_id)"
    " SELECT " MERGE_PLANNED_COLUMNS
    ", iif(status = 'running', 'pending', status), reason, started, finished,"
    " (SELECT c.id FROM main.corpus c JOIN theirs.corpus t USING (hash, tokenizer, vocabulary)"
    "  WHERE t.id = r.corpus_id)"
    " FROM theirs.run r WHERE key " NO_CONFLICT " ON CONFLICT DO NOTHING",

    "UPDATE main.run SET (status, reason, started, finished, " RUN_TRAINING_COLUMNS ") = (SELECT"
    " iif(status = 'running', 'pending', status), reason, started, finished, " RUN_TRAINING_COLUMNS
    " FROM theirs.run t WHERE t.key = run.key) WHERE key IN newly",

    "INSERT INTO main.train_log (run, step, loss, rate, norm) SELECT run, step, loss, rate, norm"
    " FROM theirs.train_log WHERE run IN newly",

    "INSERT INTO main.evaluation (" EVALUATION_KEY_COLUMNS ", " EVALUATION_VALUE_COLUMNS
    ") SELECT " EVALUATION_KEY_COLUMNS ", " EVALUATION_VALUE_COLUMNS
    " FROM theirs.evaluation WHERE run " NO_CONFLICT " ORDER BY id ON CONFLICT DO NOTHING",

    "INSERT INTO main.evaluation_window (evaluation, window, nll_sum, tokens)"
    " SELECT e.id, w.window, w.nll_sum, w.tokens FROM theirs.evaluation_window w"
    " JOIN theirs.evaluation t ON t.id = w.evaluation JOIN main.evaluation e USING (" EVALUATION_KEY_COLUMNS
    ")"
    " WHERE e.id > ?",

    "INSERT INTO main.position_loss (evaluation, bin, first, last, nll_sum, tokens)"
    " SELECT e.id, b.bin, b.first, b.last, b.nll_sum, b.tokens FROM theirs.position_loss b"
    " JOIN theirs.evaluation t ON t.id = b.evaluation JOIN main.evaluation e USING (" EVALUATION_KEY_COLUMNS
    ")"
    " WHERE e.id > ?",

    /* A point needs its run: those of conflicts are here already. */
    "INSERT INTO main.point (experiment, ordinal, run, variant) SELECT m.id, p.ordinal, p.run, p.variant"
    " FROM theirs.point p JOIN theirs.experiment x ON x.id = p.experiment JOIN main.experiment m"
    " ON (m.name, m.config) = (x.name, x.config) WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO main.request (experiment, " EVALUATION_KEY_COLUMNS ", stride_rule, added)"
    " SELECT m.id, q.run, q.split, q.protocol, q.length, q.stride, q.requested, q.precision, q.variant,"
    " q.variant_options, q.stride_rule, q.added"
    " FROM theirs.request q JOIN theirs.experiment x ON x.id = q.experiment JOIN main.experiment m"
    " ON (m.name, m.config) = (x.name, x.config) JOIN main.point p ON (p.experiment, p.run) = (m.id, q.run)"
    " WHERE true ON CONFLICT DO NOTHING",

    "INSERT INTO main.reference SELECT * FROM theirs.reference EXCEPT SELECT * FROM main.reference",

    "INSERT INTO main.bench (" BENCH ") SELECT " BENCH " FROM theirs.bench EXCEPT SELECT " BENCH
    " FROM main.bench",

    "INSERT INTO main.bench_result SELECT m.id, r.method, r.label, r.length, r.phase, r.tokens_per_second,"
    " r.tokens_per_second_low, r.tokens_per_second_high, r.flops_per_second, r.share, r.ratio, r.ratio_low,"
    " r.ratio_high, r.peak_bytes FROM theirs.bench_result r JOIN theirs.bench t ON t.id = r.bench"
    " JOIN main.bench m ON (m.created, m.host, m.threads, m.precision, m.config) ="
    " (t.created, t.host, t.threads, t.precision, t.config) WHERE true ON CONFLICT DO NOTHING",
};

typedef struct Merge {
    const char *path;
    const char *said; /* to be printed after the transaction */
    int64_t conflicts;
} Merge;

/* Adds a line about the other database, "PATH: LINE". */
static void add_line(Merge *merge, const char *line, Arena *arena) {
    line = arena_format(arena, "%s: %s", merge->path, line);
    merge->said = arena_format(arena, "%s%s\n", merge->said, escape_text(ESCAPE_LINE, line, arena));
}

/* Adds a line for each row of a query, two columns each. */
static bool say_rows(Database *store, Merge *merge, const char *kind, const char *sql, int64_t *count,
                     Error *err) {
    Arena *arena = database_arena(store);
    Query *query = query_begin(store, sql, NULL);
    for (*count = 0; query_next(query); ++*count)
        add_line(merge, arena_format(arena, "%s %s: %s", kind, query_text(query, 0), query_text(query, 1)),
                 arena);
    return query_end(query, err);
}

static bool merge_attached(Database *store, void *user, Error *err) {
    Merge *merge = user;
    int64_t last = 0, runs = 0, evaluations = 0, before = 0, kept = 0;
    bool ok =
        database_execute(store, err, create_sql) && database_execute(store, err, conflict_sql) &&
        say_rows(store, merge, "conflict in run", "SELECT key, what || '; kept as it is here' FROM conflict",
                 &merge->conflicts, err) &&
        say_rows(store, merge, "experiment",
                 "SELECT name, 'its configuration is another one here, which stays; its runs come in'"
                 " FROM theirs.experiment t JOIN main.experiment x USING (name) WHERE t.config <> x.config",
                 &kept, err) &&
        database_execute(store, err,
                         "INSERT INTO main.experiment (name, config, created) SELECT name, config, created"
                         " FROM theirs.experiment WHERE true ON CONFLICT DO NOTHING") &&
        DATABASE_GET(store, err, &last, "SELECT coalesce(max(id), 0) FROM main.evaluation") &&
        DATABASE_GET(store, err, &before, "SELECT count(*) FROM main.evaluation");
    const DatabaseValue value = database_int(last);
    for (int i = 0; ok && i < COUNT_OF(merge_sql); i++)
        ok = database_step(store, err, NULL, merge_sql[i], &value, strchr(merge_sql[i], '?') != NULL);
    ok = ok && DATABASE_GET(store, err, &runs, "SELECT count(*) FROM newly") &&
         DATABASE_GET(store, err, &evaluations, "SELECT count(*) FROM main.evaluation");
    add_line(merge,
             arena_format(database_arena(store),
                          "%lld trained runs and %lld evaluations added, %lld conflicts", (long long)runs,
                          (long long)(evaluations - before), (long long)merge->conflicts),
             database_arena(store));
    return ok;
}

static bool merge_one(Database *store, const char *path, FILE *out, int64_t *conflicts, Error *err) {
    struct stat ours, others;
    if (stat(database_path(store), &ours) == 0 && stat(path, &others) == 0 && ours.st_dev == others.st_dev &&
        ours.st_ino == others.st_ino)
        return error_set(err, EXIT_USAGE, "'%s' is the database itself; name the databases to add", path);
    Merge merge = {.path = path, .said = ""};
    if (!database_import(store, path, "database", merge_attached, &merge, err)) return false;
    fputs(merge.said, out);
    *conflicts = merge.conflicts;
    return true;
}

bool merge_databases(Database *store, const char *const *others, FILE *out, int64_t *conflicts, Error *err) {
    *conflicts = 0;
    for (int i = 0; others[i]; i++) {
        int64_t found = 0;
        if (!merge_one(store, others[i], out, &found, err)) return false;
        *conflicts += found;
    }
    return true;
}
