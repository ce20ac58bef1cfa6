/* test_stages: training in stages of different lengths.
 *
 * The order of stages and of their batches is fixed. Optimizer and rates do not depend on stages. A run that
 * is interrupted anywhere, also at a border, ends with the same bits. Costs are sums over stages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"

#include "tiny.h"
#include "train/train.h"
#include "data/batches.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 10, TOKENS = 48 };
static const char *state_path;

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    state_path = arena_format(arena, "%s/state.safetensors", fixture_path());
    return 0;
}

/* Ten updates: 2 at length 4, 5 at 24, which is the longest, and 3 at 8. */
static const TrainStageOptions three[] = {{4, 0.2, 0}, {24, 0.5, 1}};

static TinyRun run_new(const TrainStageOptions *stages, int count) {
    TinyRun run = tiny_run("t5", STEPS, TOKENS);
    run.options.dropout = run.options.attention_dropout = 0.2;
    run.options.max_tokens_in_flight = 32;
    run.train.stages = stages;
    run.train.stage_count = count;
    return run;
}

/* The first updates of two runs, and the weights after the last of them. */
static void assert_same(const TinyRun *a, const TinyRun *b) {
    int64_t steps = a->result.steps < b->result.steps ? a->result.steps : b->result.steps;
    assert_memory_equal(a->result.log, b->result.log, (size_t)steps * sizeof(TrainLog));
    if (a->result.steps != b->result.steps) return;
    assert_memory_equal(a->model->values, b->model->values, a->model->size * sizeof(float));
}

static void order(void **state) {
    (void)state;
    static const struct {
        int64_t steps;
        double share[3];
        int64_t borders[3]; /* last updates of the stages before the last one */
    } cases[] = {
        {10, {0.2, 0.5}, {2, 7}}, {10, {0.25}, {3}},
        {10, {0.24}, {2}},        {10, {0.01, 0.01, 0.9}, {1, 2, 11}},
        {1, {0.5}, {1}},          {1000, {0.3333, 0.3333, 0.3333}, {333, 666, 999}},
        {7, {0.5, 0.25}, {4, 6}}, {400, {0.001}, {1}},
    };
    for (int c = 0; c < COUNT_OF(cases); c++) {
        TrainStageOptions stages[3];
        TrainOptions options = {.length = 8, .tokens = cases[c].steps * 48, .tokens_per_step = 48};
        for (int i = 0; i < 3 && cases[c].share[i] > 0; i++)
            stages[options.stage_count++] = (TrainStageOptions){4 << i, cases[c].share[i], i};
        options.stages = stages;
        int64_t first = 0;
        assert_int_equal(train_stage_count(&options), options.stage_count + 1);
        for (int i = 0; i < train_stage_count(&options); i++) {
            bool last = i == options.stage_count;
            TrainStage stage = train_stage(&options, i);
            assert_int_equal(stage.index, i);
            assert_int_equal(stage.length, last ? 8 : 4 << i);
            assert_int_equal(stage.sequences, 48 / stage.length);
            assert_int_equal(stage.first, first);
            assert_int_equal(first += stage.updates, last ? cases[c].steps : cases[c].borders[i]);
            for (int64_t step = stage.first + 1; step <= stage.first + stage.updates; step++)
                assert_int_equal(train_stage_at(&options, step).index, i);
        }
        Error err;
        const ModelOptions model = tiny_options();
        bool fits = cases[c].borders[options.stage_count - 1] < cases[c].steps;
        assert_int_equal(train_check(&options, &model, "config 'x.json'", &err), fits);
    }
    const TinyRun run = run_new(three, 2);
    assert_int_equal(train_stage_at(&run.train, STEPS + 1).index, 2);
    assert_string_equal(train_stages_text(&run.train, arena), "length 4 to update 2, 24 to 7, 8 to 10");
}

static void rules(void **state) {
    (void)state;
    static const struct {
        TrainStageOptions stage;
        int64_t tokens_per_step;
        const char *error; /* NULL: none */
    } cases[] = {
        {{32, 0.2, 3},
         48,
         "config 'x.json': 'train.tokens_per_step' must be a multiple of 'train.stages[3].length' (32), got "
         "48; use for example 64"},
        {{12, 0.2, 0},
         50,
         "config 'x.json': 'train.tokens_per_step' must be a multiple of 'train.length' (8), got 50; use for "
         "example 72"},
        {{1048575, 0.2, 0},
         1048575LL * 8 - 8,
         "config 'x.json': 'train.tokens_per_step' must be a multiple of 'train.stages[0].length' (1048575), "
         "got 8388592; use for example 8388600"},
        {{4, 0.96, 0},
         48,
         "config 'x.json': 'train.stages' take all 10 updates and leave none to 'train.length' (8); lower a "
         "share, or raise 'train.tokens'"},
        {{4, 0.94, 0}, 48, NULL},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        TinyRun run = run_new(&cases[i].stage, 1);
        Error err;
        run.train.tokens_per_step = cases[i].tokens_per_step;
        run.train.tokens = STEPS * cases[i].tokens_per_step;
        assert_int_equal(train_check(&run.train, &run.options, "config 'x.json'", &err), !cases[i].error);
        if (cases[i].error) assert_string_equal(err.text, cases[i].error);
    }
    static const TrainStageOptions primes[] = {{65521, 0.1, 0}, {65519, 0.1, 1}};
    TinyRun run = run_new(primes, 2);
    Error err;
    assert_false(train_check(&run.train, &run.options, "x", &err));
    assert_non_null(strstr(err.text, "; choose lengths that divide one number"));
}

/* Up to the first border a run is one at the length of its first stage, to the last bit; rates are those of a
   run without stages throughout. */
static void first_stage(void **state) {
    (void)state;
    TinyRun staged = run_new(three, 2), plain = run_new(NULL, 0);
    plain.train.length = 4;
    plain.stop_after = staged.stop_after = 2;
    plain.state_path = staged.state_path = state_path;
    tiny_train_part(&plain, arena);
    train_state_remove(state_path);
    tiny_train_part(&staged, arena);
    train_state_remove(state_path);
    assert_same(&staged, &plain);
    staged.stop_after = plain.stop_after = 0;
    tiny_train_well(&staged, arena);
    train_state_remove(state_path);
    tiny_train_well(&plain, arena);
    train_state_remove(state_path);
    assert_int_equal(staged.result.steps, STEPS);
    assert_int_equal(staged.result.tokens, STEPS * TOKENS);
    assert_memory_equal(staged.result.log, plain.result.log, 2 * sizeof(TrainLog));
    assert_true(staged.result.log[2].loss != plain.result.log[2].loss);
    for (int i = 0; i < STEPS; i++) assert_true(staged.result.log[i].rate == plain.result.log[i].rate);
}

/* Interrupted after every update in turn, of both optimizers and of several threads. */
static void resuming(void **state) {
    (void)state;
    for (int optimizer = OPTIMIZER_ADAMW; optimizer <= OPTIMIZER_NAG; optimizer++) {
        TinyRun whole = run_new(three, 2);
        whole.optimizer.name = optimizer;
        whole.threads = optimizer == OPTIMIZER_NAG ? 3 : 1;
        TinyRun parts = whole;
        tiny_train_well(&whole, arena);
        assert_string_equal(whole.notes,
                            "stage 1 of 3: length 4 to step 2\nstage 2 of 3: length 24 to step 7\n"
                            "stage 3 of 3: length 8 to step 10\n");
        parts.state_path = state_path;
        parts.stop_after = 1;
        for (int step = 1; step < STEPS; step++) {
            tiny_train_part(&parts, arena);
            assert_int_equal(parts.result.steps, step);
            if (step == 3) assert_non_null(strstr(parts.notes, "resuming from step 2 of 10\nstage 2 of 3:"));
        }
        tiny_train_well(&parts, arena);
        assert_same(&whole, &parts);
        assert_true(whole.result.final_loss == parts.result.final_loss);
        assert_int_equal(parts.result.peak_bytes, whole.result.peak_bytes); /* of the longest stage */
        train_state_remove(state_path);
    }
}

/* Memory is that of the largest stage, not of all together. */
static void memory(void **state) {
    (void)state;
    for (int threads = 1; threads <= 4; threads++) {
        TinyRun staged = run_new(three, 2);
        staged.threads = threads;
        tiny_train_well(&staged, arena);
        assert_int_equal(staged.result.peak_bytes,
                         train_bytes(staged.model, &staged.train, &staged.optimizer));
        size_t largest = 0;
        for (int i = 0; i < 3; i++) {
            TinyRun plain = run_new(NULL, 0);
            plain.train.length = train_stage(&staged.train, i).length;
            size_t bytes = train_bytes(staged.model, &plain.train, &plain.optimizer);
            if (bytes > largest) largest = bytes;
        }
        assert_int_equal(staged.result.peak_bytes, largest);
    }
}

/* A stage that the text is too short for. */
static void too_little_text(void **state) {
    (void)state;
    static const TrainStageOptions longer = {400, 0.5, 0};
    TinyRun run = run_new(&longer, 1);
    Error err;
    run.train.tokens_per_step = 400;
    run.train.tokens = 4000;
    assert_false(tiny_train(&run, arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(order), TEST(rules), TEST(first_stage), TEST(resuming), TEST(memory), TEST(too_little_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
