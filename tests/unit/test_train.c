/* test_train: training.
 *
 * A run gives the same bits after any interruption, damaged states are detected, memory agrees with the
 * announced size, and a diverged run is an outcome.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "sys/threads.h"
#include "tiny.h"
#include "math/linear.h"
#include "train/train.h"
#include "position/encoding.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 7 };
static const char *state_path, *old_path;

/* One way to train, and its result. */
typedef struct Run {
    ModelOptions model;
    TrainOptions train;
    OptimizerOptions optimizer;
    OptimizerScheduleOptions schedule;
    const char *key, *method, *state;
    int64_t stop_after; /* steps of this session; 0: never */
    Model *result_model;
    TrainResult result;
    Error err;
    int64_t calls;
    int notes;
    char note[1024]; /* all notes */
    const char *revision, *shared;
    int threads; /* 0: 1 */
} Run;

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    state_path = arena_format(arena, "%s/state.safetensors", fixture_path());
    old_path = arena_format(arena, "%s.old", state_path);
    return 0;
}

static Run run_new(const char *method) {
    Run run = {.key = "0123456789abcdef", .method = method, .model = tiny_options()};
    options_default(&run.train, train_fields, train_field_count);
    options_default(&run.optimizer, optimizer_fields, optimizer_field_count);
    options_default(&run.schedule, optimizer_schedule_fields, optimizer_schedule_field_count);
    run.train.length = 8;
    run.train.tokens_per_step = 48;
    run.train.tokens = STEPS * 48;
    run.train.checkpoint = 0;
    return run;
}

static bool on_progress(void *user, const TrainLog *log, int64_t steps, double tokens_per_second,
                        const EvaluateAccuracy *accuracy) {
    Run *run = user;
    assert_null(accuracy);
    assert_int_equal(steps, train_steps(&run->train));
    assert_true(tokens_per_second > 0);
    assert_true(log->step >= 1 && log->step <= steps);
    return ++run->calls != run->stop_after;
}

static void on_note(void *user, const char *message) {
    Run *run = user;
    run->notes++;
    size_t used = strlen(run->note);
    snprintf(run->note + used, sizeof run->note - used, "%s\n", message);
}

static bool train(Run *run) {
    Encoding position = tiny_position(run->method, arena);
    Corpus *corpus = tiny_corpus(301, arena);
    const TrainTask task = {.key = run->key,
                            .corpus = corpus,
                            .options = &run->train,
                            .optimizer = &run->optimizer,
                            .schedule = &run->schedule,
                            .state_path = run->state,
                            .source = "config 'x.json'",
                            .revision = run->revision,
                            .shared = run->shared,
                            .progress = on_progress,
                            .note = on_note,
                            .user = run};
    run->result_model = model_new(&run->model, &position, (int)run->train.length, arena);
    run->result_model->threads = run->threads ? run->threads : 1;
    run->calls = run->notes = 0;
    *run->note = '\0';
    run->err = (Error){0};
    return train_run(run->result_model, &task, &run->result, arena, &run->err);
}

static void train_well(Run *run) {
    if (!train(run)) fail_msg("%s", run->err.text);
}

static void assert_same(const Run *a, const Run *b) {
    assert_int_equal(a->result.steps, b->result.steps);
    assert_memory_equal(a->result.log, b->result.log, (size_t)a->result.steps * sizeof(TrainLog));
    assert_int_equal(a->result_model->size, b->result_model->size);
    assert_memory_equal(a->result_model->values, b->result_model->values,
                        a->result_model->size * sizeof(float));
}

static void assert_stopped(Run *run) {
    assert_false(train(run));
    assert_int_equal(run->err.code, EXIT_STOPPED);
}

static void flip(const char *path, long offset) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 16, file), EOF);
    assert_int_equal(fclose(file), 0);
}

static void rules(void **state) {
    (void)state;
    Run run = run_new("none");
    const ModelOptions model = tiny_options();
    Error err = {0};
    assert_int_equal(train_steps(&run.train), STEPS);
    run.train.tokens = 48 * 3 + 24;
    assert_int_equal(train_steps(&run.train), 4); /* rounded to nearest */
    run.train.tokens = 1;
    assert_int_equal(train_steps(&run.train), 1);
    assert_true(train_check(&run.train, &model, "config 'x.json'", &err));
    run.train.tokens_per_step = 50;
    assert_false(train_check(&run.train, &model, "config 'x.json'", &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_string_equal(err.text,
                        "config 'x.json': 'train.tokens_per_step' must be a multiple of 'train.length' (8), "
                        "got 50; use for example 56");
    run.train.tokens_per_step = 4;
    assert_false(train_check(&run.train, &model, "config 'x.json'", &err));
}

static void the_log(void **state) {
    (void)state;
    Run run = run_new("alibi");
    run.train.tokens = 60 * 48;
    run.optimizer.lr = 1e-2;
    train_well(&run);
    assert_int_equal(run.result.steps, 60);
    assert_int_equal(run.result.tokens, 60 * 48);
    assert_false(run.result.diverged);
    assert_true(run.result.seconds > 0);
    for (int64_t i = 0; i < 60; i++) {
        assert_int_equal(run.result.log[i].step, i + 1);
        double rate = optimizer_schedule_rate(&run.schedule, run.optimizer.lr, i + 1, 60);
        assert_memory_equal(&run.result.log[i].rate, &rate, sizeof rate);
        assert_true(isfinite(run.result.log[i].norm));
    }
    double last = (run.result.log[57].loss + run.result.log[58].loss + run.result.log[59].loss) / 3;
    assert_true(fabs(run.result.final_loss - last) < 1e-12);
    assert_true(last < run.result.log[0].loss - 0.2);
}

/* If the sessions of a run had different numbers of threads, all environments are stored and reported. */
static void environments(void **state) {
    (void)state;
    Run run = run_new("alibi");
    run.state = state_path;
    run.stop_after = 2;
    assert_stopped(&run);
    assert_null(run.result.session.environments);
    run.stop_after = 1;
    assert_stopped(&run); /* the environment is as before: no note */
    assert_string_equal(run.note, "resuming from step 2 of 7\n");
    assert_null(run.result.session.environments);
    run.threads = 2;
    run.stop_after = 1;
    assert_stopped(&run);
    assert_non_null(strstr(run.note, "resumed with 2 threads, "));
    assert_non_null(strstr(run.note, ", after 1 thread, "));
    run.stop_after = 0;
    train_well(&run);
    const char *text = run.result.session.environments;
    assert_non_null(text);
    assert_int_equal(strncmp(text, "1 thread, ", 10), 0);
    assert_non_null(strstr(text, " to step 3; 2 threads, "));
}

/* Processor time and load are summed over all sessions. */
static void processor_time(void **state) {
    (void)state;
    Run run = run_new("alibi");
    run.state = state_path;
    run.stop_after = 4;
    assert_stopped(&run);
    double seconds = run.result.session.processor_seconds, load = run.result.session.load_seconds;
    assert_true(seconds > 0 && seconds <= 2 * run.result.seconds + 0.01);
    assert_true(load >= 0);
    run.stop_after = 0;
    train_well(&run);
    assert_true(run.result.session.processor_seconds > seconds);
    assert_true(run.result.session.load_seconds >= load);
}

/* A run stopped at every step in turn, with both optimizers, with dropout, and with micro-batches that do not
   divide the step. */
static void resuming_changes_nothing(void **state) {
    (void)state;
    for (int optimizer = OPTIMIZER_ADAMW; optimizer <= OPTIMIZER_NAG; optimizer++) {
        Run whole = run_new("t5");
        whole.optimizer.name = optimizer;
        whole.model.dropout = whole.model.attention_dropout = 0.2;
        whole.model.max_tokens_in_flight = 32;
        Run parts = whole;
        train_well(&whole);
        parts.state = state_path;
        parts.stop_after = 1;
        for (int step = 1; step < STEPS; step++) {
            assert_stopped(&parts);
            assert_int_equal(parts.result.steps, step);
            assert_int_equal(parts.calls, 1);
        }
        train_well(&parts); /* a request to stop after the last step is too late */
        assert_same(&whole, &parts);
        assert_true(fabs(whole.result.final_loss - parts.result.final_loss) == 0);
        train_well(&parts); /* nothing is left to do */
        assert_int_equal(parts.calls, 0);
        assert_same(&whole, &parts);
        assert_int_equal(unlink(state_path), 0);
        assert_int_equal(unlink(old_path), 0);
    }
}

/* A state of another revision is resumed; the note and the result name both. */
static void revisions_are_kept_apart(void **state) {
    (void)state;
    Run run = run_new("none");
    run.state = state_path;
    run.revision = "a1";
    run.stop_after = 2;
    assert_stopped(&run);
    run.stop_after = 1;
    assert_stopped(&run);
    assert_string_equal(run.note, "resuming from step 2 of 7\n");
    run.revision = "b2-dirty.77";
    assert_stopped(&run);
    assert_string_equal(run.note, "resuming from step 3 of 7, which another revision of poslab made (a1)\n");
    run.stop_after = 0;
    train_well(&run);
    assert_string_equal(run.note, "resuming from step 4 of 7\n");
    assert_string_equal(run.result.revision, "a1 to step 3, b2-dirty.77");
    assert_int_equal(unlink(state_path), 0);
    assert_int_equal(unlink(old_path), 0);
}

/* The hashes of the shared sources of all sessions are the result's, where they are known. */
static void shared_sources_are_kept_apart(void **state) {
    (void)state;
    static const struct {
        const char *first, *second, *second_revision, *together;
    } cases[] = {{"x", "x", "b", "x"},  {"x", "y", "b", "x, y"}, {NULL, "y", "b", NULL},
                 {NULL, "y", "a", "y"}, {"x", NULL, "a", NULL},  {"x", "y", "a", "x, y"}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Run run = run_new("none");
        run.state = state_path;
        run.revision = "a";
        run.shared = cases[i].first;
        run.stop_after = 2;
        assert_stopped(&run);
        run.revision = cases[i].second_revision;
        run.shared = cases[i].second;
        run.stop_after = 0;
        train_well(&run);
        const char *got = run.result.shared, *wanted = cases[i].together;
        if (!got != !wanted || (got && strcmp(got, wanted))) fail_msg("case %d: %s", i, got ? got : "NULL");
        train_state_remove(state_path);
    }
}

/* Rewrites a state as if the method's file had been another one. */
static void pretend_files(const char *path, const char *files) {
    SafetensorsFile file;
    Error err;
    if (!safetensors_read(path, &file, arena, &err)) fail_msg("%s", err.text);
    assert_non_null(json_get(file.metadata, "method_files"));
    Json *metadata = json_new_object(arena);
    for (const Json *value = json_first(file.metadata); value; value = json_next(value))
        if (strcmp(json_name(value), "sha256") && strcmp(json_name(value), "method_files"))
            json_set_text(metadata, json_name(value), json_text(value, ""));
    if (files) json_set_text(metadata, "method_files", files);
    file.metadata = metadata;
    if (!safetensors_write(path, &file, &err)) fail_msg("%s", err.text);
}

/* A state that an edited method left begins over; one without hashes, of an earlier version, is resumed. */
static void states_of_edited_methods(void **state) {
    (void)state;
    Run whole = run_new("none");
    train_well(&whole);
    for (int i = 0; i < 2; i++) {
        Run run = run_new("none");
        run.state = state_path;
        run.stop_after = 3;
        assert_stopped(&run);
        unlink(old_path);
        pretend_files(state_path, i ? NULL : "none:0123456789ab");
        run.stop_after = 0;
        train_well(&run);
        if (!i) assert_non_null(strstr(run.note, "the method's file was edited since"));
        assert_int_equal(run.calls, i ? STEPS - 3 : STEPS);
        assert_same(&whole, &run);
        train_state_remove(state_path);
    }
}

static void damaged_states(void **state) {
    (void)state;
    Run whole = run_new("rotary");
    Run parts = whole;
    train_well(&whole);
    parts.state = state_path;
    parts.stop_after = 2;
    assert_stopped(&parts);
    assert_stopped(&parts); /* 4 steps, and 2 steps in the older state */
    flip(state_path, 3000);
    parts.stop_after = 1;
    assert_stopped(&parts);
    assert_int_equal(parts.result.steps, 3);
    assert_int_equal(parts.notes, 2);
    assert_non_null(strstr(parts.note, "trying the older state"));
    assert_non_null(strstr(parts.note, "resuming from step 2 of 7"));
    flip(state_path, 3000); /* the damaged state has not replaced the valid older one */
    assert_stopped(&parts);
    assert_int_equal(parts.result.steps, 3);
    assert_non_null(strstr(parts.note, "resuming from step 2 of 7"));

    flip(state_path, 3000);
    assert_int_equal(truncate(old_path, 100), 0);
    parts.stop_after = 0;
    train_well(&parts);
    assert_int_equal(parts.calls, STEPS);
    assert_int_equal(parts.notes, 2);
    assert_non_null(strstr(parts.note, "starting over"));
    assert_same(&whole, &parts);
}

/* The moments at which a process can be killed while it saves the state of step 3, with step 2 as the older
 * state: from each of them the run resumes, from the new state if possible, and ends with the same bits.
 */
static void killed_while_saving(void **state) {
    (void)state;
    enum { WRITING, WRITTEN, MOVED, DONE, MOMENTS };
    const char *new_path = arena_format(arena, "%s.new", state_path);
    const char *part_path = arena_format(arena, "%s.tmp", new_path);
    Run whole = run_new("none");
    train_well(&whole);
    for (int moment = WRITING; moment < MOMENTS; moment++) {
        Run parts = run_new("none");
        parts.state = state_path;
        parts.stop_after = 2;
        assert_stopped(&parts);
        parts.stop_after = 1;
        assert_stopped(&parts); /* step 3; repeated from here: */
        if (moment < DONE) assert_int_equal(rename(state_path, new_path), 0);
        if (moment < MOVED) assert_int_equal(rename(old_path, state_path), 0);
        if (moment < WRITTEN) {
            assert_int_equal(rename(new_path, part_path), 0);
            assert_int_equal(truncate(part_path, 100), 0);
        }
        assert_stopped(&parts);
        assert_int_equal(parts.result.steps, moment == WRITING ? 3 : 4);
        assert_int_equal(parts.notes, 1);
        assert_int_not_equal(access(part_path, F_OK), 0);
        assert_int_not_equal(access(new_path, F_OK), 0);
        parts.stop_after = 0;
        train_well(&parts);
        assert_same(&whole, &parts);
        assert_int_equal(access(old_path, F_OK), 0);
        train_state_remove(state_path);
        assert_int_not_equal(access(state_path, F_OK), 0);
        assert_int_not_equal(access(old_path, F_OK), 0);
    }
}

/* States that no run can have written, with valid checksums. */
static void senseless_states(void **state) {
    (void)state;
    static const char *const tensors[] = {"layers.0.norm1.weight", "adam.v.embedding.weight", "log"};
    Run whole = run_new("none");
    train_well(&whole);
    for (int i = 0; i < COUNT_OF(tensors); i++) {
        Run parts = run_new("none");
        SafetensorsFile file;
        Error err;
        parts.state = state_path;
        parts.stop_after = 1;
        assert_stopped(&parts);
        assert_stopped(&parts);
        if (!safetensors_read(state_path, &file, arena, &err)) fail_msg("%s", err.text);
        memset(safetensors_find(&file, tensors[i])->data, 0xFF, 4 * sizeof(float)); /* not a number */
        if (!safetensors_write(state_path, &file, &err)) fail_msg("%s", err.text);
        parts.stop_after = 0;
        train_well(&parts);
        assert_non_null(strstr(parts.note, "trying the older state"));
        assert_non_null(strstr(parts.note, "resuming from step 1 of 7"));
        assert_same(&whole, &parts);
        train_state_remove(state_path);
    }
}

static void states_of_other_runs(void **state) {
    (void)state;
    Run first = run_new("none");
    first.state = state_path;
    train_well(&first);
    Run second = run_new("none");
    second.key = "fedcba9876543210";
    second.train.seed = 2;
    train_well(&second);
    Run mistaken = second;
    mistaken.state = state_path;
    train_well(&mistaken);
    assert_int_equal(mistaken.notes, 1);
    assert_non_null(strstr(mistaken.note, "another run"));
    assert_same(&second, &mistaken);
    assert_int_not_equal(memcmp(first.result_model->values, second.result_model->values,
                                second.result_model->size * sizeof(float)),
                         0);
    mistaken.train.checkpoint = 17; /* the interval between saves is not part of a run's identity */
    train_well(&mistaken);
    assert_int_equal(mistaken.calls, 0);

    /* Earlier versions named a run by its options. */
    SafetensorsFile file;
    Error err;
    assert_true(safetensors_read(state_path, &file, arena, &err));
    json_set_text(file.metadata, "run", "{\"corpus\":\"0\"}");
    assert_true(safetensors_write(state_path, &file, &err));
    train_well(&mistaken);
    assert_int_equal(mistaken.calls, 0);
}

/* The time of all sessions, and the mean of the last 5 % of the losses, rounded up. */
static void sums_over_sessions(void **state) {
    (void)state;
    Run run = run_new("none");
    run.train.tokens = 21 * 48;
    run.state = state_path;
    run.stop_after = 20;
    assert_stopped(&run);
    double before = run.result.seconds;
    run.stop_after = 0;
    train_well(&run);
    assert_true(before > 0 && run.result.seconds > before);
    const TrainLog *log = run.result.log;
    assert_true(fabs(run.result.final_loss - (log[19].loss + log[20].loss) / 2) < 1e-12);
}

static void states_are_saved_in_time(void **state) {
    (void)state;
    Run run = run_new("none");
    run.state = state_path;
    run.train.checkpoint = 1e-9; /* after every step */
    train_well(&run);
    Error err;
    for (int i = 0; i < 2; i++) {
        SafetensorsFile file;
        const char *path = i ? old_path : state_path;
        if (!safetensors_read(path, &file, arena, &err)) fail_msg("%s", err.text);
        assert_string_equal(json_text(json_get(file.metadata, "step"), ""), i ? "6" : "7");
        assert_non_null(safetensors_find(&file, "adam.m.embedding.weight"));
        assert_non_null(safetensors_find(&file, "adam.v.layers.1.ffn.out.bias"));
    }
}

static void states_that_cannot_be_written(void **state) {
    (void)state;
    Run run = run_new("none");
    run.state = arena_format(arena, "%s/missing/state", fixture_path());
    assert_false(train(&run));
    assert_int_equal(run.err.code, EXIT_SYSTEM);
    assert_non_null(strstr(run.err.text, "missing"));
}

static void memory_is_what_was_said(void **state) {
    (void)state;
    for (int optimizer = OPTIMIZER_ADAMW; optimizer <= OPTIMIZER_NAG; optimizer++) {
        Run run = run_new("sinusoidal");
        run.optimizer.name = optimizer;
        for (run.model.max_tokens_in_flight = 1; run.model.max_tokens_in_flight < 100;
             run.model.max_tokens_in_flight *= 5) {
            run.threads = run.threads % 3 + 1;
            train_well(&run);
            assert_int_equal(run.result.peak_bytes,
                             train_bytes(run.result_model, &run.train, &run.optimizer));
        }
    }
}

/* Cutting a step into passes changes only the order of sums; dropout masks are the same. */
static void micro_batches(void **state) {
    (void)state;
    Run whole = run_new("t5");
    whole.model.dropout = whole.model.attention_dropout = whole.model.activation_dropout = 0.3;
    whole.optimizer.lr = 1e-3;
    Run parts = whole;
    train_well(&whole);
    for (int64_t rows = 1; rows < 48; rows = 2 * rows + 3) {
        parts.model.max_tokens_in_flight = rows;
        train_well(&parts);
        for (int64_t i = 0; i < STEPS; i++) {
            assert_true(fabs(parts.result.log[i].loss - whole.result.log[i].loss) < 1e-4);
            assert_true(fabs(parts.result.log[i].norm / whole.result.log[i].norm - 1) < 1e-3);
        }
    }
}

static void divergence(void **state) {
    (void)state;
    Run run = run_new("none");
    run.optimizer.lr = 1e30;
    run.optimizer.clip = 0;
    run.state = state_path;
    train_well(&run);
    assert_true(run.result.diverged);
    assert_int_equal(run.result.diverged_step, run.result.steps);
    assert_true(run.result.steps >= 2 && run.result.steps < STEPS);
    assert_int_equal(run.result.tokens, run.result.steps * 48);
    const TrainLog *last = &run.result.log[run.result.steps - 1];
    assert_true(!isfinite(last->loss) || !isfinite(last->norm));
}

static void too_little_text(void **state) {
    (void)state;
    Run run = run_new("none");
    run.train.length = 400;
    run.train.tokens_per_step = 400;
    assert_false(train(&run));
    assert_int_equal(run.err.code, EXIT_USAGE);
}

static void restoring(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    Model *from = tiny_model(&options, "t5", 8, arena), *to = tiny_model(&options, "t5", 8, arena);
    SafetensorsFile file;
    Error err = {0};
    train_state_list_tensors(from, &file, arena);
    assert_int_equal(file.count, from->param_count);
    memset(to->values, 0, to->size * sizeof(float));
    assert_true(train_state_load_tensors(to, &file, "x.safetensors", &err));
    assert_memory_equal(to->values, from->values, to->size * sizeof(float));

    SafetensorsTensor *tensor = &file.tensors[3], good = *tensor;
    tensor->name = "something.else";
    assert_false(train_state_load_tensors(to, &file, "x.safetensors", &err));
    assert_int_equal(err.code, EXIT_DAMAGED);
    assert_string_equal(err.text,
                        arena_format(arena, "'x.safetensors': tensor '%s' is missing", from->params[3].name));
    *tensor = good;
    tensor->dims[0]++;
    assert_false(train_state_load_tensors(to, &file, "x.safetensors", &err));
    assert_non_null(strstr(err.text, "another shape"));
    *tensor = good;
    tensor->type = SAFETENSORS_I32;
    assert_false(train_state_load_tensors(to, &file, "x.safetensors", &err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(rules),
        TEST(the_log),
        TEST(processor_time),
        TEST(resuming_changes_nothing),
        TEST(revisions_are_kept_apart),
        TEST(shared_sources_are_kept_apart),
        TEST(states_of_edited_methods),
        TEST(damaged_states),
        TEST(killed_while_saving),
        TEST(senseless_states),
        TEST(states_of_other_runs),
        TEST(states_are_saved_in_time),
        TEST(sums_over_sessions),
        TEST(states_that_cannot_be_written),
        TEST(memory_is_what_was_said),
        TEST(micro_batches),
        TEST(divergence),
        TEST(too_little_text),
        TEST(restoring),
        TEST(environments),
    };
    return cmocka_run_group_tests_name("train", tests, NULL, NULL);
}
