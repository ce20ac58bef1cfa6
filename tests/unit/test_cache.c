/* test_cache: segments that attend to cached rows, in evaluations and in training.
 *
 * An evaluation with a cache of everything equals one pass; token by token equals segment by segment; in one
 * layer a sliding cache equals strided windows. Training visits the text in order, resumes with the same
 * bits, and takes the memory that was planned. The laws of single passes are in laws/laws_cache.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "near.h"
#include "need.h"
#include "tiny.h"
#include "data/batches.h"
#include "model/cache.h"
#include "train/evaluate.h"
#include "train/train.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { STEPS = 12, TOKENS = 24, SEED = 5 };
static const char *state_path;

static int setup(void **state) {
    if (fixture_folder(state)) return 1;
    state_path = arena_format(arena, "%s/state.safetensors", fixture_path());
    return 0;
}

/* ---- evaluation ---- */

static EvaluateResult evaluate(const Model *model, const Corpus *corpus, int protocol, int64_t tokens,
                               int64_t length, int64_t stride) {
    const EvaluateRequest request = {
        .split = SPLIT_VALID, .tokens = tokens, .protocol = protocol, .length = length, .stride = stride};
    Arena *scratch = arena_new(0);
    EvaluateResult result;
    Error err;
    if (!evaluate_run(model, corpus, &request, NULL, NULL, &result, arena, scratch, &err))
        fail_msg("%s", err.text);
    if (evaluate_uses_cache(&request)) assert_int_equal(result.peak_bytes, evaluate_bytes(model, &request));
    arena_free(scratch);
    return result;
}

static double mean(EvaluateResult result) {
    return result.nll / (double)result.tokens;
}

static void a_cache_of_everything_is_one_pass(void **state) {
    (void)state;
    static const char *const methods[] = {"rotary", "alibi", "sinusoidal", "pia",
                                          "t5",     "shaw",  "fox",        "cope"};
    ModelOptions options = tiny_options();
    const Corpus *corpus = tiny_corpus(2000, arena);
    for (int m = 0; m < COUNT_OF(methods); m++) {
        if (!encoding_find(methods[m])) continue;
        const Model *model = tiny_model(&options, methods[m], 16, arena);
        double whole = mean(evaluate(model, corpus, EVALUATE_NONOVERLAPPING, 96, 96, 96));
        near(mean(evaluate(model, corpus, EVALUATE_CACHED, 96, 96, 16)), whole, 1e-6);
        near(mean(evaluate(model, corpus, EVALUATE_CACHED, 96, 96, 12)), whole, 1e-6);
        near(mean(evaluate(model, corpus, EVALUATE_TOKEN, 96, 96, 16)), whole, 1e-6);
        near(mean(evaluate(model, corpus, EVALUATE_TOKEN, 96, 96, 1)), whole, 1e-6);
    }
}

/* The last block is shorter; contexts are those that the protocol names. */
static void token_by_token(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Corpus *corpus = tiny_corpus(2000, arena);
    const Model *model = tiny_model(&options, "rotary", 16, arena);
    EvaluateResult cached = evaluate(model, corpus, EVALUATE_CACHED, 75, 24, 10);
    EvaluateResult token = evaluate(model, corpus, EVALUATE_TOKEN, 75, 24, 10);
    EvaluateResult strided = evaluate(model, corpus, EVALUATE_STRIDED, 75, 24, 10), layout;
    near(mean(token), mean(cached), 1e-6);
    assert_true(fabs(mean(strided) - mean(cached)) > 1e-6); /* rows of the cache have seen more */
    evaluate_layout(&cached.request, corpus->splits[SPLIT_VALID].count, &layout, arena);
    assert_int_equal(layout.windows, cached.windows);
    assert_int_equal(layout.bins, cached.bins);
    for (int b = 0; b < cached.bins; b++) assert_int_equal(layout.bin[b].tokens, cached.bin[b].tokens);
    options.layers = 1;
    model = tiny_model(&options, "rotary", 16, arena);
    near(mean(evaluate(model, corpus, EVALUATE_CACHED, 75, 24, 10)),
         mean(evaluate(model, corpus, EVALUATE_STRIDED, 75, 24, 10)), 1e-6);
}

static void trimming(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "none", 16, arena);
    Cache cache = cache_new(model, 2, 5, arena);
    for (size_t i = 0; i < cache_floats(&cache); i++) cache.rows[i] = (float)i;
    cache_advance(&cache, 3);
    assert_int_equal(cache.count, 3);
    cache_advance(&cache, 3);
    assert_int_equal(cache.count, 5);
    cache_trim(&cache, 2);
    assert_int_equal(cache.count, 2);
    float last = (float)(cache_floats(&cache) - 1);
    assert_true(cache_rows(&cache, cache.layers - 1, 1)[2 * cache.width - 1] == last);
    cache_trim(&cache, 4);
    assert_int_equal(cache.count, 2);
}

/* ---- batches ---- */

static void text_in_order(void **state) {
    (void)state;
    uint32_t tokens[100];
    for (int i = 0; i < COUNT_OF(tokens); i++) tokens[i] = (uint32_t)i;
    const CorpusStream stream = {.tokens = tokens, .count = COUNT_OF(tokens)};
    Error err;
    enum { LENGTH = 8, STREAMS = 3 };
    Batches *batches = batches_new(&stream, LENGTH, SEED, 0, "config 'x.json'", arena, &err);
    assert_true(batches_in_order(batches, STREAMS, "config 'x.json'", &err));
    int64_t updates = batches_epoch_updates(batches);
    assert_int_equal(updates, 3); /* of 11 windows, the last two are left out */
    for (int64_t u = 0; u < 4 * updates; u++)
        for (int b = 0; b < STREAMS; b++) {
            BatchesSequence now = batches_sequence(batches, u * STREAMS + b);
            uint32_t first = now.tokens[0];
            if (b)
                assert_int_equal(first,
                                 batches_sequence(batches, u * STREAMS).tokens[0] + b * updates * LENGTH);
            if (u % updates == 0) continue;
            assert_int_equal(first, batches_sequence(batches, (u - 1) * STREAMS + b).tokens[0] + LENGTH);
        }
    assert_false(batches_in_order(batches_new(&stream, LENGTH, SEED, 0, "config 'x.json'", arena, &err), 12,
                                  "config 'x.json'", &err));
    assert_string_equal(err.text,
                        "config 'x.json': training in the order of the text needs 12 windows of 8 tokens, "
                        "one for each sequence of an update, the training tokens have 11; add files to "
                        "'data.files', or lower 'train.tokens_per_step'");
}

/* ---- training ---- */

static const TrainStageOptions first_stage = {4, 0.25, 0};

/* Three updates of six sequences of 4, then nine of three sequences of 8. In the second stage an epoch has
   three updates, so that the cache is emptied within the stage. */
static TinyRun run_new(int64_t cache) {
    TinyRun run = tiny_run("rotary", STEPS, TOKENS);
    run.options.dropout = run.options.attention_dropout = 0.2;
    run.options.max_tokens_in_flight = 16;
    run.tokens = 125;
    run.train.cache = cache;
    run.train.stages = &first_stage;
    run.train.stage_count = 1;
    return run;
}

static void resuming(void **state) {
    (void)state;
    static const struct {
        const char *method;
        int64_t cache;
        int threads;
    } cases[] = {{"rotary", 8, 1}, {"pia", 11, 3}, {"sinusoidal", 30, 1}};
    for (int c = 0; c < COUNT_OF(cases); c++) {
        TinyRun whole = run_new(cases[c].cache);
        whole.method = cases[c].method;
        whole.threads = cases[c].threads;
        TinyRun parts = whole;
        tiny_train_well(&whole, arena);
        assert_int_equal(whole.result.peak_bytes, train_bytes(whole.model, &whole.train, &whole.optimizer));
        parts.state_path = state_path;
        parts.stop_after = 1;
        for (int step = 1; step < STEPS; step++) {
            Error err;
            assert_false(tiny_train(&parts, arena, &err));
            assert_int_equal(err.code, EXIT_STOPPED);
            assert_int_equal(parts.result.steps, step);
        }
        tiny_train_well(&parts, arena);
        assert_memory_equal(whole.result.log, parts.result.log, STEPS * sizeof(TrainLog));
        assert_memory_equal(whole.model->values, parts.model->values, whole.model->size * sizeof(float));
        train_state_remove(state_path);
    }
}

/* The first update of a stage and of an epoch has an empty cache, the second one sees that of the first. */
static void the_cache_counts(void **state) {
    (void)state;
    TinyRun with = run_new(8), longer = run_new(11), shorter = run_new(4);
    tiny_train_well(&with, arena);
    tiny_train_well(&longer, arena);
    tiny_train_well(&shorter, arena);
    assert_true(with.result.log[0].loss == longer.result.log[0].loss);
    assert_true(with.result.log[1].loss == shorter.result.log[1].loss); /* 4 rows are there */
    assert_true(with.result.log[2].loss == longer.result.log[2].loss);  /* 8 rows are there */
    assert_true(with.result.log[2].loss != shorter.result.log[2].loss);
    assert_true(with.result.log[4].loss == longer.result.log[4].loss); /* of the second stage */
    assert_true(with.result.log[5].loss != longer.result.log[5].loss);
}

/* Without a cache, the same sequences: where the cache is empty, the loss is the same. */
static void order_without_a_cache(void **state) {
    (void)state;
    TinyRun with = run_new(8), random = run_new(0), text = run_new(0);
    text.train.order = TRAIN_TEXT;
    tiny_train_well(&with, arena);
    tiny_train_well(&random, arena);
    tiny_train_well(&text, arena);
    assert_true(text.result.log[0].loss == with.result.log[0].loss);
    assert_true(text.result.log[1].loss != with.result.log[1].loss);
    assert_true(text.result.log[0].loss != random.result.log[0].loss);
}

/* A state without the rows of the cache is not taken for one with them. */
static void states_without_a_cache(void **state) {
    (void)state;
    TinyRun run = run_new(0), with = run_new(8);
    Error err;
    run.state_path = with.state_path = state_path;
    run.stop_after = 3;
    assert_false(tiny_train(&run, arena, &err));
    tiny_train_well(&with, arena);
    assert_int_equal(with.calls, STEPS); /* it started over */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, fixture_folder_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_cache_of_everything_is_one_pass),
        TEST(token_by_token),
        TEST(trimming),
        TEST(text_in_order),
        TEST(resuming),
        TEST(the_cache_counts),
        TEST(order_without_a_cache),
        TEST(states_without_a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
