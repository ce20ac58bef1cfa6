/* test_hostile: values and schema of a database are not trusted.
 *
 * For each column of each table, each of a list of invalid values is put into one row, without types and
 * constraints; then every command that reads is called. None may crash, hang, fail without a message, or fail
 * with a code other than damage or usage; and if one finds the database damaged, `check` must report it too,
 * with the place. The test takes a sample of these cases; `make hostile` takes all (minutes).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "samples.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "store/integrity.h"
#include "store/merge.h"
#include "report/plot.h"
#include "store/reference_import.h"
#include "report/report.h"
#include "store/bench_results.h"
#include "cli/cmd_status.h"
#include "cli/cmd_table.h"
#include "store/runs.h"

static int every = 127; /* one in `every` cases is tested, each with a part of the commands */
static char papers[4096];

/* --- the commands that read --- */

/* Each returns an exit code and, unless it is EXIT_DONE, an error. */
static bool call_status(Database *store, const char *format, FILE *out, Error *err) {
    bool left;
    return cmd_status_print(store, NULL, sample_index(table_format_names, format), &left, out, sample_arena,
                            err);
}

static bool call_table(Database *store, const char *format, FILE *out, Error *err) {
    return cmd_table_print(&store, 1, &(CmdTableOptions){.format = sample_index(table_format_names, format)},
                           out, sample_arena, err);
}

static bool call_ratio(Database *store, const char *rows, FILE *out, Error *err) {
    return cmd_table_print(&store, 1, &(CmdTableOptions){.rows = rows, .ratio = true, .paper = true}, out,
                           sample_arena, err);
}

static bool call_analyse(Database *store, const char *what, FILE *out, Error *err) {
    const AnalysisOptions options = {.what = what,
                                     .claims = arena_format(sample_arena, "%s/claims.json", papers),
                                     .baseline = strcmp(what, "compare") ? NULL : "rotary",
                                     .resamples = 100,
                                     .block = 64};
    return analysis_print(store, &options, out, sample_arena, err);
}

static bool call_plot(Database *store, const char *kind, FILE *out, Error *err) {
    (void)out;
    const PlotOptions options = {
        .kind = sample_index(plot_figure_names, kind), .figure = "figure.svg", .template = "figure.gp"};
    return plot_figure(store, &options, err);
}

static bool call_report(Database *store, const char *unused, FILE *out, Error *err) {
    (void)unused;
    (void)out;
    const char *claims = arena_format(sample_arena, "%s/claims.json", papers);
    return report_write(store, &(ReportOptions){.path = "report.html", .claims = claims}, err);
}

static bool call_export(Database *store, const char *unused, FILE *out, Error *err) {
    (void)unused;
    (void)out;
    Arguments arguments = {.command = &cmd_export, .arena = arena_new(0)};
    const char *const words[] = {"export", "x.db", sample_file("key", NULL), "weights.safetensors",
                                 "--initial"};
    char *line[COUNT_OF(words) + 1] = {0};
    for (int i = 0; i < COUNT_OF(words); i++) line[i] = arena_copy(arguments.arena, words[i]);
    bool fine =
        arguments_parse(&arguments, COUNT_OF(words), line, err) && cmd_export.use(store, &arguments, err);
    arena_free(arguments.arena);
    return fine;
}

static const struct Call {
    const char *name;
    bool (*call)(Database *store, const char *argument, FILE *out, Error *err);
    const char *argument;
} calls[] = {
    {"status", call_status, "text"},
    {"status", call_status, "json"},
    {"status", call_status, "latex"},
    {"table", call_table, "text"},
    {"table", call_table, "latex"},
    {"table", call_table, "csv"},
    {"table", call_table, "json"},
    {"table --ratio --paper", call_ratio, "method,seed"},
    {"analyse", call_analyse, "curves"},
    {"analyse", call_analyse, "matrix"},
    {"analyse", call_analyse, "compare"},
    {"analyse", call_analyse, "short-long"},
    {"analyse", call_analyse, "cost"},
    {"analyse", call_analyse, "early"},
    {"analyse", call_analyse, "positions"},
    {"analyse", call_analyse, "claims"},
    {"analyse", call_analyse, "claim-points"},
    {"plot", call_plot, "curves"},
    {"plot", call_plot, "position"},
    {"plot", call_plot, "cost"},
    {"plot", call_plot, "bias"},
    {"plot", call_plot, "early"},
    {"plot", call_plot, "paper"},
    {"plot", call_plot, "loss"},
    {"report", call_report, ""},
    {"export", call_export, ""},
};

/* An error found by a child is written to the file "wrong". */
static void wrong(const char *command, const char *argument, const char *what) {
    FILE *file = fopen("wrong", "a");
    fprintf(file, "%s %s: %s\n", command, argument, what);
    fclose(file);
}

static void judge(const struct Call *call, bool fine, const Error *err) {
    if (fine) return;
    bool known = err->code == EXIT_SOME_FAILED || err->code == EXIT_USAGE || err->code == EXIT_DAMAGED;
    if (!known || !*err->text)
        wrong(call->name, call->argument, arena_format(sample_arena, "code %d, '%s'", err->code, err->text));
    if (err->code == EXIT_DAMAGED && strstr(err->text, "`poslab check` finds the row"))
        wrong(call->name, call->argument, err->text); /* a rule is missing in store/schema.c */
}

/* Whether `check` finds no problem in the numbers. */
static bool is_sound(FILE *out) {
    Error err = {0};
    int64_t problems = 0;
    Database *store = database_open("x.db", DATABASE_CHECK, &err);
    bool fine = store && integrity_print(store, TABLE_AS_TEXT, out, &problems, &err);
    database_close(store);
    if (!fine && (err.code != EXIT_DAMAGED && err.code != EXIT_USAGE))
        wrong("check", "", arena_format(sample_arena, "code %d, '%s'", err.code, err.text));
    return fine && !problems;
}

static int turn, bad;  /* databases tested; databases with errors */
static int stride = 1; /* one in `stride` commands is tested on each */

static void call_all(void) {
    FILE *out = fopen("/dev/null", "w");
    bool damaged = false;
    for (int i = turn % stride; i < COUNT_OF(calls); i += stride) {
        Error err = {0};
        alarm(20);
        FILE *now = fopen("command", "w");
        fprintf(now, "%s %s", calls[i].name, calls[i].argument);
        fclose(now);
        Database *store = database_open("x.db", DATABASE_READ, &err);
        bool fine = store && calls[i].call(store, calls[i].argument, out, &err);
        database_close(store);
        judge(&calls[i], fine, &err);
        damaged |= !fine && err.code == EXIT_DAMAGED;
        if (!store) break; /* the same for all commands */
    }
    alarm(20);
    FILE *now = fopen("command", "w");
    fputs("check", now);
    fclose(now);
    if (is_sound(out) && damaged) wrong("check", "", "nothing found, though the database is damaged");
    fclose(out);
}

/* Runs commands in a separate process; `what` describes the change to the database. */
static void survive(const char *what) {
    turn++;
    unlink("wrong");
    pid_t child = fork();
    if (child == 0) {
        if (every > 1 && !freopen("said", "w", stderr)) _exit(2);
        call_all();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        wrong(sample_file("command", NULL), "",
              WIFSIGNALED(status) ? arena_format(sample_arena, "signal %d", WTERMSIG(status))
                                  : arena_format(sample_arena, "exit code %d", WEXITSTATUS(status)));
    if (access("wrong", F_OK) != 0) return;
    bad++;
    print_error("after %s\n%s%s", what, sample_file("wrong", NULL),
                every > 1 && access("said", F_OK) == 0 ? sample_file("said", NULL) : "");
}

/* --- a small database with rows in every table --- */

static void make_database(void) {
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, sample_perplexities));
    const char *model = sample_value(store, "SELECT json_extract(config, '$.model') FROM run");
    const BenchResult results[] = {
        {.method = "alibi", .label = "ALiBi", .length = 16, .train = true, .rate = 1},
        {.method = "rotary", .label = "Rotary", .length = 16, .train = true, .rate = 1}};
    const BenchRecord speed = {.precision = "fp32",
                               .reference = "rotary",
                               .config = arena_format(sample_arena, "{\"model\":%s}", model),
                               .threads = 1,
                               .gemm_rate = 1,
                               .results = (BenchResult *)results,
                               .count = 2};
    const char *const files[] = {arena_format(sample_arena, "%s/perplexity.csv", papers), NULL};
    int64_t rows;
    if (!bench_results_write(store, &speed, &err) || !reference_import(store, files, &rows, &err))
        fail_msg("%s", err.text);
    fixture_put_text("key", plan->points[0].key);
    database_close(store);

    /* A gnuplot that draws nothing, to save time. */
    assert_int_equal(mkdir("bin", 0700), 0);
    fixture_put_text("bin/gnuplot", "#!/bin/sh\ncat >/dev/null\necho '<svg></svg>' >&FIGURE\n");
    fixture_put_text("figure.gp", "");
    assert_int_equal(system("sed -i s/FIGURE/9/ bin/gnuplot; chmod +x bin/gnuplot; cp x.db whole.db"), 0);
    char here[4096];
    assert_non_null(getcwd(here, sizeof here));
    setenv("PATH", arena_format(sample_arena, "%s/bin:/usr/bin:/bin", here), 1);
}

/* --- changes to it --- */

static void restore(void) {
    size_t size;
    const char *bytes = sample_file("whole.db", &size);
    fixture_put("x.db", bytes, size);
}

static const char *const values[] = {
    "NULL",
    "''",
    "'garbage'",
    "x'00ff41'",
    "-1",
    "0",
    "1",
    "9223372036854775807",
    "-9223372036854775807 - 1",
    "9e999",
    "-9e999",
    "1e300",
    "'nan'",
    "'{\"train\":'",
    "'{}'",
    "'[]'",
    "'{\"train\":{\"tokens\":{}},\"model\":1}'",
    "replace(hex(zeroblob(40000)), '00', 'ab')",
    "replace(hex(zeroblob(3000)), '0', '[')",
    "char(27, 155, 10) || 'x'",
};

/* Executes one statement without the schema's types and constraints, then restores the schema. */
static bool tamper(const char *sql) {
    static const char loosen[] =
        "PRAGMA synchronous = OFF; PRAGMA writable_schema = ON;"
        "CREATE TABLE kept AS SELECT name, sql FROM sqlite_schema WHERE type = 'table';"
        "UPDATE sqlite_schema SET sql = replace(replace(replace(sql, ') STRICT, WITHOUT ROWID', ') WITHOUT "
        "ROWID'),"
        " ') STRICT', ')'), ' NOT NULL', '') WHERE type = 'table' AND name <> 'kept'";
    static const char fasten[] = "PRAGMA synchronous = OFF; PRAGMA writable_schema = ON; UPDATE "
                                 "sqlite_schema AS s SET sql = (SELECT k.sql FROM kept k WHERE"
                                 " k.name = s.name) WHERE name IN (SELECT name FROM kept); DROP TABLE kept";
    sqlite3 *db;
    assert_int_equal(sqlite3_open("x.db", &db), SQLITE_OK);
    int code = sqlite3_exec(db, loosen, NULL, NULL, NULL);
    sqlite3_close(db);
    if (code) fail_msg("%s", loosen);
    assert_int_equal(sqlite3_open("x.db", &db), SQLITE_OK);
    code = sqlite3_exec(
        db, "PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF", NULL,
        NULL, NULL);
    bool changed = !code && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK && sqlite3_changes(db) > 0;
    if (sqlite3_exec(db, fasten, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    sqlite3_close(db);
    return changed;
}

/* For each column: its name, its table, and a condition that selects one row. */
static const char columns_sql[] =
    "SELECT t.name, c.name, coalesce((SELECT '(' || group_concat('\"' || k.name || '\"') || ') = (SELECT ' ||"
    " group_concat('\"' || k.name || '\"') || ' FROM ' || t.name || ' LIMIT 1)' FROM "
    "pragma_table_info(t.name) k"
    " WHERE k.pk > 0), 'rowid = (SELECT min(rowid) FROM ' || t.name || ')')"
    " FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE "
    "'sqlite%'"
    " ORDER BY t.rowid, c.cid";

static void test_values(void **state) {
    (void)state;
    Error err;
    int number = 0, tried = 0;
    make_database();
    bad = 0;
    survive("nothing");
    stride = every > 1 ? 3 : 1;
    Database *store = database_open("whole.db", DATABASE_READ, &err);
    assert_non_null(store);
    Query *query = query_begin(store, columns_sql, NULL);
    while (query_next(query))
        for (int i = 0; i < COUNT_OF(values); i++) {
            if (number++ % every) continue;
            ArenaMark mark = arena_mark(sample_arena);
            const char *sql =
                arena_format(sample_arena, "UPDATE \"%s\" SET \"%s\" = %s WHERE %s", query_text(query, 0),
                             query_text(query, 1), values[i], query_text(query, 2));
            restore();
            if (tamper(sql)) {
                tried++;
                survive(sql);
            }
            arena_release(sample_arena, mark);
        }
    assert_true(query_end(query, &err));
    database_close(store);
    print_message("%d of %d changes were tried\n", tried, number);
    assert_true(tried > number / every / 2);
    assert_int_equal(bad, 0);
}

/* Schemas other than poslab's, and with additional objects. */
static void test_schemas(void **state) {
    (void)state;
    static const char *const changes[] = {
        "DROP VIEW outcome",
        "DROP VIEW curve; CREATE VIEW curve AS SELECT * FROM curve",
        "DROP VIEW outcome; CREATE VIEW outcome AS SELECT 1",
        "DROP TABLE reference",
        "DROP TABLE bench_result",
        "DROP TABLE train_log; CREATE VIEW train_log AS SELECT * FROM evaluation",
        "ALTER TABLE run ADD COLUMN more",
        "ALTER TABLE run RENAME COLUMN seed TO sead",
        "CREATE TRIGGER t AFTER UPDATE ON run BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TABLE mine (x); CREATE VIEW also AS SELECT * FROM missing",
        "CREATE INDEX i ON run (method); CREATE TABLE sqlite_statistics (x)",
        "CREATE INDEX i ON run (method); ANALYZE; UPDATE sqlite_stat1 SET stat = 'garbage'",
        /* NOLINTNEXTLINE(bugprone-suspicious-missing-comma) */
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET name = 'ran', tbl_name = 'ran' WHERE name = "
        "'run'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'evaluation'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'evaluation'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE VIEW outcome AS SELECT ' WHERE "
        "name ="
        " 'outcome'",
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET type = 'view' WHERE name = 'run'",
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema",
        "DELETE FROM run",
        "DELETE FROM corpus",
        "DELETE FROM experiment",
        "DELETE FROM point",
        "DELETE FROM request",
        "DELETE FROM evaluation",
        "DELETE FROM evaluation_window",
        "DELETE FROM position_loss",
        "DELETE FROM train_log",
        "DELETE FROM evaluation_window WHERE window = 1 AND evaluation = 1",
        "UPDATE evaluation SET nll_sum = 1e308, tokens = 1",
        "UPDATE evaluation_window SET nll_sum = -1e299",
        "UPDATE evaluation_window SET tokens = 1000000000",
        "UPDATE position_loss SET tokens = 0",
        "UPDATE position_loss SET first = 5, last = 3",
        "UPDATE train_log SET step = step + 900000000000000",
        "UPDATE run SET seed = 1, train_length = 1000000000",
        "UPDATE evaluation SET run = (SELECT min(key) FROM run),"
        " requested = id, tokens = 0",
        "UPDATE run SET method = 'unheard of'",
        "UPDATE run SET config = json_set(config, '$.method.name', 'unheard of')",
        "UPDATE run SET config = json_set(config, '$.train.length', 1048576)",
        "UPDATE run SET config = json_set(config, '$.model.layers', 1024)",
        "UPDATE run SET config = json_set(config, '$.train.tokens', json('[]'))",
        "UPDATE run SET config = '{\"train\":{\"tokens\":{\"a\":1}},\"model\":[]}'",
        "UPDATE run SET config = 'garbage'",
        "UPDATE run SET config = ''",
        "UPDATE run SET parameters = 9223372036854775807",
        "UPDATE evaluation SET tokens = 9223372036854775807",
        "UPDATE evaluation_window SET tokens = 9223372036854775807",
        "UPDATE bench SET config = 'foreign'",
        "UPDATE experiment SET config = '{}'",
        "UPDATE experiment SET name = '../../x'",
        "UPDATE request SET variant_options = '{\"a\":[]}', variant = 'v'",
    };
    make_database();
    bad = 0;
    stride = every > 1 ? 2 : 1;
    for (int i = 0; i < COUNT_OF(changes); i++) {
        restore();
        if (!strncmp(changes[i], "UPDATE", 6) || !strncmp(changes[i], "DELETE", 6))
            assert_true(tamper(changes[i]));
        else
            sample_outside(changes[i]); /* SQLite may refuse the last statement */
        survive(changes[i]);
    }
    assert_int_equal(bad, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {TEST(test_schemas), TEST(test_values)};
    if (argc > 1 && !strcmp(argv[1], "all")) every = 1;
    if (!realpath("results/paper", papers)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
