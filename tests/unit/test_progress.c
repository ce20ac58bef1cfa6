/* test_progress: the share of a sweep that is complete, as its plain lines show it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "samples.h"

#include <string.h>
#include <unistd.h>

#include "run/progress.h"

/* What `show` prints to stderr. */
static const char *shown(void (*show)(Progress *)) {
    int kept = dup(STDERR_FILENO);
    assert_non_null(freopen("err", "w", stderr));
    show(progress_new(1, 2, 0, 20, false, sample_arena));
    fflush(stderr);
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    return sample_file("err", NULL);
}

static const ProgressRun run = {.label = "Rotary", .train_work = 8, .evaluate_work = 2, .tokens_per_step = 1};

static void once(Progress *progress) {
    progress_begin(progress, 0, &run);
    progress_step(progress, 0, 10, 10, 1, 1, -1);
    progress_end(progress, 0, "done", "", true);
}

static void retried(Progress *progress) {
    progress_begin(progress, 0, &run);
    progress_step(progress, 0, 10, 10, 1, 1, -1);
    progress_retry(progress, 0);
    progress_begin(progress, 0, &run);
    progress_resume(progress, 0, 5, 10);
    progress_end(progress, 0, "done", "", true);
}

/* Half of the work is left, whether or not the first run needed two attempts. */
static void a_retried_run_counts_once(void **state) {
    (void)state;
    assert_non_null(strstr(shown(once), "done    Rotary  (1 of 2; all: "));
    const char *text = shown(retried);
    assert_non_null(strstr(text, "retry   Rotary\n"));
    assert_non_null(strstr(text, "done    Rotary  (1 of 2; all: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_retried_run_counts_once, sample_setup, sample_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
