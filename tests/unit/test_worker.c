/* test_worker: a worker in its folder: its input, its files, and a stop between evaluations; time left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/progress.h"
#include "run/run_task.h"
#include "run/worker.h"

static const PlanPoint *point;
static char lines[16384]; /* the worker's output */

static bool take(void *user, const char *line) {
    size_t used = strlen(lines);
    snprintf(lines + used, sizeof lines - used, "%s\n", line);
    if (user && strncmp(line, user, strlen(user)) == 0) raise(SIGTERM);
    return true;
}

/* Runs the worker of folder "w" in this process; it is stopped at the line that begins with `stop` (NULL:
 * never).
 */
static ExitCode work(const char *stop, Error *err) {
    WorkerOptions options = {.take = take, .user = (void *)(uintptr_t)stop};
    *lines = '\0';
    return worker_run("w", 1, &options, err);
}

static void assign(void) {
    Error err;
    RunTask task = {0};
    point = &sample_plan(SAMPLE_TWO_METHODS)->points[0];
    run_task_needed(&task, NULL, point, (RunTaskNeed){0}, sample_arena);
    assert_int_equal(mkdir("w", 0700), 0);
    if (!worker_assign("w", point->config, &task, &err)) fail_msg("%s", err.text);
}

static void expect(const char *sql, const char *value) {
    Error err;
    Database *store = database_open("w/result.db", DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    sample_expect(store, sql, value);
    database_close(store);
}

static bool is_there(const char *name) {
    return access(arena_format(sample_arena, "w/%s", name), F_OK) == 0;
}

static void does_its_task(void **state) {
    (void)state;
    Error err;
    assign();
    if (work(NULL, &err) != EXIT_DONE) fail_msg("%s", err.text);
    expect("SELECT key || status || steps FROM run", arena_format(sample_arena, "%sdone3", point->key));
    expect("SELECT group_concat(length) FROM (SELECT length FROM evaluation ORDER BY 1)", "16,32,64");
    expect("SELECT count(*) FROM train_log", "3");
    assert_non_null(strstr(lines, "step 3 3 "));
    assert_non_null(strstr(lines, "evaluate 3 3 1.0000\n"));
    assert_true(is_there("model.safetensors"));
    assert_false(is_there("state.safetensors") || is_there("state.safetensors.old"));
}

/* Stopped in its second evaluation: the first one and the training are kept. */
static void stopped_among_evaluations(void **state) {
    (void)state;
    Error err;
    assign();
    pid_t child = fork();
    if (child == 0) _exit(work("evaluate 2 3", &err) == EXIT_STOPPED ? 42 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    expect("SELECT group_concat(length) FROM evaluation", "16");
    expect("SELECT status || steps FROM run", "done3");
    assert_true(is_there("state.safetensors") && is_there("model.safetensors"));
    if (work(NULL, &err) != EXIT_DONE) fail_msg("%s", err.text);
    assert_non_null(strstr(lines, "note resuming from step 3 of 3\n"));
    expect("SELECT group_concat(length) FROM (SELECT length FROM evaluation ORDER BY 1)", "16,32,64");
    assert_false(is_there("state.safetensors") || is_there("state.safetensors.old"));
}

/* An invalid task, or that of another run, is refused. */
static void senseless_tasks(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"requests.json", "s/\"stride\":[^,]*/\"stride\": 999/", "a stride is larger than its length"},
        {"requests.json", "s/\"length\":[^,]*/\"length\": 0/", "must be in [1, "},
        {"requests.json", "s/\"protocol\":[^,]*/\"protocol\": \"x\"/", "protocol"},
        {"requests.json", "s/\"key\": \"..../\"key\": \"0000/", "0000"},
        {"config.json", "s/\"seed\": *1/\"seed\":2/", "run"},
    };
    Error err;
    assign();
    for (int i = 0; i < COUNT_OF(cases); i++) {
        const char *file = arena_format(sample_arena, "w/%s", cases[i][0]);
        assert_int_equal(system(arena_format(sample_arena, "cp %s kept && sed -i '%s' %s && ! cmp -s kept %s",
                                             file, cases[i][1], file, file)),
                         0);
        ExitCode code = work(NULL, &err);
        if (code == EXIT_DONE || !strstr(err.text, cases[i][2]))
            fail_msg("%s: %d, %s", cases[i][1], code, err.text);
        assert_false(is_there("result.db") || is_there("model.safetensors"));
        assert_int_equal(system(arena_format(sample_arena, "cp kept %s", file)), 0);
    }
    if (work(NULL, &err) != EXIT_DONE) fail_msg("%s", err.text);
}

/* Missing weights are trained again, with a note; if only evaluations are requested, this is an error. */
static void lost_weights(void **state) {
    (void)state;
    Error err;
    assign();
    if (work(NULL, &err) != EXIT_DONE) fail_msg("%s", err.text);
    RunTask task = {0};
    run_task_needed(&task, NULL, point, (RunTaskNeed){0}, sample_arena);
    task.trained = true;
    for (int only = 1; only >= 0; only--) {
        task.evaluate_only = only;
        if (!worker_assign("w", point->config, &task, &err)) fail_msg("%s", err.text);
        unlink("w/model.safetensors");
        unlink("w/result.db");
        ExitCode code = work(NULL, &err);
        assert_int_equal(code == EXIT_DONE, !only);
        assert_int_equal(is_there("model.safetensors") && is_there("result.db"), !only);
        assert_int_equal(strstr(lines, "; training again\n") != NULL, !only);
        if (only && !strstr(err.text, "no weights in 'w'")) fail_msg("%s", err.text);
    }
    expect("SELECT steps FROM run", "3");
    if (work(NULL, &err) != EXIT_DONE) fail_msg("%s", err.text); /* the weights exist: nothing is trained */
    assert_null(strstr(lines, "step "));
    expect("SELECT steps IS NULL FROM run", "1");
}

/* Two workers do not share a folder: the second waits for a moment. */
static void one_in_a_folder(void **state) {
    (void)state;
    Error err;
    assign();
    int folder = open("w", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(flock(folder, LOCK_EX | LOCK_NB), 0);
    pid_t child = fork();
    if (child == 0) _exit(work(NULL, &err) == EXIT_DONE ? 0 : 1);
    usleep(700000);
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
    assert_false(is_there("model.safetensors") || is_there("state.safetensors"));
    assert_int_equal(flock(folder, LOCK_UN), 0);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(is_there("model.safetensors"));
    close(folder);
}

/* Two equal runs; an earlier sweep did 90 % of the first. After 100 ms and another 8 %, the other 102 % take
   more than a second; if the 90 % counted as the work of these 100 ms, they would take a tenth of one. */
static void time_left_of_a_resumed_run(void **state) {
    (void)state;
    char text[1024] = "";
    int error = dup(STDERR_FILENO), file = open("progress", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(error >= 0 && file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
    Progress *progress = progress_new(1, 2, 0, 200, false, sample_arena);
    progress_begin(progress, 0, &(ProgressRun){.label = "first", .train_work = 100, .tokens_per_step = 1});
    progress_resume(progress, 0, 90, 100);
    usleep(100000);
    progress_step(progress, 0, 98, 100, 2.5, 80, -1);
    fflush(stderr);
    assert_true(dup2(error, STDERR_FILENO) == STDERR_FILENO);
    close(error);
    ssize_t got = pread(file, text, sizeof text - 1, 0);
    close(file);
    assert_true(got > 0);
    assert_non_null(strstr(text, "  all: "));
    assert_null(strstr(text, "  all: 0s left"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(does_its_task),   TEST(stopped_among_evaluations),
                                       TEST(senseless_tasks), TEST(lost_weights),
                                       TEST(one_in_a_folder), TEST(time_left_of_a_resumed_run)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
