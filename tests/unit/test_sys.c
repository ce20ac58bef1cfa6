/* test_sys: files shared with other processes, locks, and the output of other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "run/worker_process.h"
#include "sys/process.h"
#include "sys/atomic_file.h"
#include "sys/lock.h"
#include "store/database.h"
#include "slurm/squeue.h"
#include "samples.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char text[] = "what somebody else has written";

static void put_victim(void) {
    FILE *file = fopen("victim", "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void victim_is_whole(void) {
    assert_string_equal(sample_file("victim", NULL), text);
}

static void test_open(void **state) {
    (void)state;
    Error err = {0};
    int fd = file_open("new", O_WRONLY | O_APPEND, &err);
    assert_true(fd >= 0 && close(fd) == 0);
    put_victim();
    assert_int_equal(symlink("victim", "link"), 0);
    assert_int_equal(symlink("absent", "dangling"), 0);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(mkdir("folder", 0700), 0);
    static const char *const refused[] = {"link", "dangling", "pipe", "folder", "/dev/null"};
    for (int i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(file_open(refused[i], O_WRONLY, &err), -1);
        assert_int_equal(err.code, EXIT_SYSTEM);
        assert_non_null(strstr(err.text, refused[i]));
    }
    assert_int_equal(access("absent", F_OK), -1);
    victim_is_whole();
}

static void test_lock(void **state) {
    (void)state;
    Error err = {0};
    put_victim();
    assert_int_equal(symlink("victim", "x.db.lock"), 0);
    assert_int_equal(lock_database("x.db", sample_arena, &err), -1);
    assert_string_equal(err.text, "cannot write 'x.db.lock': it is not a regular file; remove it");
    victim_is_whole();
    assert_int_equal(unlink("x.db.lock"), 0);
    int lock = lock_database("x.db", sample_arena, &err);
    assert_true(lock >= 0);
    assert_int_equal(strncmp(sample_file("x.db.lock", NULL), "process ", 8), 0);
    assert_int_equal(lock_database("x.db", sample_arena, &err), -1);
    assert_non_null(strstr(err.text, "is in use by process "));
    assert_int_equal(fcntl(lock, F_GETFD), 0); /* workers inherit it */
    assert_int_equal(close(lock), 0);
}

/* The lock is held until the database is closed. */
static void test_locked_database(void **state) {
    (void)state;
    Error err = {0};
    assert_null(database_open_locked("x.db", DATABASE_WRITE, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_int_equal(access("x.db.lock", F_OK), -1);
    Database *store = database_open_locked("x.db", DATABASE_CREATE, &err);
    if (!store) fail_msg("%s", err.text);
    assert_null(database_open_locked("x.db", DATABASE_WRITE, &err));
    assert_non_null(strstr(err.text, "is in use by process "));
    database_close(store);
    store = database_open_locked("x.db", DATABASE_WRITE, &err);
    if (!store) fail_msg("%s", err.text);
    database_close(store);
    if (!file_write("x.db", "no database", sample_arena, &err)) fail_msg("%s", err.text);
    assert_string_equal(sample_file("x.db", NULL), "no database");
    assert_null(database_open_locked("x.db", DATABASE_CREATE, &err));
    int lock = lock_database("x.db", sample_arena, &err);
    assert_true(lock >= 0);
    assert_int_equal(close(lock), 0);
}

static void test_no_lock_for_nothing(void **state) {
    (void)state;
    Error err = {0};
    assert_int_equal(mkdir("folder", 0700), 0);
    static const char *const names[] = {"", "folder", "folder/"};
    for (int i = 0; i < COUNT_OF(names); i++) {
        assert_int_equal(lock_database(names[i], sample_arena, &err), -1);
        assert_int_equal(err.code, EXIT_USAGE);
        assert_int_equal(access(arena_format(sample_arena, "%s.lock", names[i]), F_OK), -1);
    }
}

/* Data is written to PATH.tmp; if that path is something other than a file, nothing is written. */
static void test_temporary(void **state) {
    (void)state;
    Error err = {0};
    static int (*const make[])(const char *, const char *) = {symlink, link};
    for (int i = 0; i < COUNT_OF(make); i++) {
        AtomicFile file;
        put_victim();
        assert_int_equal(make[i]("victim", "out.tmp"), 0);
        FILE *out = atomic_file_begin(&file, "out", sample_arena, &err);
        if (!out) fail_msg("%s", err.text);
        fputs("new", out);
        assert_true(atomic_file_end(&file, true, &err));
        assert_string_equal(sample_file("out", NULL), "new");
        victim_is_whole();
    }
}

static void test_log(void **state) {
    (void)state;
    Error err = {0};
    WorkerProcess child;
    put_victim();
    assert_int_equal(symlink("victim", "log.txt"), 0);
    assert_false(worker_process_start(&child, "/bin/echo", ".", 1, &err));
    assert_string_equal(err.text, "cannot write './log.txt': it is not a regular file; remove it");
    victim_is_whole();
}

static void test_job_number(void **state) {
    (void)state;
    static const struct {
        const char *output, *job;
    } cases[] = {
        {"123\n", "123"},
        {"123", "123"},
        {"123;cluster\n", "123"},
        {"123 \r\n", "123"},
        {"Welcome to the cluster!\n\n123\n", "123"},
        {"2024 was a good year\n12 nodes are down\n123;b\nYour budget: 7 hours\n", "123"},
        {"Submitted batch job 123\n", "123"},
        {"Submitted batch job 123 on cluster b\nBye\n", "123"},
        {"", NULL},
        {"Welcome\n", NULL},
        {"123 nodes\n;cluster\n-1\n", NULL},
        {"Submitted batch job later\n", NULL},
        {"12345678901234567890123456789012345678901234567890\n", NULL},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *job = queue_job_number(cases[i].output, sample_arena);
        if (!cases[i].job != !job || (job && strcmp(job, cases[i].job)))
            fail_msg("'%s': %s", cases[i].output, job ? job : "none");
    }
}

static void test_error_line(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"echo Welcome >&2; echo 'sbatch: Error: no room' >&2; echo more >&2", "sbatch: Error: no room"},
        {"echo first >&2; echo second >&2", "first"},
        {"true", ""},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err;
        ProcessResult result;
        const char *const arguments[] = {"sh", "-c", cases[i][0], NULL};
        assert_true(process_run(&result, arguments, sample_arena, &err));
        assert_string_equal(result.error, cases[i][1]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_open),
        TEST(test_lock),
        TEST(test_no_lock_for_nothing),
        TEST(test_temporary),
        TEST(test_locked_database),
        TEST(test_log),
        TEST(test_job_number),
        TEST(test_error_line),
    };
    return cmocka_run_group_tests_name("system", tests, NULL, NULL);
}
