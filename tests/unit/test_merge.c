/* test_merge: merging databases.
 *
 * Imported rows are complete, existing rows are kept, and conflicts are named and left out. Two evaluations
 * are different as soon as one of their identifying columns differs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "samples.h"

#include <string.h>
#include <unistd.h>

#include "store/merge.h"
#include "store/internal.h"
#include "store/schema.h"
#include "store/runs.h"

static const Plan *plan; /* two methods, three lengths */
static const double perplexities[2][3] = {{4, 5, 6}, {7, 8, 9}};

static int setup(void **state) {
    if (sample_setup(state)) return 1;
    plan = sample_plan(SAMPLE_TWO_METHODS);
    return 0;
}

/* A database of the plan with the results of the first `first` runs or, if negative, of the others. All have
   the same times. */
static void make(const char *path, int first, bool evaluated) {
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        if (first < 0 ? i >= -first : i < first)
            sample_import(
                store, sample_record(&plan->points[i], RUN_DONE, NULL, evaluated ? perplexities[i] : NULL));
    database_close(store);
    dump_change("x.db", "UPDATE run SET started = 's', finished = iif(steps IS NULL, NULL, 'f');"
                        "UPDATE evaluation SET finished = 'f'; UPDATE experiment SET created = 'c'");
    assert_int_equal(rename("x.db", path), 0);
}

static char said[8192];

/* Merges into ours.db; returns the number of conflicts. The printed text is in `said`. */
static int merge(const char *first, const char *second) {
    Error err;
    int64_t conflicts = -1;
    Database *store = database_open("ours.db", DATABASE_CREATE, &err);
    if (!store) fail_msg("%s", err.text);
    FILE *out = fmemopen(said, sizeof said, "w");
    if (!merge_databases(store, (const char *const[]){first, second, NULL}, false, out, &conflicts, &err))
        fail_msg("%s", err.text);
    fclose(out);
    database_close(store);
    return (int)conflicts;
}

/* Rows in the tables that runs do not write. */
static const char others[] =
    "INSERT INTO reference VALUES ('Paper', 'd', 'valid', 'rotary', 100, 200, 100, 'perplexity', 20.5);"
    "INSERT INTO bench (id, created, revision, host, cpu, blas, machine, threads, precision, config, "
    "reference,"
    " gemm_rate) VALUES (7, 'c', 'r', 'h', 'p', 'b', '{}', 1, 'fp32', '{}', 'none', 1e9);"
    "INSERT INTO bench_result VALUES (7, 'rotary', 'Rotary', 64, 'train', 1, 2, 3, 4, 5, 6, 7, 8, 9)";

/* All rows of all tables, into a new database and into one with the same plan. */
static void comes_whole(void **state) {
    (void)state;
    make("theirs.db", 2, true);
    dump_change("theirs.db", others);
    for (int planned = 0; planned < 2; planned++) {
        if (planned) make("ours.db", 0, true);
        assert_int_equal(merge("theirs.db", NULL), 0);
        assert_non_null(strstr(said, "theirs.db: 2 trained runs and 6 evaluations added, 0 conflicts"));
        dump_expect("ours.db", dump_of("theirs.db"), "merged");
        assert_int_equal(merge("theirs.db", "theirs.db"), 0);
        assert_non_null(strstr(said, "0 trained runs and 0 evaluations added, 0 conflicts"));
        dump_expect("ours.db", dump_of("theirs.db"), "merged again");
        assert_int_equal(unlink("ours.db"), 0);
    }
}

/* Evaluations have other row numbers in the two databases; windows and bins follow their evaluation. */
static void two_halves(void **state) {
    (void)state;
    make("whole.db", 2, true);
    make("ours.db", -1, true);
    make("theirs.db", 1, true);
    dump_change("ours.db",
                "INSERT INTO reference VALUES ('Mine', NULL, NULL, 'rotary', 1, NULL, NULL, 'x', 2)");
    dump_change("whole.db",
                "INSERT INTO reference VALUES ('Mine', NULL, NULL, 'rotary', 1, NULL, NULL, 'x', 2)");
    assert_int_equal(merge("theirs.db", NULL), 0);
    dump_expect("ours.db", dump_of("whole.db"), "two halves");
}

/* Unfinished runs of the other database change nothing; runs in progress there are pending here. */
static void unfinished(void **state) {
    (void)state;
    make("theirs.db", 0, true);
    dump_change("theirs.db", "UPDATE run SET status = 'running'");
    assert_int_equal(merge("theirs.db", NULL), 0);
    dump_change("theirs.db", "UPDATE run SET status = 'pending'");
    dump_expect("ours.db", dump_of("theirs.db"), "running there, new here");
    assert_int_equal(unlink("ours.db"), 0);

    make("ours.db", 2, true);
    const char *before = dump_of("ours.db");
    dump_change("theirs.db", "UPDATE run SET status = 'failed', reason = 'x'");
    assert_int_equal(merge("theirs.db", NULL), 0);
    dump_expect("ours.db", before, "failed there, done here");

    make("theirs.db", 2, false);
    dump_change("theirs.db", "UPDATE run SET status = 'running'"); /* being evaluated */
    make("ours.db", 0, true);
    assert_int_equal(merge("theirs.db", NULL), 0);
    dump_change("theirs.db", "UPDATE run SET status = 'pending'");
    dump_expect("ours.db", dump_of("theirs.db"), "trained there, pending here");
}

/* If the numbers agree, the rows of this database are kept. */
static void what_is_there_stays(void **state) {
    (void)state;
    make("ours.db", 2, true);
    make("theirs.db", 2, true);
    const char *before = dump_of("ours.db");
    dump_change("theirs.db",
                "UPDATE run SET label = 'L', status = 'failed', reason = 'r', started = '1', "
                "finished = '2', revision = 'o',"
                " host = 'o', cpu = 'o', blas = 'o', threads = 9, train_seconds = 99, peak_bytes = "
                "9, machine = '{}', ranks = 9;"
                "UPDATE train_log SET rate = 9, norm = 9;"
                "UPDATE evaluation SET seconds = 99, peak_bytes = 9, finished = '2', revision = 'o', "
                "host = 'o', cpu = 'o',"
                " blas = 'o', threads = 9; UPDATE position_loss SET nll_sum = 9; UPDATE "
                "evaluation_window SET nll_sum = 9");
    assert_int_equal(merge("theirs.db", NULL), 0);
    dump_expect("ours.db", before, "other provenance");
}

/* Each number that can differ. A conflicting run is left out completely; new evaluations of the other run are
   imported. */
static void conflicts(void **state) {
    (void)state;
    static const struct {
        const char *sql, *what; /* of the first run, ? */
    } cases[] = {
        {"UPDATE run SET method = 'x' WHERE key = ?", "its configuration differs"},
        {"UPDATE run SET train_length = 17 WHERE key = ?", "its configuration differs"},
        {"UPDATE run SET seed = 2 WHERE key = ?", "its configuration differs"},
        {"UPDATE run SET steps = 4 WHERE key = ?", "its training ended differently"},
        {"UPDATE run SET final_loss = final_loss + 1e-12 WHERE key = ?", "its training ended differently"},
        {"UPDATE run SET final_loss = NULL WHERE key = ?", "its training ended differently"},
        {"UPDATE run SET diverged_step = 3 WHERE key = ?", "its training ended differently"},
        {"UPDATE train_log SET loss = loss + 1e-12 WHERE step > 1 AND run = ?", "the loss of step 2 differs"},
        {"UPDATE train_log SET loss = loss - 1e-12 WHERE step = 3 AND run = ?", "the loss of step 3 differs"},
        {"UPDATE train_log SET loss = NULL WHERE step = 1 AND run = ?", "the loss of step 1 differs"},
        {"UPDATE evaluation SET nll_sum = nll_sum + 1e-9 WHERE length = 32 AND run = ?",
         "its evaluation at length 32 differs"},
        {"UPDATE evaluation SET nll_sum = nll_sum - 1e-9 WHERE length > 16 AND run = ?",
         "its evaluation at length 32 differs"},
        {"UPDATE evaluation SET nll_sum = NULL WHERE length = 64 AND run = ?",
         "its evaluation at length 64 differs"},
        {"UPDATE evaluation SET tokens = tokens - 1 WHERE length = 16 AND run = ?",
         "its evaluation at length 16 differs"},
        {"UPDATE evaluation SET windows = windows + 1 WHERE length = 16 AND run = ?",
         "its evaluation at length 16 differs"},
        {"UPDATE evaluation SET status = 'beyond_limit' WHERE length = 16 AND run = ?",
         "its evaluation at length 16 differs"},
    };
    static const char more[] =
        "INSERT INTO evaluation SELECT 99, '%s', split, protocol, 48, 48, requested, status, nll_sum,"
        " tokens, 1, seconds, peak_bytes, finished, revision, host, cpu, blas, threads, precision,"
        " variant, variant_options, method_files FROM evaluation WHERE id = 1;"
        "INSERT INTO evaluation_window VALUES (99, 0, 1.5, 500);"
        "INSERT INTO position_loss VALUES (99, 0, 0, 47, 1.5, 500)";
    const char *key = plan->points[0].key, *other = plan->points[1].key;
    make("before.db", 2, true);
    dump_copy("there.db", "before.db");
    dump_change("there.db", arena_format(sample_arena, more, other));
    const char *wanted = dump_of("there.db");
    dump_change("there.db",
                "UPDATE evaluation SET id = 100 WHERE id = 99; UPDATE evaluation_window SET evaluation = 100"
                " WHERE evaluation = 99; UPDATE position_loss SET evaluation = 100 WHERE evaluation = 99");
    dump_change("there.db", arena_format(sample_arena, more, key)); /* of the conflicting run */
    for (int i = 0; i < COUNT_OF(cases); i++) {
        dump_copy("ours.db", "before.db");
        dump_copy("theirs.db", "there.db");
        const char *sql = cases[i].sql;
        dump_change("theirs.db", arena_format(sample_arena, "%.*s'%s'", (int)(strlen(sql) - 1), sql, key));
        assert_int_equal(merge("theirs.db", NULL), 1);
        const char *line = arena_format(
            sample_arena, "theirs.db: conflict in run %s: %s; kept as it is here\n", key, cases[i].what);
        if (!strstr(said, line)) fail_msg("%s: %s", sql, said);
        assert_non_null(strstr(said, "0 trained runs and 1 evaluations added, 1 conflicts"));
        dump_expect("ours.db", wanted, sql);
    }
    assert_int_equal(merge("theirs.db", "theirs.db"), 2); /* the sum over files */
}

/* An experiment with the same name and another config is kept as in this database; its runs are imported, its
   points are not. */
static void other_experiment(void **state) {
    (void)state;
    make("theirs.db", 2, true);
    make("ours.db", 0, true);
    dump_change(
        "ours.db",
        "PRAGMA foreign_keys = ON; UPDATE experiment SET config = '{}'; DELETE FROM point WHERE ordinal = 1;"
        "DELETE FROM run WHERE key NOT IN (SELECT run FROM point)");
    assert_int_equal(merge("theirs.db", NULL), 0);
    assert_non_null(strstr(
        said, "experiment x: its config differs from the one here, which is kept; its runs are imported"));
    Error err;
    Database *store = database_open("ours.db", DATABASE_READ, &err);
    sample_expect(
        store,
        "SELECT (SELECT count(*) FROM run WHERE steps = 3) || (SELECT count(*) FROM evaluation) ||"
        " (SELECT count(*) FROM point) || (SELECT count(*) FROM request) || (SELECT config FROM experiment)",
        "2613{}");
    database_close(store);
}

/* Inconsistent rows: nothing of that file is imported, and the next file can be. */
static void misfits(void **state) {
    (void)state;
    Error err;
    int64_t found;
    make("ours.db", 1, true);
    make("theirs.db", 2, true);
    make("broken.db", 2, true);
    const char *before = dump_of("ours.db");
    dump_change(
        "broken.db",
        "PRAGMA foreign_keys = OFF; INSERT INTO evaluation SELECT 99, 'nobody', split, protocol, length,"
        " stride, requested, status, nll_sum, tokens, windows, seconds, peak_bytes, finished, revision,"
        " host, cpu, blas, threads, precision, variant, variant_options, method_files FROM evaluation WHERE "
        "id = 1");
    Database *store = database_open("ours.db", DATABASE_WRITE, &err);
    assert_false(
        merge_databases(store, (const char *const[]){"broken.db", NULL}, false, stdout, &found, &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_non_null(strstr(err.text, "'broken.db' cannot be imported"));
    dump_expect("ours.db", before, "nothing of it");
    assert_false(merge_databases(store, (const char *const[]){"none.db", NULL}, false, stdout, &found, &err));
    FILE *out = fmemopen(said, sizeof said, "w");
    assert_true(merge_databases(store, (const char *const[]){"theirs.db", NULL}, false, out, &found, &err));
    fclose(out);
    database_close(store);
    dump_expect("ours.db", dump_of("theirs.db"), "after it");
}

/* --- the identity of an evaluation --- */

/* Another value for each column, as SQL. */
static const struct {
    const char *column, *value;
} alternatives[] = {
    {"run", "'%s'"},          {"split", "'test'"},      {"protocol", "'strided'"},
    {"length", "length + 1"}, {"stride", "stride - 1"}, {"requested", "requested + 1"},
    {"precision", "'bf16'"},  {"variant", "'v'"},       {"variant_options", "'{\"a\":1}'"},
};

static const char *identity(void) {
    return schema_columns("evaluation", SCHEMA_KEY, "", sample_arena);
}

/* The columns in the order of identity(); NULL after the last. */
static const char *identity_column(int index) {
    char *rest = arena_copy(sample_arena, identity()), *name = NULL;
    for (int i = 0; i <= index; i++) name = strsep(&rest, ",");
    return name ? name + strspn(name, " ") : NULL;
}

static const char *alternative(const char *column) {
    for (int i = 0; i < COUNT_OF(alternatives); i++)
        if (!strcmp(alternatives[i].column, column))
            return arena_format(sample_arena, alternatives[i].value, plan->points[1].key);
    fail_msg("no other value for the column '%s' of an evaluation's identity", column);
    return NULL;
}

/* A copy of evaluation 1 that differs in that column and has another loss. */
static const char *twin_sql(const char *column) {
    const char *list = identity(), *at = strstr(list, column);
    const char *rest = schema_columns("evaluation", SCHEMA_REST, "", sample_arena);
    if (!strcmp(column, "variant")) at = strstr(list, "variant,");
    return arena_format(
        sample_arena,
        "INSERT INTO evaluation (id, %s, %s) SELECT 50, %.*s%s%s, %s FROM evaluation WHERE id = 1;"
        "UPDATE evaluation SET nll_sum = nll_sum + 1 WHERE id = 50;"
        "INSERT INTO evaluation_window SELECT 50, window, nll_sum + 1, tokens FROM "
        "evaluation_window WHERE evaluation = 1;"
        "INSERT INTO position_loss SELECT 50, bin, first, last, nll_sum + 1, tokens FROM "
        "position_loss WHERE evaluation = 1",
        list, rest, (int)(at - list), list, alternative(column), at + strlen(column), rest);
}

/* These columns are the schema's key of an evaluation, and join it to a request. */
static void identity_in_the_schema(void **state) {
    (void)state;
    Error err;
    make("ours.db", 1, true);
    dump_copy("before.db", "ours.db");
    Database *store = database_open("ours.db", DATABASE_READ, &err);
    const char *column,
        *key = sample_value(store, "SELECT group_concat(name, ', ') FROM (SELECT i.name FROM"
                                   " pragma_index_list('evaluation') l, pragma_index_info(l.name) i"
                                   " WHERE l.\"unique\" ORDER BY i.seqno)");
    assert_string_equal(key, identity());
    sample_expect(store, "SELECT count(*) FROM outcome WHERE outcome = 'done'", "3");
    database_close(store);
    for (int i = 0; (column = identity_column(i)) != NULL; i++) {
        dump_copy("ours.db", "before.db");
        const char *value = alternative(column);
        dump_change("ours.db",
                    arena_format(sample_arena, "UPDATE evaluation SET %s = %s WHERE id = 1", column, value));
        store = database_open("ours.db", DATABASE_READ, &err);
        const char *done = sample_value(store, "SELECT count(*) FROM outcome WHERE outcome = 'done'");
        const char *wanted = strcmp(column, "run") ? "2" : "3"; /* the other run has the request too */
        if (strcmp(done, wanted))
            fail_msg("an evaluation of another %s is taken for the one that was asked for", column);
        database_close(store);
    }
}

/* Merged or imported, it is added to the existing one, with its own windows and bins. */
static void identity_in_imports(void **state) {
    (void)state;
    Error err;
    const char *column;
    make("before.db", 2, false);
    make("ours.db", 1, true);
    assert_int_equal(merge("before.db", NULL), 0);
    dump_copy("before.db", "ours.db"); /* two trained runs, the first of them evaluated */
    for (int i = 0; (column = identity_column(i)) != NULL; i++)
        for (int imported = 0; imported < 2; imported++) {
            dump_copy("ours.db", "before.db");
            dump_copy("theirs.db", "before.db");
            dump_change("theirs.db", twin_sql(column));
            const char *wanted = dump_of("theirs.db");
            if (!imported) assert_int_equal(merge("theirs.db", NULL), 0);
            Database *store = imported ? database_open("ours.db", DATABASE_WRITE, &err) : NULL;
            if (store && !merge_result(store, "theirs.db", &err)) fail_msg("%s: %s", column, err.text);
            database_close(store);
            dump_expect("ours.db", wanted, column);
        }
}

/* A request is identified by all of its columns. */
static void identity_in_requests(void **state) {
    (void)state;
    static const EvaluateVariant variant = {"v", "{\"a\":1}"}, named = {"w", "{\"a\":1}"},
                                 options = {"v", "{\"a\":2}"};
    PlanPoint *point = &plan->points[0];
    point->requests[1].variant = &variant;
    Database *store = sample_store(plan);
    sample_import(store, sample_record(point, RUN_DONE, NULL, perplexities[0]));
    const EvaluateRequest *asked = &point->requests[1];
    EvaluateRequest others_of[] = {*asked, *asked, *asked, *asked, *asked, *asked, *asked, *asked, *asked};
    int count = 0;
    others_of[count++].split = SPLIT_TEST;
    others_of[count++].protocol = EVALUATE_STRIDED;
    others_of[count++].length++;
    others_of[count++].stride--;
    others_of[count++].tokens++;
    others_of[count++].precision++;
    others_of[count++].variant = NULL;
    others_of[count++].variant = &named;
    others_of[count++].variant = &options;
    assert_int_equal(count, COUNT_OF(others_of));
    assert_true(runs_evaluation(store, point->key, asked) && evaluate_same_request(asked, asked));
    for (int i = 0; i < count; i++)
        if (runs_evaluation(store, point->key, &others_of[i]) ||
            evaluate_same_request(asked, &others_of[i]) || evaluate_same_request(&others_of[i], asked))
            fail_msg("request %d is taken for another", i);
    assert_false(runs_evaluation(store, plan->points[1].key, asked));
    EvaluateVariant copy = {arena_copy(sample_arena, "v"), arena_copy(sample_arena, "{\"a\":1}")};
    others_of[0] = *asked;
    others_of[0].variant = &copy;
    assert_true(runs_evaluation(store, point->key, &others_of[0]) &&
                evaluate_same_request(asked, &others_of[0]));
    database_close(store);
}

/* A database is not merged with itself, under any name: it would wait for its own lock. */
static void not_with_itself(void **state) {
    (void)state;
    Error err = {0};
    int64_t conflicts;
    Database *store = sample_store(sample_plan(SAMPLE_TWO_METHODS));
    assert_int_equal(symlink("x.db", "link.db"), 0);
    static const char *const names[] = {"x.db", "./x.db", "link.db"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        assert_false(
            merge_databases(store, (const char *const[]){names[i], NULL}, false, stdout, &conflicts, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        assert_non_null(strstr(err.text, "is the database itself"));
    }
    database_close(store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(not_with_itself),
        TEST(comes_whole),
        TEST(two_halves),
        TEST(unfinished),
        TEST(conflicts),
        TEST(what_is_there_stays),
        TEST(identity_in_the_schema),
        TEST(misfits),
        TEST(other_experiment),
        TEST(identity_in_imports),
        TEST(identity_in_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
