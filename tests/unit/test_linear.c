/* test_linear: linear layers in both precisions, and the bf16 products.
 *
 * They are compared with sums in double, within the error bounds of the arithmetic; they must be repeatable,
 * equal on several threads, and refused if unavailable.
 *
 * Bounds: a bfloat16 number has 8 bits, so rounding errs by at most u = 2^-8 of the number, and a product of
 * two rounded numbers by at most 2u + u^2. A float32 sum of K products errs by at most K 2^-23 of the sum of
 * their magnitudes S (2^-24 for each addition and, if the CPU rounds it, for each product). So a bf16 product
 * is within (2u + u^2 + K 2^-23) S of the product of the original factors, and within K 2^-23 S of that of
 * the rounded factors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "math/bf16.h"
#include "train/evaluate.h"
#include "sys/threads.h"
#include "math/linear.h"
#include "tiny.h"
#include "train/train.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

enum { LANES = 4 };

/* Called first in each test that needs bf16 products. */
static void need_bf16(void) {
    if (!bf16_unavailable_reason()) return;
    print_message("skipped: %s\n", bf16_unavailable_reason());
    skip();
}

static float *numbers(size_t count, const char *name) {
    Random rng = random_stream(3, "linear", name);
    float *made = NEW(arena, count, float);
    for (size_t i = 0; i < count; i++) made[i] = (float)random_normal(&rng);
    return made;
}

static float *copy(const float *from, size_t count) {
    return memcpy(NEW(arena, count, float), from, count * sizeof *from);
}

static float widened(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

static uint16_t rounded(float x) {
    uint16_t half;
    bf16_round(&half, &x, 1);
    return half;
}

/* --- rounding --- */

static void rounding_is_to_nearest_even(void **state) {
    (void)state;
    static const struct {
        float from, to;
    } cases[] = {{1, 1},
                 {-0.0f, -0.0f},
                 {0x1.01p0f, 0x1p0f}, /* halfway: to even, below and above */
                 {0x1.03p0f, 0x1.04p0f},
                 {0x1.010002p0f, 0x1.02p0f},
                 {0x1.02fffep0f, 0x1.02p0f},
                 {-0x1.ffp0f, -0x1p1f}, /* carries into the exponent */
                 {0x1.fffffep127f, INFINITY},
                 {-INFINITY, -INFINITY},
                 {0x1p-149f, 0}};
    for (int c = 0; c < COUNT_OF(cases); c++) {
        float to = widened(rounded(cases[c].from));
        assert_memory_equal(&to, &cases[c].to, sizeof to);
    }
    uint32_t least = 0x7f800001; /* a NaN whose upper half alone would be infinity */
    float nan;
    memcpy(&nan, &least, sizeof nan);
    assert_true(isnan(widened(rounded(nan))));
}

static void what_is_bf16_stays(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 1 << 16; half++) {
        float wide = widened((uint16_t)half);
        if (isnan(wide))
            assert_true(isnan(widened(rounded(wide))));
        else
            assert_int_equal(rounded(wide), half);
    }
}

/* --- a layer against sums in double --- */

/* The entry (row, column) of a product with K terms: a[row * ar + k * ak] b[k * bk + column * bc]. */
typedef struct Reference {
    const float *a, *b;
    int ar, ak, bk, bc, terms;
} Reference;

static void compare(const float *c, const float *before, const Reference *r, int m, int n, bool half,
                    double *worst) {
    const double u = 0x1p-8;
    for (int row = 0; row < m; row++)
        for (int column = 0; column < n; column++) {
            size_t at = (size_t)row * n + column;
            double start = before ? before[at] : 0, sum = start, magnitude = fabs(start);
            double sum16 = start, magnitude16 = fabs(start);
            for (int k = 0; k < r->terms; k++) {
                float x = r->a[(size_t)row * r->ar + (size_t)k * r->ak];
                float y = r->b[(size_t)k * r->bk + (size_t)column * r->bc];
                sum += (double)x * y;
                magnitude += fabs((double)x * y);
                if (!half) continue;
                double product = (double)widened(rounded(x)) * widened(rounded(y));
                sum16 += product;
                magnitude16 += fabs(product);
            }
            double order = (r->terms + 1) * 0x1p-23, error = fabs(c[at] - sum);
            double bound = ((half ? 2 * u + u * u : 0) + order) * magnitude;
            if (!(error <= bound)) fail_msg("(%d, %d): %g is %g off %g", row, column, c[at], error, sum);
            if (half && !(fabs(c[at] - sum16) <= order * magnitude16))
                fail_msg("(%d, %d): %g, of rounded factors %g", row, column, c[at], sum16);
            if (error / magnitude > *worst) *worst = error / magnitude;
        }
}

/* The largest error relative to the magnitudes. */
static double check_layer(int precision, int n, int o, int i) {
    double worst = 0;
    size_t weights = (size_t)o * i;
    float *values = numbers(weights + 16, "w"), *w = values + 16, *bias = numbers((size_t)o, "bias");
    float *x = numbers((size_t)n * i, "x"), *dy = numbers((size_t)n * o, "dy");
    float *y = NEW(arena, (size_t)n * o, float), *dx = numbers((size_t)n * i, "dx");
    float *dw = numbers(weights, "dw"), *dw0 = copy(dw, weights);
    float *dbias = numbers((size_t)o, "dbias"), *dbias0 = copy(dbias, (size_t)o);
    float *start = NEW(arena, (size_t)n * o, float);
    for (int at = 0; at < n * o; at++) start[at] = bias[at % o];
    Linear *linear = linear_new(precision, weights + 16, (size_t)n * i, (size_t)n * o, arena);
    linear_begin(linear, values);
    bool half = precision == PRECISION_BF16;
    linear_forward(linear, y, x, w, bias, n, o, i);
    compare(y, start, &(Reference){x, w, i, 1, 1, i, i}, n, o, half, &worst);
    linear_forward(linear, y, x, w, NULL, n, o, i);
    compare(y, NULL, &(Reference){x, w, i, 1, 1, i, i}, n, o, half, &worst);
    linear_backward(linear, dx, dw, dbias, dy, x, w, n, o, i);
    compare(dx, NULL, &(Reference){dy, w, o, 1, i, 1, o}, n, i, half, &worst);
    compare(dw, dw0, &(Reference){dy, x, 1, o, i, 1, n}, o, i, half, &worst);
    float *dw1 = copy(dw, weights);
    linear_backward(linear, NULL, dw1, NULL, dy, x, w, n, o, i); /* without dx */
    compare(dw1, dw, &(Reference){dy, x, 1, o, i, 1, n}, o, i, half, &worst);
    float *ones = NEW(arena, (size_t)n, float); /* dbias is dy^T 1, in float32 in any precision */
    for (int row = 0; row < n; row++) ones[row] = 1;
    double ignored = 0;
    compare(dbias, dbias0, &(Reference){dy, ones, 1, o, 1, 0, n}, o, 1, false, &ignored);
    return worst;
}

static const int shapes[][3] = {{1, 1, 1},   {1, 3, 2},     {3, 1, 7},     {5, 17, 1},
                                {33, 20, 9}, {64, 128, 32}, {100, 31, 77}, {129, 96, 65}};

/* Products by the kernels of gemm: remaining rows and steps, several blocks of each, more columns than are
   packed at once, and the smallest number of weights that the BLAS gets. */
static const int tiled[][3] = {{1, 32, 1},   {7, 32, 32},    {13, 96, 3},   {131, 64, 64},  {50, 288, 300},
                               {97, 160, 9}, {11, 1056, 64}, {300, 32, 32}, {49, 64, 1056}, {5, 512, 544}};

static void float_layers_are_right(void **state) {
    (void)state;
    for (int s = 0; s < COUNT_OF(shapes); s++)
        check_layer(PRECISION_FP32, shapes[s][0], shapes[s][1], shapes[s][2]);
    for (int s = 0; s < COUNT_OF(tiled); s++)
        check_layer(PRECISION_FP32, tiled[s][0], tiled[s][1], tiled[s][2]);
}

static void bf16_layers_err_as_bf16_does(void **state) {
    (void)state;
    need_bf16();
    double worst = 0;
    for (int s = 0; s < COUNT_OF(shapes); s++) {
        double error = check_layer(PRECISION_BF16, shapes[s][0], shapes[s][1], shapes[s][2]);
        if (error > worst) worst = error;
    }
    assert_true(worst > 0x1p-9); /* otherwise it was float32 */
}

/* More shapes than there are cached primitives, and the first one again. */
static void any_number_of_shapes(void **state) {
    (void)state;
    need_bf16();
    for (int n = 1; n <= 80; n++) check_layer(PRECISION_BF16, n, 3, 5);
    check_layer(PRECISION_BF16, 1, 3, 5);
}

/* --- threads --- */

typedef struct Shared {
    uint16_t *a, *b;
    float *c[LANES];
} Shared;

static void multiply(void *user, int lane) {
    const Shared *shared = user;
    for (int time = 0; time < 50; time++)
        for (int m = 60; m < 64; m++)
            bf16_product(shared->c[lane] + (size_t)(m - 60) * 64 * 64, shared->a, false, shared->b, true,
                         false, m, 64, 256);
}

static void threads_do_not_disturb_each_other(void **state) {
    (void)state;
    need_bf16();
    size_t count = 64 * 256, results = 4 * 64 * 64;
    Shared shared = {NEW(arena, count, uint16_t), NEW(arena, count, uint16_t), {0}};
    bf16_round(shared.a, numbers(count, "a"), count);
    bf16_round(shared.b, numbers(count, "b"), count);
    for (int lane = 0; lane < LANES; lane++) shared.c[lane] = NEW(arena, results, float);
    multiply(&shared, 0);
    float *alone = copy(shared.c[0], results);
    threads_run(LANES, multiply, &shared);
    for (int lane = 0; lane < LANES; lane++)
        assert_memory_equal(shared.c[lane], alone, results * sizeof *alone);
}

/* --- the model, with every method --- */

static double loss(const float *nll, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += nll[i];
    return sum / count;
}

/* Over more rows than a pass processes at a time. */
static void every_method_in_bf16(void **state) {
    (void)state;
    need_bf16();
    enum { LENGTH = 600 };
    ModelOptions options = tiny_options();
    options.max_tokens_in_flight = LENGTH;
    const CorpusStream *stream = &tiny_corpus(LENGTH + 1, arena)->splits[SPLIT_TRAIN];
    for (int m = 0; m < encoding_method_count; m++) {
        const char *name = encoding_methods[m]->name;
        Model *model = tiny_model(&options, name, LENGTH, arena);
        float *gradients[PRECISION_COUNT], *nll = NEW(arena, LENGTH, float);
        double trained[PRECISION_COUNT], evaluated[PRECISION_COUNT], size = 0, distance = 0;
        for (int p = 0; p < PRECISION_COUNT; p++) {
            model->precision = p;
            gradients[p] = NEW(arena, model->size, float);
            transformer_train(model, activations_new(model, 1, LENGTH, true, arena), &stream->tokens, 1,
                              (ActivationsOrigin){0}, 1, nll, gradients[p]);
            trained[p] = loss(nll, LENGTH);
            transformer_evaluate(model, activations_new(model, 1, LENGTH, false, arena), &stream->tokens, 1,
                                 nll);
            evaluated[p] = loss(nll, LENGTH);
        }
        for (size_t i = 0; i < model->size; i++) {
            double wide = gradients[PRECISION_FP32][i], off = gradients[PRECISION_BF16][i] - wide;
            size += wide * wide, distance += off * off;
        }
        if (!(sqrt(distance / size) < 0.02)) fail_msg("%s: gradient is %g off", name, sqrt(distance / size));
        for (int p = 0; p < PRECISION_COUNT; p++)
            if (!(fabs(trained[p] - trained[0]) < 0.01 && fabs(evaluated[p] - trained[p]) < 1e-3))
                fail_msg("%s: loss %g, evaluated %g, in float32 %g", name, trained[p], evaluated[p],
                         trained[0]);
    }
}

/* --- training --- */

static TrainResult train(int precision, Model **model) {
    ModelOptions options = tiny_options();
    options.width = 32, options.ffn = 64;
    Encoding position = tiny_position("none", arena);
    TrainOptions train = {0};
    OptimizerOptions optimizer;
    OptimizerScheduleOptions schedule;
    TrainResult result;
    Error err;
    options_default(&train, train_fields, train_field_count);
    options_default(&optimizer, optimizer_fields, optimizer_field_count);
    options_default(&schedule, optimizer_schedule_fields, optimizer_schedule_field_count);
    train.length = 16, train.tokens_per_step = 128, train.tokens = 200 * 128, train.precision = precision;
    optimizer.lr = 3e-3;
    *model = model_new(&options, &position, 16, arena);
    const TrainTask task = {.key = "run",
                            .corpus = tiny_corpus(3001, arena),
                            .options = &train,
                            .optimizer = &optimizer,
                            .schedule = &schedule,
                            .source = "config 'x.json'"};
    if (!train_run(*model, &task, &result, arena, &err)) fail_msg("%s", err.text);
    assert_int_equal(result.peak_bytes, train_bytes(*model, &train, &optimizer));
    return result;
}

static void training_in_bf16(void **state) {
    (void)state;
    need_bf16();
    Model *wide, *half, *again;
    TrainResult a = train(PRECISION_FP32, &wide), b = train(PRECISION_BF16, &half),
                c = train(PRECISION_BF16, &again);
    assert_int_equal(half->size, wide->size);
    assert_memory_not_equal(half->values, wide->values, half->size * sizeof(float));
    assert_memory_equal(half->values, again->values,
                        half->size * sizeof(float)); /* repeatable, bit for bit */
    assert_memory_equal(b.log, c.log, (size_t)b.steps * sizeof *b.log);
    if (!(a.final_loss < a.log[0].loss - 0.5)) fail_msg("float32 learns nothing: %g", a.final_loss);
    if (!(fabs(b.final_loss - a.final_loss) < 0.005)) /* 0.5 % of the perplexity */
        fail_msg("loss %g in bf16, %g in float32", b.final_loss, a.final_loss);
}

/* The precision of an evaluation does not depend on that of training. */
static void evaluation_in_bf16(void **state) {
    (void)state;
    need_bf16();
    Model *model;
    train(PRECISION_BF16, &model);
    const Corpus *corpus = tiny_corpus(1001, arena);
    EvaluateResult done[PRECISION_COUNT];
    for (int p = 0; p < PRECISION_COUNT; p++) {
        EvaluateRequest request = {.split = SPLIT_VALID, .length = 32, .stride = 32, .precision = p};
        Arena *scratch = arena_new(0);
        Error err;
        assert_true(evaluate_run(model, corpus, &request, NULL, NULL, &done[p], arena, scratch, &err));
        arena_free(scratch);
        Model sized = *model;
        sized.precision = p;
        assert_int_equal(done[p].peak_bytes,
                         evaluate_bytes(&sized, &(EvaluateRequest){.length = 32, .stride = 32}));
        assert_int_equal(done[p].request.precision, p);
    }
    double wide = done[PRECISION_FP32].nll / 1000, half = done[PRECISION_BF16].nll / 1000;
    if (!(half != wide && fabs(half - wide) < 0.005)) fail_msg("nll %g in bf16, %g in float32", half, wide);
}

/* --- unavailable precision --- */

static void expect_refusal(const char *why, const char *remedy) {
    Error err = {0};
    assert_true(precision_check(PRECISION_FP32, "config 'x.json'", "train.precision", &err));
    assert_false(precision_check(PRECISION_BF16, "config 'x.json'", "train.precision", &err));
    assert_int_equal(err.code, EXIT_USAGE);
    assert_non_null(strstr(err.text, "config 'x.json': 'train.precision' cannot be \"bf16\": "));
    assert_non_null(strstr(err.text, why));
    assert_non_null(strstr(err.text, remedy));
}

/* oneDNN reads the CPU's features, or its environment, at its first use: so this test uses a separate
 * process.
 */
static void a_cpu_without_bf16_is_refused(void **state) {
    (void)state;
    if (!bf16_library_version()) skip();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setenv("DNNL_MAX_CPU_ISA", "AVX2", 1);
        setenv("ONEDNN_MAX_CPU_ISA", "AVX2", 1);
        expect_refusal("this CPU has neither AVX-512 BF16 nor AMX", "choose \"fp32\"");
        _exit(7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void a_build_without_onednn_refuses(void **state) {
    (void)state;
    if (bf16_library_version()) skip();
    expect_refusal("built without oneDNN", "install libdnnl-dev");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_arena, fixture_arena_free)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_cpu_without_bf16_is_refused), /* must be the first */
        TEST(a_build_without_onednn_refuses),
        TEST(rounding_is_to_nearest_even),
        TEST(what_is_bf16_stays),
        TEST(float_layers_are_right),
        TEST(bf16_layers_err_as_bf16_does),
        TEST(any_number_of_shapes),
        TEST(every_method_in_bf16),
        TEST(training_in_bf16),
        TEST(evaluation_in_bf16),
        TEST(threads_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
