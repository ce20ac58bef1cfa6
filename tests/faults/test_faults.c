/* test_faults: the database under faults.
 *
 * Files that are not databases are not touched, every refusal is an error that names the file, and stored
 * results are kept.
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
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "store/merge.h"
#include "store/runs.h"

static void refuse(const char *path, DatabaseMode mode, ExitCode code, const char *word) {
    Error err = {0};
    struct stat file;
    bool there = stat(path, &file) == 0 && S_ISREG(file.st_mode);
    size_t size = 0, size_after = 0;
    const char *bytes = there ? sample_file(path, &size) : "";
    assert_null(database_open(path, mode, &err));
    if (err.code != code || !strstr(err.text, word) || !strstr(err.text, path))
        fail_msg("%s in mode %d: code %d, %s", path, mode, err.code, err.text);
    if (there) {
        assert_memory_equal(bytes, sample_file(path, &size_after), size);
        assert_int_equal(size, size_after);
    }
    assert_int_not_equal(access(arena_format(sample_arena, "%s-journal", path), F_OK), 0);
}

static void refuse_always(const char *path, ExitCode code, const char *word) {
    refuse(path, DATABASE_READ, code, word);
    refuse(path, DATABASE_WRITE, code, word);
    refuse(path, DATABASE_CREATE, code, word);
}

static void test_refused(void **state) {
    (void)state;
    refuse("missing.db", DATABASE_READ, EXIT_USAGE, "does not exist");
    refuse("missing.db", DATABASE_WRITE, EXIT_USAGE, "poslab run");
    refuse("no/folder.db", DATABASE_CREATE, EXIT_SYSTEM, "unable to open");
    assert_int_equal(mkdir("folder.db", 0700), 0);
    refuse_always("folder.db", EXIT_USAGE, "not a regular file");
    fixture_put("text.db", "not a database\n", 15);
    refuse_always("text.db", EXIT_DAMAGED, "not a poslab database");
    fixture_put("empty.db", "", 0);
    refuse("empty.db", DATABASE_READ, EXIT_DAMAGED, "not a poslab database");

    sample_outside("CREATE TABLE t (a); PRAGMA user_version = 1");
    refuse_always("x.db", EXIT_DAMAGED, "not a poslab database");
    sample_outside("PRAGMA application_id = 0x706F736C; PRAGMA user_version = 99");
    refuse_always("x.db", EXIT_DAMAGED, "newer");
    sample_outside("PRAGMA user_version = 0");
    refuse_always("x.db", EXIT_DAMAGED, "version 0");
    sample_outside("PRAGMA user_version = 1");
    refuse_always("x.db", EXIT_DAMAGED, "schema");
    assert_int_equal(unlink("x.db"), 0);

    Error err;
    fixture_put("x.db", "", 0); /* as after the kill of a process that was creating a database */
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    sample_outside("CREATE VIEW mine AS SELECT 1");
    Database *store = database_open("x.db", DATABASE_READ, &err);
    assert_non_null(store);
    database_close(store);
    sample_outside("DROP VIEW curve");
    refuse_always("x.db", EXIT_DAMAGED, "schema");
}

static void test_damage(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    sample_import(store, sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities));
    database_close(store);
    size_t size;
    char *bytes = sample_file("x.db", &size);
    fixture_put("cut.db", bytes, size - 4096);
    refuse_always("cut.db", EXIT_DAMAGED, "damaged");
    memset(bytes + 4096 * 2, 0x55, 4096);
    fixture_put("spoilt.db", bytes, size);
    refuse_always("spoilt.db", EXIT_DAMAGED, "damaged");

    /* A damaged result is refused completely. */
    store = database_open("x.db", DATABASE_WRITE, &err);
    const char *before = sample_dump();
    assert_false(merge_result(store, "spoilt.db", &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_false(merge_result(store, "missing.db", &err));
    assert_string_equal(sample_dump(), before);

    /* A valid file with inconsistent rows is refused, after any part of the import. */
    const RunRecord *record = sample_record(&plan->points[1], RUN_DONE, NULL, sample_perplexities);
    assert_true(runs_write_result("result.db", record, &err));
    sqlite3 *db;
    assert_int_equal(sqlite3_open("result.db", &db), SQLITE_OK);
    const char *tamper = "UPDATE corpus SET hash = 'other'; UPDATE run SET corpus_id = 99";
    assert_int_equal(sqlite3_exec(db, tamper, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_false(merge_result(store, "result.db", &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_non_null(strstr(err.text, "result.db"));
    assert_string_equal(sample_dump(), before);
    database_close(store);
}

/* A process that is killed within a transaction leaves x.db partly written, with a hot journal. */
static void kill_writer(void) {
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
}

/* Readers also roll back the hot journal of a killed writer. */
static void test_killed_writer(void **state) {
    (void)state;
    Error err;
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    const char *before = sample_dump();
    kill_writer();
    Database *store = database_open("x.db", DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    sample_expect(store, "SELECT count(*) FROM train_log", "0");
    assert_false(runs_set_status(store, sample_value(store, "SELECT key FROM run"), RUN_DONE, NULL, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    database_close(store);
    assert_string_equal(sample_dump(), before);
}

/* Another program that runs SQL on x.db and keeps its transaction open for `milliseconds`; 0: until it is
 * killed.
 */
static pid_t start_holder(const char *sql, int milliseconds) {
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sqlite3 *db;
        sqlite3_open("x.db", &db);
        sqlite3_exec(db, sql, NULL, NULL, NULL);
        if (write(ready[1], "x", 1) == 1 && !milliseconds) pause();
        usleep((useconds_t)milliseconds * 1000);
        _exit(0);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return child;
}

static void end_holder(pid_t holder) {
    kill(holder, SIGKILL);
    waitpid(holder, NULL, 0);
}

static const char *const read_lock = "BEGIN; SELECT * FROM run", *const write_lock = "BEGIN EXCLUSIVE";

/* With any lock held by another program, the store waits until it is released, reports the holder, and loses
 * nothing.
 */
static void test_waits_for_others(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    const RunRecord *record = sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities);
    assert_true(runs_write_result("result.db", record, &err));
    int terminal = dup(STDERR_FILENO);
    assert_non_null(freopen("said", "w", stderr));
    pid_t reader = start_holder(read_lock, 3300);
    bool imported = merge_result(store, "result.db", &err);
    end_holder(reader);
    pid_t writer = start_holder(write_lock, 200);
    bool planned = runs_store_plan(store, plan, &err);
    end_holder(writer);
    fflush(stderr);
    dup2(terminal, STDERR_FILENO);
    close(terminal);
    if (!imported || !planned) fail_msg("%s", err.text);
    sample_expect(store, "SELECT count(*) FROM evaluation", "3");
    assert_string_equal(
        sample_file("said", NULL),
        arena_format(sample_arena,
                     "poslab: waiting for database 'x.db', which is in use (process %d, test_faults)\n",
                     (int)reader));
    database_close(store);
}

typedef struct Waited {
    int asked, most;
} Waited;

static bool count_wait(void *user, const char *message) {
    Waited *waited = user;
    (void)message;
    return ++waited->asked < waited->most;
}

/* If the lock is not released: an error that names the process or, if the caller stops waiting, EXIT_STOPPED;
 * afterwards everything is unchanged.
 */
static void test_waits_in_vain(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    const char *before = sample_dump();
    assert_true(runs_write_result(
        "result.db", sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities), &err));
    const char *const locks[] = {read_lock, write_lock};
    for (int i = 0; i < COUNT_OF(locks); i++) {
        pid_t holder = start_holder(locks[i], 0);
        Waited waited = {.most = 3};
        query_set_wait(store, (QueryWait){.seconds = 0.05});
        assert_false(merge_result(store, "result.db", &err));
        assert_int_equal(err.code, EXIT_SYSTEM);
        if (!strstr(err.text, "x.db") || !strstr(err.text, "in use") ||
            !strstr(err.text, arena_format(sample_arena, "process %d", (int)holder)))
            fail_msg("%s", err.text);
        query_set_wait(store, (QueryWait){.seconds = 60, .go_on = count_wait, .user = &waited});
        assert_false(merge_result(store, "result.db", &err));
        assert_int_equal(err.code, EXIT_STOPPED);
        assert_int_equal(waited.asked, 3);
        end_holder(holder);
    }
    assert_string_equal(sample_dump(), before);
    if (!merge_result(store, "result.db", &err)) fail_msg("%s", err.text);
    database_close(store);
}

/* A process that reads a query row by row, as slowly as a pager, does not block writers. */
static void test_readers_hold_no_lock(void **state) {
    (void)state;
    Error err;
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
    Database *store = database_open("x.db", DATABASE_READ, &err);
    Query *query = query_begin(store, "SELECT key FROM run ORDER BY key", NULL);
    assert_true(query_next(query));
    assert_int_equal(sample_outside("UPDATE run SET reason = 'written meanwhile'"), SQLITE_OK);
    assert_true(query_next(query));
    assert_false(query_next(query));
    assert_true(query_end(query, &err));
    sample_expect(store, "SELECT DISTINCT reason FROM run", "written meanwhile");
    database_close(store);
}

/* The library may be older than the headers; this function replaces that of the library. */
static int pretended_version;
int sqlite3_libversion_number(void) {
    return pretended_version ? pretended_version : SQLITE_VERSION_NUMBER;
}

static void test_old_library(void **state) {
    (void)state;
    Error err;
    pretended_version = 3036000;
    Database *store = database_open("x.db", DATABASE_CREATE, &err);
    pretended_version = 0;
    assert_null(store);
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "install 3.37 or later"));
    database_close(sample_store(sample_plan(SAMPLE_TWO_METHODS)));
}

/* A limit on file sizes simulates a full disk: an error with the path, and no loss. */
static void test_no_space(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    Database *store = sample_store(plan);
    const RunRecord *record = sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities);
    assert_true(runs_write_result("result.db", record, &err));
    const char *before = sample_dump();
    struct rlimit old;
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    const struct rlimit small = {.rlim_cur = 4096, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    bool imported = merge_result(store, "result.db", &err);
    ExitCode import_code = err.code;
    bool named = strstr(err.text, "x.db") != NULL;
    bool written = runs_write_result("other.db", record, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(imported);
    assert_int_equal(import_code, EXIT_SYSTEM);
    assert_true(named);
    assert_false(written);
    assert_int_equal(err.code, EXIT_SYSTEM);
    assert_int_not_equal(access("other.db", F_OK), 0);
    assert_int_not_equal(access("other.db.tmp", F_OK), 0);
    assert_int_not_equal(access("other.db.tmp-journal", F_OK), 0);
    assert_string_equal(sample_dump(), before);
    if (!merge_result(store, "result.db", &err)) fail_msg("%s", err.text);
    assert_int_equal(runs_state(store, plan->points[0].key).status, RUN_DONE);
    database_close(store);
    assert_false(runs_write_result("no/result.db", record, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
}

/* The incomplete result of an earlier attempt must not enter a result. */
static void test_stale_result(void **state) {
    (void)state;
    Error err;
    const Plan *plan = sample_plan(SAMPLE_TWO_METHODS);
    const RunRecord *record = sample_record(&plan->points[0], RUN_DONE, NULL, sample_perplexities);
    database_close(sample_store(plan));
    kill_writer();
    assert_int_equal(rename("x.db", "result.db.tmp"), 0);
    assert_int_equal(rename("x.db-journal", "result.db.tmp-journal"), 0);
    if (!runs_write_result("result.db", record, &err)) fail_msg("%s", err.text);
    assert_int_not_equal(access("result.db.tmp", F_OK), 0);
    assert_int_not_equal(access("result.db.tmp-journal", F_OK), 0);
    Database *result = database_open("result.db", DATABASE_READ, &err);
    assert_non_null(result);
    sample_expect(result, "SELECT count(*) FROM evaluation", "3");
    sample_expect(result, "SELECT count(*) FROM train_log", "3");
    database_close(result);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_refused),
        TEST(test_damage),
        TEST(test_killed_writer),
        TEST(test_no_space),
        TEST(test_stale_result),
        TEST(test_waits_for_others),
        TEST(test_waits_in_vain),

        TEST(test_readers_hold_no_lock),
        TEST(test_old_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
