/* test_database: the schema's rules hold, the views agree with the stored sums, and a second import changes
 * nothing.
 *
 * Faults are in test_faults.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/merge.h"
#include "store/runs.h"

static void test_plan(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    sample_expect(store, "PRAGMA application_id", "1886352236");
    sample_expect(store, "PRAGMA user_version", "6");
    sample_expect(store, "PRAGMA journal_mode", "delete");
    sample_expect(store, "PRAGMA synchronous", "3");
    sample_expect(store, "PRAGMA foreign_keys", "1");
    sample_expect(store,
                  "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%STRICT%'", "0");
    sample_expect(
        store, "SELECT group_concat(name) FROM pragma_table_info('curve')",
        "experiment,run_key,method,train_length,seed,split,protocol,stride,eval_length,nll,tokens,perplexity,"
        "bits_per_byte,variant,precision,label,settings,method_name,word_perplexity");
    sample_expect(store, "SELECT group_concat(name, '|') FROM (SELECT name FROM point ORDER BY ordinal)",
                  "rotary|alibi (trainable=true)");
    sample_expect(store,
                  "SELECT group_concat(label, '|') FROM (SELECT label FROM run JOIN point ON run = key"
                  " ORDER BY ordinal)",
                  "Rotary|ALiBi (trainable=true)");
    sample_expect(store, "SELECT group_concat(DISTINCT status) FROM run", "pending");
    sample_expect(store, "SELECT method_options FROM run WHERE method = 'alibi'",
                  "{\"trainable\":true,\"max_exponent\":8,\"shape\":\"linear\"}");
    sample_expect(store,
                  "SELECT tokenizer || vocabulary || ' ' || train_tokens || ' ' || valid_tokens || ' ' || "
                  "test_tokens || ' ' || bytes_per_token FROM corpus",
                  "bytes256 2047 1024 1024 1.0");
    sample_expect(store, "SELECT group_concat(DISTINCT outcome) FROM outcome", "missing");
    assert_int_equal(runs_state(store, plan->points[0].key).status, RUN_PENDING);
    assert_int_equal(runs_state(store, "unheard of").status, RUN_PENDING);
    database_close(store);
}

/* Comments are not part of the schema; everything else is. */
static void test_schema_comments(void **state) {
    (void)state;
    static const struct {
        const char *from, *to;
        bool accepted;
    } cases[] = {{"-- 1-based", "-- counted from 1; it''s \"so", true},
                 {" -- 1-based", "", true},
                 {"step INTEGER NOT NULL, -- 1-based", "step INTEGER, -- NOT NULL, 1-based", false},
                 {"-- 1-based", "more INTEGER, -- 1-based", false},
                 {"loss REAL,", "-- loss REAL,", false}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *path = arena_format(sample_arena, "comments%d.db", i);
        const char *sql =
            arena_format(sample_arena,
                         "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql,"
                         " '%s', '%s') WHERE name = 'train_log'",
                         cases[i].from, cases[i].to);
        Error err = {0};
        sqlite3 *db;
        database_close(database_open(path, DATABASE_CREATE, &err));
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_changes(db), 1);
        sqlite3_close(db);
        Database *store = database_open(path, DATABASE_READ, &err);
        if (!store != !cases[i].accepted) fail_msg("%s: %s", cases[i].to, store ? "accepted" : err.text);
        if (!store) assert_non_null(strstr(err.text, "its schema is not that of version"));
        database_close(store);
        unlink(path);
    }
}

static void test_variants(void **state) {
    (void)state;
    const Plan *plan = sample_plan(
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
        "\"method\": \"alibi\", \"sweep\": {\"train.seed\": [1, 2], \"train.optimizer.lr\": [0.01, 0.5], "
        "\"model.activation\": [\"relu\", \"gelu\"]}");
    Database *store = sample_store(plan);
    sample_expect(store, "SELECT count(DISTINCT variant) FROM point", "4");
    sample_expect(store, "SELECT variant FROM point WHERE ordinal = 0",
                  "model.activation=relu train.optimizer.lr=0.01");
    database_close(store);
}

/* Sections with different protocols for some lengths: two sections, one point; each request keeps the rule of
   its section. */
static void test_sections(void **state) {
    (void)state;
    Database *store = sample_store(sample_plan(
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, \"method\": \"alibi\", "
        "\"sweep\": {\"evaluate\": [{\"tokens\": 500, \"multiples\": [1, 2]}, {\"tokens\": 500, "
        "\"multiples\": [1, 4], \"protocols\": [{\"name\": \"strided\", \"stride\": 0.25}]}]}"));
    sample_expect(store, "SELECT count(*) FROM point", "1");
    sample_expect(store,
                  "SELECT group_concat(length || ' ' || stride_rule, ', ') FROM"
                  " (SELECT length, stride_rule FROM request ORDER BY 2, 1)",
                  "16 0.25 L, 64 0.25 L, 16 L, 32 L");
    database_close(store);
}

/* A different learning rate for each method is part of the method. Two rates of one method are a setting. */
static void test_tuning(void **state) {
    (void)state;
    const char *sweep =
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
        "\"sweep\": {\"method\": [\"alibi\", \"rotary\"], \"train.optimizer.lr\": [0.01, 0.5], "
        "\"train.seed\": [1, 2]}, \"exclude\": [{\"method\": \"alibi\", \"train.optimizer.lr\": 0.5}%s]";
    Database *store = sample_store(sample_plan(
        arena_format(sample_arena, sweep, ", {\"method\": \"rotary\", \"train.optimizer.lr\": 0.01}")));
    sample_expect(store, "SELECT count(*) || group_concat(DISTINCT variant) FROM point", "4");
    database_close(store);
    store = sample_store(sample_plan(arena_format(sample_arena, sweep, "")));
    sample_expect(store, "SELECT group_concat(DISTINCT variant) FROM point",
                  "train.optimizer.lr=0.01,train.optimizer.lr=0.5");
    database_close(store);
}

/* An option that depends on the training length, such as a budget, is not a setting; one that also differs
   within a length is. */
static void test_budget_by_length(void **state) {
    (void)state;
    const char *sweep = "\"sweep\": {\"method\": [\"alibi\", \"rotary\"], \"train\": ["
                        "{\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
                        "{\"length\": 32, \"tokens\": 192, \"tokens_per_step\": 32}%s]}";
    Database *store = sample_store(sample_plan(arena_format(sample_arena, sweep, "")));
    sample_expect(store, "SELECT count(*) || group_concat(DISTINCT variant) FROM point", "4");
    database_close(store);
    store = sample_store(sample_plan(
        arena_format(sample_arena, sweep, ", {\"length\": 32, \"tokens\": 384, \"tokens_per_step\": 32}")));
    sample_expect(store, "SELECT group_concat(variant) FROM (SELECT DISTINCT variant FROM point ORDER BY 1)",
                  "train.tokens=192,train.tokens=384,train.tokens=96");
    database_close(store);
}

static void test_schema(void **state) {
    (void)state;
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    const char *before = sample_dump();
    assert_int_equal(sample_outside("UPDATE run SET seed = 'one'"), SQLITE_CONSTRAINT);
    assert_int_equal(sample_outside("UPDATE run SET status = 'lost'"), SQLITE_CONSTRAINT);
    assert_int_equal(sample_outside("UPDATE run SET corpus_id = 99"), SQLITE_CONSTRAINT);
    assert_int_equal(sample_outside("INSERT INTO train_log (run, step) VALUES ('nobody', 1)"),
                     SQLITE_CONSTRAINT);
    assert_int_equal(sample_outside("INSERT INTO experiment (name, config, created) VALUES ('x', '', '')"),
                     SQLITE_CONSTRAINT);
    assert_string_equal(sample_dump(), before);
}

/* A trigger in a database, which poslab never creates, has no effect. */
static void test_triggers(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    database_close(sample_store(plan));
    assert_int_equal(sample_outside("CREATE TRIGGER t AFTER INSERT ON evaluation BEGIN DELETE FROM"
                                    " evaluation_window; DELETE FROM evaluation; END"),
                     SQLITE_OK);
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities));
    sample_expect(store, "SELECT count(*) FROM evaluation", "3");
    database_close(store);
}

/* A connection of the program trusts no schema: every view can be read nevertheless. */
static void test_every_view(void **state) {
    (void)state;
    Error err;
    Database *store = sample_store(sample_plan(SAMPLE_TWO_METHODS));
    const char *names[64] = {NULL};
    int count = 0;
    Query *query = query_begin(store, "SELECT name FROM sqlite_schema WHERE type = 'view'", NULL);
    while (query_next(query)) names[count++] = arena_copy(sample_arena, query_text(query, 0));
    assert_true(query_end(query, &err));
    assert_true(count >= 4 && count < COUNT_OF(names));
    for (int i = 0; i < count; i++) {
        query = query_begin(store, arena_format(sample_arena, "SELECT * FROM %s", names[i]), NULL);
        while (query_next(query)) assert_non_null(query_text(query, 0));
        if (!query_end(query, &err)) fail_msg("%s: %s", names[i], err.text);
    }
    database_close(store);
}

/* Every number of the views, computed again from the tables. */
static void test_views(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, sample_perplexities));
    int rows = 0;
    Query *query =
        query_begin(store,
                    "SELECT experiment, run_key, eval_length, nll, tokens, perplexity, bits_per_byte,"
                    " stride, split, protocol, (SELECT sum(w.nll_sum) FROM evaluation_window w JOIN"
                    " evaluation e ON e.id = w.evaluation WHERE e.run = run_key AND e.length ="
                    " eval_length), method_name, train_length, seed FROM curve ORDER BY method, eval_length",
                    NULL);
    for (; query_next(query); rows++) {
        assert_string_equal(query_text(query, 0), "x");
        assert_string_equal(query_text(query, 1), plan->points[rows < 3].key);
        assert_int_equal(query_int(query, 2), 16 << rows % 3);
        assert_int_equal(query_int(query, 4), 500);
        double mean = query_real(query, 3) / 500;
        assert_true(query_real(query, 5) == exp(mean));
        assert_true(fabs(query_real(query, 5) / sample_perplexities[rows % 3] - 1) < 1e-12);
        assert_true(fabs(query_real(query, 6) - mean / log(2)) < 1e-12);
        assert_int_equal(query_int(query, 7), query_int(query, 2));
        assert_string_equal(query_text(query, 8), "valid");
        assert_string_equal(query_text(query, 9), "nonoverlapping");
        assert_true(query_real(query, 10) == query_real(query, 3));
        assert_string_equal(query_text(query, 11), rows < 3 ? "alibi" : "rotary");
        assert_int_equal(query_int(query, 12), 16);
        assert_int_equal(query_int(query, 13), 1);
    }
    assert_true(query_end(query, &err));
    assert_int_equal(rows, 6);
    sample_expect(store, "SELECT count(*) FROM evaluation_window", "112"); /* 2 (32 + 16 + 8) */
    sample_expect(store,
                  "SELECT group_concat(first || '-' || last || ':' || nll_sum || '/' || tokens, ' ')"
                  " FROM position_loss WHERE evaluation = 1",
                  "0-0:2.0/32 1-15:3.0/468");
    sample_expect(
        store,
        "SELECT group_concat(step || ' ' || loss || ' ' || rate || ' ' || norm) FROM train_log WHERE run ="
        " (SELECT key FROM run WHERE method = 'alibi')",
        "1 3.0 0.1 1.0,2 1.5 0.1 1.0,3 1.0 0.1 1.0");
    sample_expect(
        store,
        "SELECT DISTINCT steps || ' ' || train_tokens || ' ' || train_seconds || ' ' || final_loss || ' ' ||"
        " peak_bytes || ' ' || (host <> '') || (cpu <> '') || (blas <> '') || (threads > 0) ||"
        " (finished LIKE '20__-__-__T__:__:__Z') || (revision <> '') FROM run",
        "3 96 1.5 2.25 4096 111111");
    database_close(store);
}

static void test_status(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    const char *key = plan->points[0].key;
    assert_true(runs_set_status(store, key, RUN_RUNNING, NULL, &err));
    assert_int_equal(runs_state(store, key).status, RUN_RUNNING);
    sample_expect(store, "SELECT count(*) FROM run WHERE started LIKE '20%Z' AND finished IS NULL", "1");
    assert_true(runs_set_status(store, key, RUN_FAILED, "killed by signal 9", &err));
    assert_int_equal(runs_state(store, key).status, RUN_FAILED);
    sample_expect(store, "SELECT reason FROM run WHERE status = 'failed' AND finished LIKE '20%Z'",
                  "killed by signal 9");
    sample_expect(store, "SELECT group_concat(outcome) FROM outcome WHERE ordinal = 0",
                  "failed,failed,failed");
    assert_false(runs_set_status(store, "nobody", RUN_DONE, NULL, &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_non_null(strstr(err.text, "run nobody was deleted from database '"));
    database_close(store);
}

static void test_import_twice(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const PlanPoint *point = &plan->points[0];
    Database *store = sample_store(plan);
    assert_false(runs_evaluation(store, point->key, &point->requests[1]));
    sample_import(store, sample_record(point, RUN_DONE, NULL, sample_perplexities));
    assert_int_equal(runs_state(store, point->key).status, RUN_DONE);
    assert_true(runs_evaluation(store, point->key, &point->requests[1]));
    const char *before = sample_dump();
    if (!merge_result(store, "result.db", &err)) fail_msg("%s", err.text);
    assert_string_equal(sample_dump(), before);

    /* Evaluated again without training: stored evaluations and training are kept. */
    RunRecord again = *sample_record(point, RUN_DONE, NULL, (double[]){9, 9, 9});
    again.training = NULL;
    sample_import(store, &again);
    assert_int_equal(system("sed -i '/^INSERT INTO run VALUES/d' dump.sql"), 0); /* `finished` may differ */
    const char *expected = sample_file("dump.sql", NULL);
    sample_dump();
    assert_int_equal(system("sed -i '/^INSERT INTO run VALUES/d' dump.sql"), 0);
    assert_string_equal(sample_file("dump.sql", NULL), expected);
    sample_expect(store, "SELECT steps FROM run WHERE status = 'done'", "3");

    /* A run that is not planned in this database is imported with its corpus. */
    database_close(store);
    assert_int_equal(unlink("x.db"), 0);
    store = database_open("x.db", DATABASE_CREATE, &err);
    assert_non_null(store);
    sample_import(store, sample_record(point, RUN_DONE, NULL, sample_perplexities));
    sample_expect(
        store, "SELECT count(*) FROM run JOIN corpus ON corpus.id = corpus_id JOIN evaluation ON run = key",
        "3");
    database_close(store);
}

/* Numbers that are not finite are NULL everywhere, and do not prevent an import. */
static void test_not_finite(void **state) {
    (void)state;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DIVERGED, "loss is nan at step 3", NULL));
    sample_expect(
        store,
        "SELECT status || ' ' || reason || ' ' || diverged_step || ' ' || (final_loss IS NULL) FROM run"
        " WHERE steps = 3",
        "diverged loss is nan at step 3 3 1");
    sample_expect(store, "SELECT group_concat(ifnull(loss, 'NULL')) FROM train_log", "3.0,1.5,NULL");
    sample_expect(store, "SELECT group_concat(outcome) FROM outcome WHERE ordinal = 0",
                  "diverged,diverged,diverged");

    RunRecord record = *sample_record(&plan->points[1], RUN_DONE, NULL, (double[]){INFINITY, 1e200, 4});
    EvaluateResult *evaluations = (EvaluateResult *)record.evaluations;
    evaluations[1].nll = 710.0 * (double)evaluations[1].tokens;
    evaluations[2] = (EvaluateResult){.request = evaluations[2].request, .beyond_limit = true, .nll = 1};
    sample_import(store, &record);
    sample_expect(store, "SELECT group_concat(outcome) FROM outcome WHERE ordinal = 1",
                  "diverged,diverged,beyond_limit");
    sample_expect(store,
                  "SELECT group_concat(ifnull(nll, 'NULL') || ' ' || ifnull(perplexity, 'NULL')) FROM curve",
                  "NULL NULL,355000.0 NULL");
    sample_expect(store, "SELECT count(*) FROM evaluation WHERE status = 'beyond_limit' AND nll_sum IS NULL",
                  "1");
    assert_true(runs_evaluation(store, plan->points[1].key, &plan->points[1].requests[2]));
    database_close(store);
}

/* The experiment as configured now: removed points keep their results but leave the experiment. */
static void test_replan(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, sample_perplexities));
    const char *before = sample_dump();
    assert_true(runs_store_plan(store, plan, &err));
    assert_string_equal(sample_dump(), before);

    plan = sample_plan(
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
        "\"evaluate\": {\"tokens\": 500, \"multiples\": [1, 8], \"protocols\": [\"nonoverlapping\", "
        "{\"name\": \"strided\", \"stride\": 0.5}]}, \"method\": \"rotary\"");
    assert_true(runs_store_plan(store, plan, &err));
    sample_expect(store, "SELECT count(*) FROM run JOIN evaluation ON run = key", "6");
    sample_expect(store, "SELECT count(*) FROM curve", "3");
    sample_expect(
        store,
        "SELECT group_concat(stride_rule || ' ' || eval_length || ' ' || stride || ' ' || outcome, '; ')"
        " FROM (SELECT * FROM outcome ORDER BY stride_rule, eval_length)",
        "0.5 L 16 8 missing; 0.5 L 128 64 missing; L 16 16 done; L 128 128 missing");
    sample_expect(store, "SELECT group_concat(label) FROM run JOIN point ON run = key", "Rotary");
    database_close(store);
}

/* The same run with other options, or in another precision, is another evaluation. */
static void test_changed_after_training(void **state) {
    (void)state;
    static const EvaluateVariant variant = {"stretched", "{\"base\":20000}"};
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    PlanPoint *point = &plan->points[0];
    EvaluateRequest plain = point->requests[1];
    point->requests[1].variant = &variant;
    point->requests[2].length = plain.length;
    point->requests[2].stride = plain.stride;
    Database *store = sample_store(plan);
    sample_import(store, sample_record(point, RUN_DONE, NULL, (double[]){4, 5, 6}));
    assert_true(runs_evaluation(store, point->key, &plain));
    assert_true(runs_evaluation(store, point->key, &point->requests[1]));
    static const EvaluateVariant other = {"stretched", "{\"base\":30000}"};
    plain.variant = &other;
    assert_false(runs_evaluation(store, point->key, &plain));
    sample_expect(store,
                  "SELECT group_concat(eval_variant || eval_variant_options || eval_precision || ' ' ||"
                  " round(perplexity, 9), '; ') FROM (SELECT * FROM outcome WHERE run_key = (SELECT min(run)"
                  " FROM point WHERE ordinal = 0) AND eval_length = 32 ORDER BY eval_variant)",
                  "{}fp32 6.0; stretched{\"base\":20000}fp32 5.0");
    sample_expect(store,
                  "SELECT group_concat(variant || precision || ' ' || round(perplexity, 9), '; ')"
                  " FROM (SELECT * FROM curve WHERE eval_length = 32 ORDER BY variant)",
                  "fp32 6.0; stretchedfp32 5.0");
    database_close(store);
}

static void test_queries(void **state) {
    (void)state;
    Error err;
    Database *store = sample_store(sample_plan(SAMPLE_TWO_METHODS));
    const char *const parameters[] = {"a", "b", NULL};
    Query *query = query_begin(store, "SELECT ?1 || ?2, NULL, 1.5, 7", parameters);
    Query *other = query_begin(store, "SELECT 2", NULL);
    assert_true(query_next(query) && query_next(other));
    assert_string_equal(query_text(query, 0), "ab");
    assert_string_equal(query_text(query, 1), "");
    assert_true(isnan(query_real(query, 1)) && query_is_null(query, 1));
    assert_true(query_real(query, 2) == 1.5);
    assert_int_equal(query_int(query, 3), 7);
    assert_int_equal(query_int(other, 0), 2);
    assert_false(query_next(query));
    assert_true(query_end(query, &err) && query_end(other, &err));
    assert_string_equal(database_path(store), "x.db");
    database_close(store);
    database_close(NULL);
}

/* A database with two names is read, but not written: a crash could damage it. */
static void test_hard_links(void **state) {
    (void)state;
    Error err = {0};
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    assert_int_equal(link("x.db", "y.db"), 0);
    static const DatabaseMode writing[] = {DATABASE_WRITE, DATABASE_CREATE};
    for (int i = 0; i < COUNT_OF(writing); i++) {
        assert_null(database_open("y.db", writing[i], &err));
        assert_int_equal(err.code, EXIT_USAGE);
        assert_non_null(strstr(err.text, "database 'y.db' has 2 names"));
    }
    Database *store = database_open("y.db", DATABASE_READ, &err);
    assert_non_null(store);
    database_close(store);
    assert_int_equal(unlink("x.db"), 0);
    store = database_open("y.db", DATABASE_WRITE, &err);
    assert_non_null(store);
    database_close(store);
}

/* Where SQLite cannot make its journal, the error names the folder. */
static void test_unwritable_folder(void **state) {
    (void)state;
    Error err = {0};
    uid_t user = geteuid();
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    assert_int_equal(mkdir("shut", 0755), 0);
    database_close(sample_store(plan));
    assert_int_equal(rename("x.db", "shut/x.db"), 0);
    assert_int_equal(chmod("shut/x.db", 0666), 0);
    assert_int_equal(chmod("shut", 0555), 0);
    assert_int_equal(chmod(".", 0755), 0);
    if (user == 0 && seteuid(65534) != 0) skip();
    assert_null(database_open("shut/new.db", DATABASE_CREATE, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "folder 'shut' must be writable"));
    assert_non_null(strstr(err.text, "Permission denied"));
    Database *store = database_open("shut/x.db", DATABASE_WRITE, &err);
    assert_true(!store || !runs_store_plan(store, plan, &err));
    assert_non_null(strstr(err.text, "folder 'shut' must be writable"));
    database_close(store);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(chmod("shut", 0755), 0);
    assert_int_equal(unlink("shut/x.db"), 0);
    assert_int_equal(rmdir("shut"), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_plan),
        TEST(test_schema_comments),
        TEST(test_variants),
        TEST(test_schema),
        TEST(test_sections),
        TEST(test_triggers),
        TEST(test_every_view),
        TEST(test_views),
        TEST(test_status),
        TEST(test_import_twice),
        TEST(test_not_finite),
        TEST(test_replan),
        TEST(test_changed_after_training),
        TEST(test_queries),
        TEST(test_tuning),
        TEST(test_budget_by_length),
        TEST(test_hard_links),
        TEST(test_unwritable_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
