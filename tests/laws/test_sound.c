/* test_sound: laws accept a correct method that is unlike those of methods/. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "laws.h"

/* -ln(1 + d / s_h) with learned widths s_h = 0.5 20^h: a step that suits the largest would make the smallest
   negative. */
static int widths_layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    tensors[0] = (PositionTensor){.name = "s", .rank = 1, .dims = {shape->heads}};
    return 1;
}

static void widths_init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index, (void)rng;
    for (int h = 0; h < context->shape->heads; h++) value[h] = (float)(0.5 * pow(20, h));
}

static void widths_project(const PositionShape *shape, const void *options, int index, float *value) {
    (void)options, (void)index;
    for (int h = 0; h < shape->heads; h++)
        if (value[h] < 0.1f) value[h] = 0.1f;
}

static void widths_bias(const PositionContext *context, float *bias) {
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < context->length; d++) *bias++ = (float)-log1p(d / (double)context->param[0][h]);
}

static void widths_bias_backward(const PositionContext *context, const float *dbias) {
    for (int h = 0; h < context->shape->heads; h++) {
        double s = context->param[0][h], sum = 0;
        for (int d = 0; d < context->length; d++) sum += *dbias++ * d / (s * (s + d));
        context->grad[0][h] += (float)sum;
    }
}

static const PositionMethod widths = {
    .name = "widths",
    .label = "Widths",
    .citation = "none",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    .layout = widths_layout,
    .init = widths_init,
    .project = widths_project,
    .distance_bias = widths_bias,
    .distance_bias_backward = widths_bias_backward,
};

static void elements_of_unlike_size_have_gradients(void **state) {
    Error err;
    LawCase c = {.model = {.layers = 1,
                           .heads = 3,
                           .width = 12,
                           .ffn = 8,
                           .vocabulary = 17,
                           .activation = MODEL_GELU,
                           .final_norm = true,
                           .max_tokens_in_flight = 1024},
                 .position = {.method = &widths},
                 .train_length = 8,
                 .batch = 1,
                 .length = 21,
                 .seed = 7};
    (void)state;
    if (!law_holds(law_find("gradient"), &c, &err)) fail_msg("%s", err.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(elements_of_unlike_size_have_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
