/* test_train_log: train.jsonl has each update once, whatever part of it exists when a run is resumed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "base/json.h"
#include "sys/atomic_file.h"
#include "train/train_log.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STEPS = 9 };
static const char path[] = "train.jsonl";
static TrainLog updates[STEPS];
static TrainLogFile file;
static Error err;

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    for (int i = 0; i < STEPS; i++)
        updates[i] = (TrainLog){.step = i + 1, .loss = 5.5 - i / 3.0, .rate = 1e-3 * i, .norm = 0.25};
    return 0;
}

/* A session that makes the updates made + 1 .. end, each in half a second. */
static void session(int made, int end) {
    assert_true(train_log_open(&file, path, updates, made, STEPS, 48, &err));
    for (int i = made; i < end; i++) train_log_add(&file, &updates[i], (i + 1) * 0.5);
    train_log_close(&file);
}

/* The file has the first `count` updates; of those in `unknown` (bits) the seconds are not known. */
static void assert_lines(int count, unsigned unknown) {
    int found;
    const TrainLogLine *lines = train_log_read(path, &found, arena);
    assert_int_equal(found, count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(lines[i].log.step, i + 1);
        assert_int_equal(lines[i].steps, STEPS);
        assert_int_equal(lines[i].tokens, (i + 1) * 48);
        assert_true(fabs(lines[i].log.loss - updates[i].loss) < 1e-8);
        assert_true(fabs(lines[i].log.rate - updates[i].rate) < 1e-8);
        assert_true(lines[i].log.norm == 0.25);
        if (unknown >> i & 1)
            assert_true(isnan(lines[i].seconds));
        else
            assert_true(lines[i].seconds == (i + 1) * 0.5);
    }
    const char *text = file_read(path, 1 << 20, NULL, arena);
    int newlines = 0;
    for (const char *at = text; *at; at++) newlines += *at == '\n';
    assert_int_equal(newlines, count); /* nothing is in the file but these lines */
}

static void append(const char *text) {
    FILE *out = fopen(path, "a");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void one_session(void **state) {
    (void)state;
    session(0, STEPS);
    assert_lines(STEPS, 0);
    static const char start[] =
        "{\"step\":1,\"steps\":9,\"tokens\":48,\"loss\":5.5,\"rate\":0,\"norm\":0.25,\"seconds\":0.5}\n"
        "{\"step\":2,";
    assert_int_equal(strncmp(file_read(path, 1 << 20, NULL, arena), start, sizeof start - 1), 0);
}

/* Stopped after each update in turn, with more lines in the file than the state has. */
static void resumed(void **state) {
    (void)state;
    for (int i = 0; i < STEPS; i++) {
        session(i, i + 1 < STEPS - 1 ? i + 3 : STEPS);
        append(i % 2 ? "{\"step\":" : "");
    }
    session(STEPS, STEPS);
    assert_lines(STEPS, 0);
    session(0, 2); /* started over */
    assert_lines(2, 0);
}

/* Lines that are lost, damaged or were never written are written again from the state. */
static void repaired(void **state) {
    (void)state;
    session(0, 3);
    session(5, 6);
    assert_lines(6, 1 << 3 | 1 << 4);
    session(0, 3);
    append("{\"step\":3,\"steps\":9}\n{\"step\":4,\"steps\":9}\n");
    session(5, STEPS);
    assert_lines(STEPS, 1 << 3 | 1 << 4);
    assert_int_equal(unlink(path), 0);
    session(4, STEPS);
    assert_lines(STEPS, 15);
    fixture_put(path, "\0\xff{[\n\n", 6);
    session(1, STEPS);
    assert_lines(STEPS, 1);
}

static void last_line(void **state) {
    (void)state;
    TrainLogLine line;
    assert_false(train_log_last(path, &line));
    append("");
    assert_false(train_log_last(path, &line));
    append("{\"step\":1");
    assert_false(train_log_last(path, &line));
    for (int i = 1; i <= STEPS; i++) {
        session(0, i);
        append("{\"step\":3,\"steps\":");
        assert_true(train_log_last(path, &line));
        assert_int_equal(line.log.step, i);
        assert_true(line.seconds == i * 0.5);
    }
    append("9}\nno JSON\n");
    assert_false(train_log_last(path, &line));
}

static void not_finite(void **state) {
    (void)state;
    updates[1].loss = INFINITY;
    updates[1].norm = NAN;
    session(0, 2);
    TrainLogLine line;
    assert_true(train_log_last(path, &line));
    assert_true(line.log.step == 2 && isnan(line.log.loss) && isnan(line.log.norm));
    assert_non_null(strstr(file_read(path, 1 << 20, NULL, arena), "\"loss\":null,"));
}

static void not_writable(void **state) {
    (void)state;
    assert_int_equal(mkdir(path, 0777), 0);
    assert_false(train_log_open(&file, path, updates, 2, STEPS, 48, &err));
    assert_int_equal(err.code, EXIT_SYSTEM);
    train_log_add(&file, &updates[2], 1);
    train_log_close(&file);
    assert_int_equal(rmdir(path), 0);
}

/* A reader never sees more than half a second late, and few lines cause few writes. */
static void written_in_time(void **state) {
    (void)state;
    TrainLogLine line;
    assert_true(train_log_open(&file, path, updates, 0, STEPS, 48, &err));
    train_log_add(&file, &updates[0], 0.5);
    assert_false(train_log_last(path, &line));
    usleep(510000);
    train_log_add(&file, &updates[1], 1);
    assert_true(train_log_last(path, &line));
    assert_int_equal(line.log.step, 2);
    train_log_close(&file);
}

/* An update takes some microseconds of the processor; the bound is generous, for sanitizers. */
static void costs_little(void **state) {
    (void)state;
    enum { MANY = 100000 };
    assert_true(train_log_open(&file, path, updates, 0, MANY, 48, &err));
    clock_t begin = clock();
    for (int i = 0; i < MANY; i++)
        train_log_add(&file, &(TrainLog){i + 1, 3.14159265 / (i + 1), 1e-3, 0.7}, i * 1e-3);
    train_log_close(&file);
    double each = (double)(clock() - begin) / CLOCKS_PER_SEC / MANY;
    print_message("%.2f microseconds for each update\n", each * 1e6);
    assert_true(each < 1e-4);
    int count;
    train_log_read(path, &count, arena);
    assert_int_equal(count, MANY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_session), TEST(resumed),      TEST(repaired),        TEST(last_line),
        TEST(not_finite),  TEST(not_writable), TEST(written_in_time), TEST(costs_little),
    };
    return cmocka_run_group_tests_name("train_log", tests, NULL, NULL);
}
