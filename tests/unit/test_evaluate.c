/* test_evaluate: every target of the stream is scored exactly once at every length and stride.
 *
 * Each is scored by the window that the header defines, and the sums agree with a reference that runs one
 * window at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "near.h"

#include "train/evaluate.h"
#include "math/linear.h"
#include "model/transformer.h"
#include "model/activations.h"
#include "tiny.h"

#include <math.h>
#include <string.h>

static Arena *arena, *scratch;

static int setup(void **state) {
    (void)state;
    arena = arena_new(0);
    scratch = arena_new(0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_free(arena);
    arena_free(scratch);
    return 0;
}

static EvaluateRequest request_of(int64_t tokens, int64_t length, int64_t stride) {
    return (EvaluateRequest){.split = SPLIT_VALID,
                             .tokens = tokens,
                             .protocol = stride == length ? EVALUATE_NONOVERLAPPING : EVALUATE_STRIDED,
                             .length = length,
                             .stride = stride};
}

static EvaluateResult evaluate(const Model *model, const Corpus *corpus, EvaluateRequest request) {
    EvaluateResult result;
    Error err = {0};
    ArenaMark mark = arena_mark(scratch);
    if (!evaluate_run(model, corpus, &request, NULL, NULL, &result, arena, scratch, &err))
        fail_msg("%s", err.text);
    assert_int_equal(arena_mark(scratch), mark);
    return result;
}

/* The nll of target k alone, from the window of its block. */
static double reference(const Model *model, const CorpusStream *stream, EvaluateRequest request,
                        int64_t targets, int64_t k, int64_t *position) {
    int64_t block = k / request.stride, end = (block + 1) * request.stride;
    int64_t start = end > request.length ? end - request.length : 0;
    if (end > targets) end = targets;
    ArenaMark mark = arena_mark(scratch);
    Activations *pass = activations_new(model, 1, (int)(end - start), false, scratch);
    float *nll = NEW(scratch, end - start, float);
    const uint32_t *tokens = stream->tokens + start;
    transformer_evaluate(model, pass, &tokens, 1, nll);
    *position = k - start;
    double value = nll[k - start];
    arena_release(scratch, mark);
    return value;
}

/* Bins as in the header: 0, 1, ..., 7, 8-9, 10-11, ..., 16-19, ... */
static void assert_bins(const EvaluateResult *result, const double *sums, const int64_t *counts,
                        int64_t length) {
    int bin = 0;
    for (int64_t first = 0, width = 1; first < length; first += width) {
        if (first >= 8 && (first & (first - 1)) == 0) width *= 2;
        double sum = 0;
        int64_t count = 0, last = first + width - 1 < length ? first + width - 1 : length - 1;
        for (int64_t p = first; p <= last; p++) sum += sums[p], count += counts[p];
        if (!count) continue;
        assert_true(bin < result->bins);
        assert_int_equal(result->bin[bin].first, first);
        assert_int_equal(result->bin[bin].last, last);
        assert_int_equal(result->bin[bin].tokens, count);
        near_relative(result->bin[bin++].nll, sum, 1e-5);
    }
    assert_int_equal(result->bins, bin);
}

static void every_target_once(void **state) {
    (void)state;
    static const int64_t cases[][4] = {
        /* tokens of the split, limit, length, stride */
        {38, 0, 8, 8},   {38, 0, 8, 1},    {38, 0, 8, 3},    {38, 0, 37, 37}, {38, 0, 35, 5},
        {38, 20, 7, 7},  {38, 37, 16, 4},  {2, 0, 1, 1},     {33, 0, 16, 16}, {33, 0, 1, 1},
        {90, 0, 37, 11}, {90, 88, 40, 20}, {120, 0, 30, 29},
    };
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "alibi", 16, arena);
    for (int c = 0; c < COUNT_OF(cases); c++) {
        const Corpus *corpus = tiny_corpus(cases[c][0], arena);
        EvaluateRequest request = request_of(cases[c][1], cases[c][2], cases[c][3]);
        int64_t targets = cases[c][0] - 1, counts[128] = {0};
        double sums[128] = {0}, all = 0;
        if (request.tokens > 0 && request.tokens < targets) targets = request.tokens;
        EvaluateResult result = evaluate(model, corpus, request);
        assert_int_equal(result.tokens, targets);
        assert_int_equal(result.windows, (targets + request.stride - 1) / request.stride);
        assert_false(result.beyond_limit);
        for (int64_t w = 0; w < result.windows; w++) {
            double sum = 0;
            int64_t first = w * request.stride, end = first + request.stride, position;
            if (end > targets) end = targets;
            for (int64_t k = first; k < end; k++) {
                double nll = reference(model, &corpus->splits[SPLIT_VALID], request, targets, k, &position);
                sums[position] += nll, sum += nll;
                counts[position]++;
            }
            assert_int_equal(result.window[w].tokens, end - first);
            near_relative(result.window[w].nll, sum, 1e-5);
            all += sum;
        }
        near_relative(result.nll, all, 1e-5);
        assert_bins(&result, sums, counts, request.length);
    }
}

static void full_stride_is_nonoverlapping(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "rotary", 16, arena);
    const Corpus *corpus = tiny_corpus(203, arena);
    EvaluateRequest plain = request_of(0, 24, 24), strided = plain;
    strided.protocol = EVALUATE_STRIDED;
    EvaluateResult a = evaluate(model, corpus, plain), b = evaluate(model, corpus, strided);
    assert_int_equal(a.windows, b.windows);
    assert_memory_equal(&a.nll, &b.nll, sizeof a.nll);
    assert_memory_equal(a.window, b.window, (size_t)a.windows * sizeof *a.window);
}

static void zero_weights_cost_log_v(void **state) {
    (void)state; /* with all weights zero, every token costs log V in every window */
    ModelOptions options = tiny_options();
    Model *model = tiny_model(&options, "none", 16, arena);
    memset(model->values, 0, model->size * sizeof(float));
    const Corpus *corpus = tiny_corpus(100, arena);
    for (int stride = 1; stride <= 16; stride *= 2)
        near_relative(evaluate(model, corpus, request_of(0, 16, stride)).nll, 99 * log(TINY_VOCABULARY),
                      1e-5);
}

static void passes_do_not_matter(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Corpus *corpus = tiny_corpus(300, arena);
    double first = 0;
    for (int64_t rows = 1; rows <= 512; rows *= 8) {
        options.max_tokens_in_flight = rows;
        EvaluateResult result =
            evaluate(tiny_model(&options, "t5", 16, arena), corpus, request_of(0, 16, 16));
        if (rows == 1) first = result.nll;
        near_relative(result.nll, first, 1e-5);
    }
}

static void memory_is_what_was_said(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    Model *model = tiny_model(&options, "sinusoidal", 16, arena);
    const Corpus *corpus = tiny_corpus(2000, arena);
    for (int64_t length = 1; length <= 256; length *= 4) {
        EvaluateResult result = evaluate(model, corpus, request_of(0, length, length));
        EvaluateRequest request = request_of(0, length, length);
        assert_int_equal(result.peak_bytes, evaluate_bytes(model, &request));
        Arena *exact = arena_new(result.peak_bytes);
        Error err;
        assert_true(evaluate_run(model, corpus, &request, NULL, NULL, &result, arena, exact, &err));
        assert_true(arena_peak(exact) <= result.peak_bytes);
        arena_free(exact);
        model->threads = model->threads % 3 + 1;
    }
}

static int limit_of_20(const PositionShape *shape, const void *options) {
    (void)shape, (void)options;
    return 20;
}

static void beyond_the_limit(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    Model *model = tiny_model(&options, "none", 16, arena);
    PositionMethod limited = *model->position.method;
    limited.limit = limit_of_20;
    model->position.method = &limited;
    const Corpus *corpus = tiny_corpus(100, arena);
    assert_false(evaluate(model, corpus, request_of(0, 20, 20)).beyond_limit);
    EvaluateResult result = evaluate(model, corpus, request_of(0, 21, 21));
    assert_true(result.beyond_limit);
    assert_int_equal(result.tokens, 0);
    assert_int_equal(result.windows, 0);
    assert_int_equal(result.request.length, 21);
}

static bool count_calls(void *user, double share) {
    double *calls = user;
    assert_true(share > calls[1] && share <= 1);
    calls[1] = share;
    return ++calls[0] < 3;
}

static void progress_stops(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "none", 16, arena);
    const Corpus *corpus = tiny_corpus(1000, arena);
    EvaluateRequest request = request_of(0, 16, 16);
    EvaluateResult result;
    Error err = {0};
    double calls[2] = {0};
    ArenaMark mark = arena_mark(scratch);
    assert_false(evaluate_run(model, corpus, &request, count_calls, calls, &result, arena, scratch, &err));
    assert_int_equal(err.code, EXIT_STOPPED);
    assert_true(calls[0] == 3);
    assert_int_equal(arena_mark(scratch), mark);
}

static void too_short(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "none", 16, arena);
    for (int64_t count = 0; count < 2; count++) {
        EvaluateRequest request = request_of(0, 16, 16);
        EvaluateResult result;
        Error err = {0};
        assert_false(evaluate_run(model, tiny_corpus(count, arena), &request, NULL, NULL, &result, arena,
                                  scratch, &err));
        assert_int_equal(err.code, EXIT_USAGE);
        assert_non_null(strstr(err.text, "valid"));
    }
}

/* A length that no window reaches is not stored as evaluated. */
static void unreached(void **state) {
    (void)state;
    static const struct {
        int64_t count, tokens, length, stride;
        const char *text; /* NULL: accepted */
    } cases[] = {
        {101, 0, 100, 100, NULL},
        {100, 0, 100, 100, "evaluation at length 100 needs 100 targets, the valid split has 99; remove"},
        {1000, 100, 100, 100, NULL},
        {1000, 99, 100, 100,
         "'evaluate.tokens' must be at least 100 for evaluation at length 100, got 99; raise"},
        {1000, 104, 100, 13, NULL},
        {1000, 103, 100, 13, "'evaluate.tokens' must be at least 104 for evaluation at length 100, got 103"},
        {200, 199, 64, 16, NULL},
        {200, 200, 64, 16,
         "'evaluate.tokens' must be at most 199, the targets of the valid split, got 200; lower"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        EvaluateRequest request = request_of(cases[i].tokens, cases[i].length, cases[i].stride);
        Error err = {0};
        bool fine = evaluate_check(&request, cases[i].count, "config 'x'", &err);
        if (fine != !cases[i].text || (!fine && !strstr(err.text, cases[i].text)))
            fail_msg("case %d: %d, %s", i, fine, err.text);
        if (fine) continue;
        assert_int_equal(err.code, EXIT_USAGE);
        assert_int_equal(strncmp(err.text, "config 'x': ", 12), 0);
        EvaluateResult result;
        ModelOptions options = tiny_options();
        assert_false(evaluate_run(tiny_model(&options, "none", 16, arena), tiny_corpus(cases[i].count, arena),
                                  &request, NULL, NULL, &result, arena, scratch, &err));
    }
}

static void broken_weights(void **state) {
    (void)state; /* an outcome, not an error */
    ModelOptions options = tiny_options();
    Model *model = tiny_model(&options, "none", 16, arena);
    for (size_t i = 0; i < model->size; i++) model->values[i] = NAN;
    EvaluateResult result = evaluate(model, tiny_corpus(100, arena), request_of(0, 16, 16));
    assert_false(isfinite(result.nll));
    assert_int_equal(result.tokens, 99);
}

/* Another precision gives another number, or is refused if the machine lacks it. */
static void precision_is_the_requests(void **state) {
    (void)state;
    ModelOptions options = tiny_options();
    const Model *model = tiny_model(&options, "none", 16, arena);
    const Corpus *corpus = tiny_corpus(300, arena);
    EvaluateRequest request = request_of(0, 16, 16);
    double plain = evaluate(model, corpus, request).nll;
    request.precision = PRECISION_BF16;
    Error err, refusal = {0};
    EvaluateResult result;
    bool there = precision_check(PRECISION_BF16, "evaluation", "evaluate.precision", &err);
    assert_int_equal(evaluate_run(model, corpus, &request, NULL, NULL, &result, arena, scratch, &refusal),
                     there);
    if (!there) assert_string_equal(refusal.text, err.text);
    if (there) assert_true(result.nll != plain && fabs(result.nll / plain - 1) < 0.02);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_target_once),
        TEST(full_stride_is_nonoverlapping),
        TEST(zero_weights_cost_log_v),
        TEST(passes_do_not_matter),
        TEST(memory_is_what_was_said),
        TEST(beyond_the_limit),
        TEST(progress_stops),
        TEST(too_short),
        TEST(unreached),
        TEST(broken_weights),
        TEST(precision_is_the_requests),
    };
    return cmocka_run_group_tests_name("evaluate", tests, NULL, NULL);
}
