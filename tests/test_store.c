/* The database: its schema holds, its views say what the stored sums say, importing twice is importing once,
   nothing that is not ours is touched, and every refusal is an error with the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TWO_METHODS                                                                                          \
    "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "                                 \
    "\"evaluate\": {\"tokens\": 500, \"multiples\": [1, 2, 4]}, "                                            \
    "\"sweep\": {\"method\": [\"rotary\", {\"name\": \"alibi\", \"trainable\": true}]}"

static const double perplexities[] = {4.5, 4.25, 1e3};

/* Runs SQL on x.db past the store, as another program would; returns SQLite's code. */
static int outside(const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open("x.db", &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA foreign_keys = ON", NULL, NULL, NULL);
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return code;
}

static const char *dump(void) {
    assert_int_equal(system("sqlite3 x.db .dump > dump.sql"), 0);
    return sample_file("dump.sql", NULL);
}

static void expect(Store *store, const char *sql, const char *value) {
    const char *found = sample_value(store, sql);
    if (strcmp(found, value)) fail_msg("%s is '%s', expected '%s'", sql, found, value);
}

static void test_plan(void **state) {
    (void)state;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    expect(store, "PRAGMA application_id", "1886352236");
    expect(store, "PRAGMA user_version", "1");
    expect(store, "PRAGMA journal_mode", "delete");
    expect(store, "PRAGMA synchronous", "3");
    expect(store, "PRAGMA foreign_keys", "1");
    expect(store, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%STRICT%'", "0");
    expect(
        store, "SELECT group_concat(name) FROM pragma_table_info('curve')",
        "experiment,run_key,method,train_length,seed,split,protocol,stride,eval_length,nll,tokens,perplexity,"
        "bits_per_byte");
    expect(store,
           "SELECT group_concat(label, '|') FROM (SELECT label FROM run JOIN point ON run = key"
           " ORDER BY ordinal)",
           "Rotary|ALiBi (trainable=true)");
    expect(store, "SELECT group_concat(DISTINCT status) FROM run", "pending");
    expect(store, "SELECT method_options FROM run WHERE method = 'alibi'",
           "{\"trainable\":true,\"max_exponent\":8}");
    expect(store,
           "SELECT tokenizer || vocabulary || ' ' || train_tokens || ' ' || valid_tokens || ' ' || "
           "test_tokens || ' ' || bytes_per_token FROM corpus",
           "bytes256 2047 1024 1024 1.0");
    expect(store, "SELECT group_concat(DISTINCT outcome) FROM outcome", "missing");
    assert_int_equal(store_status(store, plan->points[0].key), RUN_PENDING);
    assert_int_equal(store_status(store, "unheard of"), RUN_PENDING);
    store_close(store);
}

static void test_variants(void **state) {
    (void)state;
    const Plan *plan = sample_plan(
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
        "\"method\": \"alibi\", \"sweep\": {\"train.seed\": [1, 2], \"train.optimizer.lr\": [0.01, 0.5], "
        "\"model.activation\": [\"relu\", \"gelu\"]}");
    Store *store = sample_store(plan);
    expect(store, "SELECT count(DISTINCT variant) FROM point", "4");
    expect(store, "SELECT variant FROM point WHERE ordinal = 0",
           "model.activation=relu train.optimizer.lr=0.01");
    store_close(store);
}

static void test_schema(void **state) {
    (void)state;
    store_close(sample_store(sample_plan(TWO_METHODS)));
    const char *before = dump();
    assert_int_equal(outside("UPDATE run SET seed = 'one'"), SQLITE_CONSTRAINT);
    assert_int_equal(outside("UPDATE run SET status = 'lost'"), SQLITE_CONSTRAINT);
    assert_int_equal(outside("UPDATE run SET corpus_id = 99"), SQLITE_CONSTRAINT);
    assert_int_equal(outside("INSERT INTO train_log (run, step) VALUES ('nobody', 1)"), SQLITE_CONSTRAINT);
    assert_int_equal(outside("INSERT INTO experiment (name, config, created) VALUES ('x', '', '')"),
                     SQLITE_CONSTRAINT);
    assert_string_equal(dump(), before);
}

/* Every number of the views, computed again from the tables. */
static void test_views(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, perplexities));
    int rows = 0;
    Query *query =
        query_begin(store,
                    "SELECT experiment, run_key, eval_length, nll, tokens, perplexity, bits_per_byte,"
                    " stride, split, protocol, (SELECT sum(w.nll_sum) FROM evaluation_window w JOIN"
                    " evaluation e ON e.id = w.evaluation WHERE e.run = run_key AND e.length ="
                    " eval_length), method, train_length, seed FROM curve ORDER BY method, eval_length",
                    NULL);
    for (; query_next(query); rows++) {
        assert_string_equal(query_text(query, 0), "x");
        assert_string_equal(query_text(query, 1), plan->points[rows < 3].key);
        assert_int_equal(query_int(query, 2), 16 << rows % 3);
        assert_int_equal(query_int(query, 4), 500);
        double mean = query_real(query, 3) / 500;
        assert_true(query_real(query, 5) == exp(mean));
        assert_true(fabs(query_real(query, 5) / perplexities[rows % 3] - 1) < 1e-12);
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
    expect(store, "SELECT count(*) FROM evaluation_window", "112"); /* 2 (32 + 16 + 8) */
    expect(store,
           "SELECT group_concat(first || '-' || last || ':' || nll_sum || '/' || tokens, ' ')"
           " FROM position_loss WHERE evaluation = 1",
           "0-0:2.0/32 1-15:3.0/468");
    expect(store,
           "SELECT group_concat(step || ' ' || loss || ' ' || rate || ' ' || norm) FROM train_log WHERE run ="
           " (SELECT key FROM run WHERE method = 'alibi')",
           "1 3.0 0.1 1.0,2 1.5 0.1 1.0,3 1.0 0.1 1.0");
    expect(
        store,
        "SELECT DISTINCT steps || ' ' || train_tokens || ' ' || train_seconds || ' ' || final_loss || ' ' ||"
        " peak_bytes || ' ' || (host <> '') || (cpu <> '') || (blas <> '') || (threads > 0) ||"
        " (finished LIKE '20__-__-__T__:__:__Z') || (revision <> '') FROM run",
        "3 96 1.5 2.25 4096 111111");
    store_close(store);
}

static void test_status(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    const char *key = plan->points[0].key;
    assert_true(store_set_status(store, key, RUN_RUNNING, NULL, &err));
    assert_int_equal(store_status(store, key), RUN_RUNNING);
    expect(store, "SELECT count(*) FROM run WHERE started LIKE '20%Z' AND finished IS NULL", "1");
    assert_true(store_set_status(store, key, RUN_FAILED, "killed by signal 9", &err));
    assert_int_equal(store_status(store, key), RUN_FAILED);
    expect(store, "SELECT reason FROM run WHERE status = 'failed' AND finished LIKE '20%Z'",
           "killed by signal 9");
    expect(store, "SELECT group_concat(outcome) FROM outcome WHERE ordinal = 0", "failed,failed,failed");
    assert_false(store_set_status(store, "nobody", RUN_DONE, NULL, &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    store_close(store);
}

static void test_import_twice(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    const PlanPoint *point = &plan->points[0];
    Store *store = sample_store(plan);
    assert_false(store_has_evaluation(store, point->key, &point->requests[1]));
    sample_import(store, sample_record(point, RUN_DONE, NULL, perplexities));
    assert_int_equal(store_status(store, point->key), RUN_DONE);
    assert_true(store_has_evaluation(store, point->key, &point->requests[1]));
    const char *before = dump();
    if (!store_import(store, "result.db", &err)) fail_msg("%s", err.text);
    assert_string_equal(dump(), before);

    /* Evaluated again, without training: what is there stays, evaluations and training alike. */
    RunRecord again = *sample_record(point, RUN_DONE, NULL, (double[]){9, 9, 9});
    again.training = NULL;
    sample_import(store, &again);
    assert_int_equal(system("sed -i '/^INSERT INTO run VALUES/d' dump.sql"), 0); /* `finished` may differ */
    const char *expected = sample_file("dump.sql", NULL);
    dump();
    assert_int_equal(system("sed -i '/^INSERT INTO run VALUES/d' dump.sql"), 0);
    assert_string_equal(sample_file("dump.sql", NULL), expected);
    expect(store, "SELECT steps FROM run WHERE status = 'done'", "3");

    /* A run that this database has never planned comes with its corpus. */
    store_close(store);
    assert_int_equal(unlink("x.db"), 0);
    store = store_open("x.db", STORE_CREATE, &err);
    assert_non_null(store);
    sample_import(store, sample_record(point, RUN_DONE, NULL, perplexities));
    expect(store,
           "SELECT count(*) FROM run JOIN corpus ON corpus.id = corpus_id JOIN evaluation ON run = key", "3");
    store_close(store);
}

/* Numbers that are none are NULL everywhere, and never in the way of an import. */
static void test_not_finite(void **state) {
    (void)state;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DIVERGED, "loss is nan at step 3", NULL));
    expect(store,
           "SELECT status || ' ' || reason || ' ' || diverged_step || ' ' || (final_loss IS NULL) FROM run"
           " WHERE steps = 3",
           "diverged loss is nan at step 3 3 1");
    expect(store, "SELECT group_concat(ifnull(loss, 'NULL')) FROM train_log", "3.0,1.5,NULL");
    expect(store, "SELECT group_concat(outcome) FROM outcome WHERE ordinal = 0",
           "diverged,diverged,diverged");

    RunRecord record = *sample_record(&plan->points[1], RUN_DONE, NULL, (double[]){NAN, 1e200, 4});
    Evaluation *evaluations = (Evaluation *)record.evaluations;
    evaluations[1].nll = 710.0 * (double)evaluations[1].tokens;
    evaluations[2] = (Evaluation){.request = evaluations[2].request, .beyond_limit = true, .nll = 1};
    sample_import(store, &record);
    expect(store, "SELECT group_concat(outcome) FROM outcome WHERE ordinal = 1",
           "diverged,diverged,beyond_limit");
    expect(store, "SELECT group_concat(ifnull(nll, 'NULL') || ' ' || ifnull(perplexity, 'NULL')) FROM curve",
           "NULL NULL,355000.0 NULL");
    expect(store, "SELECT count(*) FROM evaluation WHERE status = 'beyond_limit' AND nll_sum IS NULL", "1");
    assert_true(store_has_evaluation(store, plan->points[1].key, &plan->points[1].requests[2]));
    store_close(store);
}

/* The experiment as now configured: what was removed keeps its results and leaves the experiment. */
static void test_replan(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    for (int i = 0; i < plan->count; i++)
        sample_import(store, sample_record(&plan->points[i], RUN_DONE, NULL, perplexities));
    const char *before = dump();
    assert_true(store_plan(store, plan, &err));
    assert_string_equal(dump(), before);

    plan = sample_plan(
        "\"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32}, "
        "\"evaluate\": {\"tokens\": 500, \"multiples\": [1, 8], \"protocols\": [\"nonoverlapping\", "
        "{\"name\": \"strided\", \"stride\": 0.5}]}, \"method\": \"rotary\"");
    assert_true(store_plan(store, plan, &err));
    expect(store, "SELECT count(*) FROM run JOIN evaluation ON run = key", "6");
    expect(store, "SELECT count(*) FROM curve", "3");
    expect(store,
           "SELECT group_concat(stride_rule || ' ' || eval_length || ' ' || stride || ' ' || outcome, '; ')"
           " FROM (SELECT * FROM outcome ORDER BY stride_rule, eval_length)",
           "0.5 L 16 8 missing; 0.5 L 128 64 missing; L 16 16 done; L 128 128 missing");
    expect(store, "SELECT group_concat(label) FROM run JOIN point ON run = key", "Rotary");
    store_close(store);
}

/* --- what is refused --- */

static void refuse(const char *path, StoreMode mode, ExitCode code, const char *word) {
    Err err = {0};
    struct stat file;
    bool there = stat(path, &file) == 0 && S_ISREG(file.st_mode);
    size_t size = 0, size_after = 0;
    const char *bytes = there ? sample_file(path, &size) : "";
    assert_null(store_open(path, mode, &err));
    if (err.code != code || !strstr(err.text, word) || !strstr(err.text, path))
        fail_msg("%s in mode %d: code %d, %s", path, mode, err.code, err.text);
    if (there) {
        assert_memory_equal(bytes, sample_file(path, &size_after), size);
        assert_int_equal(size, size_after);
    }
    assert_int_not_equal(access(arena_format(sample_arena, "%s-journal", path), F_OK), 0);
}

static void refuse_always(const char *path, ExitCode code, const char *word) {
    refuse(path, STORE_READ, code, word);
    refuse(path, STORE_WRITE, code, word);
    refuse(path, STORE_CREATE, code, word);
}

static void put_file(const char *path, const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void test_refused(void **state) {
    (void)state;
    refuse("missing.db", STORE_READ, EXIT_USAGE, "does not exist");
    refuse("missing.db", STORE_WRITE, EXIT_USAGE, "poslab run");
    refuse("no/folder.db", STORE_CREATE, EXIT_SYSTEM, "unable to open");
    assert_int_equal(mkdir("folder.db", 0700), 0);
    refuse_always("folder.db", EXIT_USAGE, "not a regular file");
    put_file("text.db", "not a database\n", 15);
    refuse_always("text.db", EXIT_DAMAGED, "no poslab database");
    put_file("empty.db", "", 0);
    refuse("empty.db", STORE_READ, EXIT_DAMAGED, "no poslab database");

    outside("CREATE TABLE t (a); PRAGMA user_version = 1");
    refuse_always("x.db", EXIT_DAMAGED, "no poslab database");
    outside("PRAGMA application_id = 0x706F736C; PRAGMA user_version = 2");
    refuse_always("x.db", EXIT_DAMAGED, "newer");
    outside("PRAGMA user_version = 1");
    refuse_always("x.db", EXIT_DAMAGED, "schema");
    assert_int_equal(unlink("x.db"), 0);

    Err err;
    put_file("x.db", "", 0); /* what a process leaves that is killed while it creates a database */
    store_close(sample_store(sample_plan(TWO_METHODS)));
    outside("CREATE VIEW mine AS SELECT 1");
    Store *store = store_open("x.db", STORE_READ, &err);
    assert_non_null(store);
    store_close(store);
    outside("DROP VIEW curve");
    refuse_always("x.db", EXIT_DAMAGED, "schema");
}

static void test_damage(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, perplexities));
    store_close(store);
    size_t size;
    char *bytes = sample_file("x.db", &size);
    put_file("cut.db", bytes, size - 4096);
    refuse_always("cut.db", EXIT_DAMAGED, "damaged");
    memset(bytes + 4096 * 2, 0x55, 4096);
    put_file("spoilt.db", bytes, size);
    refuse_always("spoilt.db", EXIT_DAMAGED, "damaged");

    /* A damaged result is refused whole. */
    store = store_open("x.db", STORE_WRITE, &err);
    const char *before = dump();
    assert_false(store_import(store, "spoilt.db", &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_false(store_import(store, "missing.db", &err));
    assert_string_equal(dump(), before);
    store_close(store);
}

/* A hot journal, as a killed writer leaves it, is rolled back also by those who only read. */
static void test_killed_writer(void **state) {
    (void)state;
    Err err;
    store_close(sample_store(sample_plan(TWO_METHODS)));
    const char *before = dump();
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        sqlite3_open("x.db", &db);
        sqlite3_exec(
            db,
            "PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN; UPDATE run SET reason = 'half done';"
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO train_log"
            " SELECT (SELECT min(key) FROM run), i, i, i, i FROM n",
            NULL, NULL, NULL);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(access("x.db-journal", F_OK), 0);
    Store *store = store_open("x.db", STORE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    expect(store, "SELECT count(*) FROM train_log", "0");
    assert_false(store_set_status(store, sample_value(store, "SELECT key FROM run"), RUN_DONE, NULL, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    store_close(store);
    assert_string_equal(dump(), before);
}

static void test_busy(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        sqlite3_open("x.db", &db);
        sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
        if (write(ready[1], "x", 1) == 1) pause();
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_false(store_plan(store, plan, &err));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(err.code, EXIT_SYSTEM);
    if (!strstr(err.text, "x.db") || !strstr(err.text, "in use") ||
        !strstr(err.text, arena_format(sample_arena, "process %d", (int)child)))
        fail_msg("%s", err.text);
    assert_true(store_plan(store, plan, &err));
    store_close(store);
    close(ready[0]);
    close(ready[1]);
}

/* No space, played by a limit on the size of files: an error with the path, and nothing lost. */
static void test_no_space(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    Store *store = sample_store(plan);
    const RunRecord *record = sample_record(&plan->points[0], RUN_DONE, NULL, perplexities);
    assert_true(store_write_result("result.db", record, &err));
    const char *before = dump();
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 4096, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    bool imported = store_import(store, "result.db", &err);
    ExitCode import_code = err.code;
    bool named = strstr(err.text, "x.db") != NULL;
    bool written = store_write_result("other.db", record, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(imported);
    assert_int_equal(import_code, EXIT_SYSTEM);
    assert_true(named);
    assert_false(written);
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_int_not_equal(access("other.db", F_OK), 0);
    assert_int_not_equal(access("other.db.tmp", F_OK), 0);
    assert_int_not_equal(access("other.db.tmp-journal", F_OK), 0);
    assert_string_equal(dump(), before);
    if (!store_import(store, "result.db", &err)) fail_msg("%s", err.text);
    assert_int_equal(store_status(store, plan->points[0].key), RUN_DONE);
    store_close(store);
    assert_false(store_write_result("no/result.db", record, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
}

/* A journal of an earlier attempt must not be rolled back into a new result. */
static void test_stale_result(void **state) {
    (void)state;
    Err err;
    const Plan *plan = sample_plan(TWO_METHODS);
    const RunRecord *record = sample_record(&plan->points[0], RUN_DONE, NULL, perplexities);
    put_file("result.db.tmp", "half written", 12);
    put_file("result.db.tmp-journal", "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 stale", 14);
    if (!store_write_result("result.db", record, &err)) fail_msg("%s", err.text);
    assert_int_not_equal(access("result.db.tmp", F_OK), 0);
    assert_int_not_equal(access("result.db.tmp-journal", F_OK), 0);
    Store *result = store_open("result.db", STORE_READ, &err);
    assert_non_null(result);
    expect(result, "SELECT count(*) FROM evaluation", "3");
    store_close(result);
}

static void test_queries(void **state) {
    (void)state;
    Err err;
    Store *store = sample_store(sample_plan(TWO_METHODS));
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
    assert_string_equal(store_path(store), "x.db");
    store_close(store);
    store_close(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_plan),     TEST(test_variants),     TEST(test_schema),        TEST(test_views),
        TEST(test_status),   TEST(test_import_twice), TEST(test_not_finite),    TEST(test_replan),
        TEST(test_refused),  TEST(test_damage),       TEST(test_killed_writer), TEST(test_busy),
        TEST(test_no_space), TEST(test_stale_result), TEST(test_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
