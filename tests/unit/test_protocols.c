/* test_protocols: the sums of evaluate_run against brute force.
 *
 * For each target, its window is found by walking over the stream, and the model runs on it alone. Also tests
 * the protocols of configs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "near.h"

#include "experiment/config.h"
#include "model/transformer.h"
#include "model/activations.h"
#include "need.h"
#include "samples.h"
#include "tiny.h"

#include <math.h>
#include <string.h>

enum { MOST = 256 };

/* The result of brute force: every target's loss, the index of its window, and its position in the window. */
typedef struct Scores {
    double nll[MOST];
    int64_t times[MOST], window[MOST], source[MOST], windows;
} Scores;

/* Walks over the stream: the next `stride` targets are scored in a window that ends with them (complete, even
   if the stream ends first) and has `length` targets, or fewer at the start of the stream. */
static void brute_force(Scores *scores, const Model *model, const CorpusStream *stream, int64_t from,
                        int64_t to, int64_t length, int64_t stride) {
    memset(scores, 0, sizeof *scores);
    for (int64_t done = from; done < to; scores->windows++) {
        int64_t start = done + stride - length, end = done + stride;
        while (start < 0) start++;
        while (end > to) end--;
        ArenaMark mark = arena_mark(sample_arena);
        Activations *pass = activations_new(model, 1, (int)(end - start), false, sample_arena);
        float *nll = NEW(sample_arena, end - start, float);
        const uint32_t *tokens = stream->tokens + start;
        transformer_evaluate(model, pass, &tokens, 1, nll);
        for (; done < end; done++) {
            scores->nll[done] = nll[done - start];
            scores->times[done]++;
            scores->window[done] = scores->windows;
            scores->source[done] = done - start;
        }
        arena_release(sample_arena, mark);
    }
}

static EvaluateResult evaluate(const Model *model, const Corpus *corpus, EvaluateRequest request) {
    EvaluateResult result;
    Error err = {0};
    Arena *scratch = arena_new(0);
    if (!evaluate_run(model, corpus, &request, NULL, NULL, &result, sample_arena, scratch, &err))
        fail_msg("%s", err.text);
    arena_free(scratch);
    return result;
}

/* Checks the sums over windows, over bins and in total, and that every target in [from, to) counts once. */
static void assert_scores(const EvaluateResult *result, const Scores *scores, int64_t from, int64_t to) {
    double all = 0;
    int64_t count = 0;
    assert_int_equal(result->windows, scores->windows);
    for (int64_t w = 0; w < result->windows; w++) {
        double nll = 0;
        int64_t tokens = 0;
        for (int64_t k = from; k < to; k++) {
            if (scores->window[k] != w) continue;
            nll += scores->nll[k];
            tokens += scores->times[k];
        }
        assert_int_equal(result->window[w].tokens, tokens);
        near_relative(result->window[w].nll, nll, 1e-5);
        all += nll;
        count += tokens;
    }
    assert_int_equal(count, to - from);
    assert_int_equal(result->tokens, to - from);
    near_relative(result->nll, all, 1e-5);
    count = 0;
    for (int b = 0; b < result->bins; b++) {
        double nll = 0;
        int64_t tokens = 0;
        for (int64_t k = from; k < to; k++) {
            if (scores->source[k] < result->bin[b].first || scores->source[k] > result->bin[b].last) continue;
            nll += scores->nll[k];
            tokens++;
        }
        assert_int_equal(result->bin[b].tokens, tokens);
        near_relative(result->bin[b].nll, nll, 1e-5);
        count += tokens;
    }
    assert_int_equal(count, to - from); /* the loss by position is complete */
}

static void accounting(void **state) {
    (void)state;
    static const struct {
        int protocol;
        int64_t tokens, length, stride;
    } cases[] = {
        {EVALUATE_NONOVERLAPPING, 0, 16, 16}, {EVALUATE_NONOVERLAPPING, 50, 12, 12},
        {EVALUATE_STRIDED, 0, 16, 16},        {EVALUATE_STRIDED, 0, 16, 4},
        {EVALUATE_STRIDED, 60, 24, 7},        {EVALUATE_STRIDED, 30, 16, 1},
        {EVALUATE_LAST_N, 20, 8, 1},          {EVALUATE_LAST_N, 20, 8, 8},
        {EVALUATE_LAST_N, 20, 64, 8},         {EVALUATE_LAST_N, 21, 40, 13},
        {EVALUATE_LAST_N, 1, 100, 1},         {EVALUATE_LAST_N, 100, 20, 20},
        {EVALUATE_LAST_N, 119, 7, 7},         {EVALUATE_LAST_N, 40, 48, 40},
    };
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "rotary", 16, sample_arena);
    const Corpus *corpus = tiny_corpus(120, sample_arena);
    const CorpusStream *stream = &corpus->splits[SPLIT_VALID];
    Scores *scores = NEW(sample_arena, 1, Scores);
    for (int c = 0; c < COUNT_OF(cases); c++) {
        const EvaluateRequest request = {.split = SPLIT_VALID,
                                         .tokens = cases[c].tokens,
                                         .protocol = cases[c].protocol,
                                         .length = cases[c].length,
                                         .stride = cases[c].stride};
        bool last = request.protocol == EVALUATE_LAST_N;
        int64_t from = last ? 119 - request.tokens : 0, to = last || !request.tokens ? 119 : request.tokens;
        brute_force(scores, model, stream, from, to, request.length, request.stride);
        for (int64_t k = 0; k < 119; k++) assert_int_equal(scores->times[k], k >= from && k < to);
        EvaluateResult result = evaluate(model, corpus, request);
        assert_scores(&result, scores, from, to);
    }
}

/* Where the blocks of last_n coincide with those of strided evaluation, the results are the same. */
static void last_n_is_the_end_of_strided(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "alibi", 16, sample_arena);
    const Corpus *corpus = tiny_corpus(201, sample_arena); /* 200 targets */
    EvaluateRequest strided = {SPLIT_VALID, 0, EVALUATE_STRIDED, 32, 8, 0, NULL, NULL}, last = strided;
    last.protocol = EVALUATE_LAST_N;
    last.tokens = 80;
    EvaluateResult a = evaluate(model, corpus, strided), b = evaluate(model, corpus, last);
    assert_int_equal(a.windows, 25);
    assert_int_equal(b.windows, 10);
    for (int w = 0; w < 10; w++) near_relative(b.window[w].nll, a.window[15 + w].nll, 1e-5);
    assert_int_equal(b.bin[0].first, 24); /* all have more than L - S tokens of context */
}

static void too_little_text(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "alibi", 16, sample_arena);
    const Corpus *corpus = tiny_corpus(57, sample_arena); /* 56 = 32 + 32 - 8 targets */
    EvaluateRequest request = {SPLIT_VALID, 32, EVALUATE_LAST_N, 32, 8, 0, NULL, NULL};
    EvaluateResult result = evaluate(model, corpus, request);
    assert_int_equal(result.tokens, 32);
    Error err = {0};
    request.tokens = 33;
    assert_false(
        evaluate_run(model, corpus, &request, NULL, NULL, &result, sample_arena, sample_arena, &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_string_equal(err.text,
                        "evaluation: last_n with 33 targets at length 32 needs 58 tokens, the valid split "
                        "has 57; lower 'targets' or the longest length");
    request.tokens = 0;
    assert_false(
        evaluate_run(model, corpus, &request, NULL, NULL, &result, sample_arena, sample_arena, &err));
}

/* --- configs --- */

static const Config *config_of(const char *evaluate, Error *err) {
    const char *text =
        arena_format(sample_arena,
                     "{\"name\": \"x\", \"data\": {\"files\": [\"x.txt\"]}, \"method\": \"none\","
                     " \"train\": {\"length\": 16, \"tokens\": 96, \"tokens_per_step\": 32},"
                     " \"model\": {\"layers\": 1, \"heads\": 2, \"width\": 16, \"ffn\": 16},"
                     " \"evaluate\": %s}",
                     evaluate);
    need_method("none");
    return config_parse(text, "config 'x'", sample_arena, err);
}

static void requests(void **state) {
    (void)state;
    Error err = {0};
    const Config *config =
        config_of("{\"tokens\": 1000, \"lengths\": [8, 64], \"split\": \"test\", \"protocols\":"
                  " [\"nonoverlapping\", {\"name\": \"strided\", \"stride\": 8},"
                  "  {\"name\": \"last_n\", \"targets\": 24},"
                  "  {\"name\": \"last_n\", \"targets\": 24, \"stride\": 0.5},"
                  "  {\"name\": \"last_n\", \"targets\": 5, \"stride\": 60}]}",
                  &err);
    if (!config) fail_msg("%s", err.text);
    static const EvaluateRequest wanted[] = {
        {SPLIT_TEST, 1000, EVALUATE_NONOVERLAPPING, 8, 8, 0, NULL,
         NULL}, /* and strided with 8, which is the same request */
        {SPLIT_TEST, 24, EVALUATE_LAST_N, 8, 1, 0, NULL, NULL},
        {SPLIT_TEST, 24, EVALUATE_LAST_N, 8, 4, 0, NULL, NULL},
        {SPLIT_TEST, 5, EVALUATE_LAST_N, 8, 5, 0, NULL, NULL},
        {SPLIT_TEST, 1000, EVALUATE_NONOVERLAPPING, 64, 64, 0, NULL, NULL},
        {SPLIT_TEST, 1000, EVALUATE_STRIDED, 64, 8, 0, NULL, NULL},
        {SPLIT_TEST, 24, EVALUATE_LAST_N, 64, 8, 0, NULL, NULL},
        {SPLIT_TEST, 24, EVALUATE_LAST_N, 64, 24, 0, NULL, NULL},
        {SPLIT_TEST, 5, EVALUATE_LAST_N, 64, 5, 0, NULL, NULL},
    };
    int count = 0;
    const EvaluateRequest *list = config_requests(config, &count, sample_arena);
    assert_int_equal(count, COUNT_OF(wanted));
    for (int i = 0; i < count; i++) assert_true(evaluate_same_request(&list[i], &wanted[i]));

    const Config *again = config_parse(config->resolved, "config 'x'", sample_arena, &err);
    if (!again) fail_msg("%s", err.text);
    assert_string_equal(again->resolved, config->resolved);
    assert_string_equal(again->trained, config->trained);
}

static void wrong_protocols(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{\"name\": \"last_n\"}",
         "'evaluate.protocols[0].targets' must be a whole number from 1, got nothing"},
        {"{\"name\": \"last_n\", \"targets\": 0}", "must be a whole number from 1, got 0"},
        {"\"last_n\"", "'evaluate.protocols[0].targets'"},
        {"{\"name\": \"last_n\", \"targets\": 4, \"stride\": 1.5}", "'evaluate.protocols[0].stride'"},
        {"{\"name\": \"strided\", \"stride\": 4, \"targets\": 4}", "must be left out for strided, got 4"},
        {"{\"name\": \"nonoverlapping\", \"stride\": 4}", "must be left out for nonoverlapping, got 4"},
        {"{\"name\": \"strided\"}", "'evaluate.protocols[0].stride' must be a share"},
        {"{\"name\": \"last\", \"targets\": 4}", "last_n"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        Error err = {0};
        assert_null(config_of(arena_format(sample_arena, "{\"protocols\": [%s]}", cases[i][0]), &err));
        assert_int_equal(err.code, EXIT_USAGE);
        if (!strstr(err.text, cases[i][1])) fail_msg("'%s' does not say '%s'", err.text, cases[i][1]);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, sample_setup, sample_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(accounting),      TEST(last_n_is_the_end_of_strided), TEST(too_little_text), TEST(requests),
        TEST(wrong_protocols),
    };
    return cmocka_run_group_tests_name("protocols", tests, NULL, NULL);
}
