/* What no method of methods/ uses, on a method made for it: a transform with parameters, whose backward gets
 * the input; a bias that depends on the layer; initial values that do. The laws hold on it, and find the
 * mistakes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "laws.h"

/* q_t is multiplied by 1 + a_h cos t, a_h of each layer; S[h,i,j] += -(layer + 1) sqrt(d) / 10. */
static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    tensors[0] = (PositionTensor){.name = "a", .rank = 1, .dims = {shape->heads}, .per_layer = true};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index, (void)rng;
    for (int h = 0; h < context->shape->heads; h++) value[h] = (float)(context->layer + 1) / 4;
}

static void transform(const PositionContext *context, PositionRole role, float *x, int stride) {
    if (role != POS_QUERY) return;
    for (int t = 0; t < context->length; t++)
        for (int i = 0; i < context->shape->head_dim; i++)
            x[t * stride + i] *= 1 + context->param[0][context->head] * cosf((float)t);
}

static void transform_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride) {
    double sum = 0;
    if (role != POS_QUERY) return;
    for (int t = 0; t < context->length; t++)
        for (int i = 0; i < context->shape->head_dim; i++) {
            sum += (double)x[t * stride + i] * dx[t * stride + i] * cosf((float)t);
            dx[t * stride + i] *= 1 + context->param[0][context->head] * cosf((float)t);
        }
    context->grad[0][context->head] += (float)sum;
}

static void distance_bias(const PositionContext *context, float *bias) {
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < context->length; d++)
            bias[h * context->length + d] = -(float)(context->layer + 1) * sqrtf((float)d) / 10;
}

static const PositionMethod method = {
    .name = "contract",
    .label = "contract",
    .citation = "none, 2024",
    .claims = POS_PREFIX_STABLE,
    .layout = layout,
    .init = init,
    .transform = transform,
    .transform_backward = transform_backward,
    .distance_bias = distance_bias,
    .by_layer = true,
};

/* Plain attention; layers without the method; scaled queries and sinks, which are transformed apart. */
static const AttentionOptions attentions[] = {
    {.temperature = 1},
    {.nope_every = 2, .temperature = 1},
    {.scale = ATTENTION_SCALE_LOG_N, .temperature = 1},
};

static bool holds(const PositionMethod *m, const char *law, Error *err) {
    for (int n = 0; n < COUNT_OF(attentions); n++) {
        LawCase c = {.position = {.method = m},
                     .model = {.layers = 3,
                               .heads = 3,
                               .width = 12,
                               .ffn = 8,
                               .vocabulary = 17,
                               .activation = MODEL_GELU,
                               .final_norm = true,
                               .max_tokens_in_flight = 1024,
                               .attention = attentions[n]},
                     .train_length = 16,
                     .batch = 2,
                     .length = 37,
                     .seed = 7};
        if (!law_holds(law_find(law), &c, err)) return false;
    }
    return true;
}

static const char *const obeyed[] = {"init",      "purity",    "adjoint", "gradient", "prefix",
                                     "agreement", "causality", "batch",   "length",   "difference"};

static void obeys_the_laws(void **state) {
    Error err;
    (void)state;
    for (int i = 0; i < COUNT_OF(obeyed); i++)
        if (!holds(&method, obeyed[i], &err)) fail_msg("%s", err.text);
}

/* ---- mistakes ---- */

static void breaks(const PositionMethod *m, const char *law, const char *text) {
    Error err = {0};
    assert_false(holds(m, law, &err));
    if (!strstr(err.text, text)) fail_msg("'%s' is not in: %s", text, err.text);
}

static void output_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                            int stride) {
    float output[4096];
    memcpy(output, x, (size_t)((context->length - 1) * stride + context->shape->head_dim) * sizeof *x);
    transform(context, role, output, stride);
    transform_backward(context, role, output, dx, stride);
}

static void the_output_taken_for_the_input(void **state) {
    PositionMethod m = method;
    (void)state;
    m.transform_backward = output_backward;
    breaks(&m, "gradient", "gradient of 'a'");
}

static void other_head_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                                int stride) {
    float before = context->grad[0][context->head];
    transform_backward(context, role, x, dx, stride);
    context->grad[0][0] += context->grad[0][context->head] - before;
    if (context->head) context->grad[0][context->head] = before;
}

static void the_gradient_of_another_head(void **state) {
    PositionMethod m = method;
    (void)state;
    m.transform_backward = other_head_backward;
    breaks(&m, "gradient", "gradient of 'a'");
}

static int shared_layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    layout(shape, options, tensors);
    tensors[0].per_layer = false;
    return 1;
}

static void a_layer_that_is_not_declared(void **state) {
    PositionMethod m = method;
    (void)state;
    m.layout = shared_layout, m.by_layer = false;
    breaks(&m, "purity", "distance_bias depends on context->layer: set .by_layer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(obeys_the_laws),
        cmocka_unit_test(the_output_taken_for_the_input),
        cmocka_unit_test(the_gradient_of_another_head),
        cmocka_unit_test(a_layer_that_is_not_declared),
    };
    return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
