/* DAPE: data-adaptive positional encoding.
 *
 * Zheng et al., "DAPE: data-adaptive positional encoding for length extrapolation", 2024, arXiv 2405.14722,
 * section 3 (code: github.com/chuanyang-Zheng/DAPE, DAPE.py). A static bias B is corrected by a perceptron
 * that sees, for each pair, the scaled scores and the biases of all heads:
 *
 *     S = A + B + f([A; B]),     f: 2H -> 32 -> H with leaky ReLU (0.01), the same at all pairs (i, j)
 *
 * `bias` chooses B: "kerple", -p_h ln(1 + a_h d) with learned p and a, which the paper finds best of those
 * by distance, or "alibi", -m_h d. As in the code all tensors are the layer's own, f starts as torch's linear
 * layers do, uniform in +-1/sqrt(inputs), p uniform in (0, 2), a in (0, 1), both kept at 0.01 or more. With
 * f = 0 DAPE is its bias.
 *
 * Speed: f costs 576 H operations per pair in training, in addition to none's 14 D H. At the rate of
 * multiplications alone, and 4 instructions a cycle, the floor in training is 1.2 times none at T = 128 and
 * 1.6 times at 512 for the model of `poslab bench` (width 128, 8 heads of 16), evaluating 1.1 and 1.4 times.
 */
#include "position/perceptron.h"

#include <math.h>

typedef enum Bias { BIAS_KERPLE, BIAS_ALIBI } Bias;
static const char *const bias_names[] = {"kerple", "alibi", NULL};

typedef struct Options {
    int bias;
} Options;

static const OptionField fields[] = {
    {"bias", OPTION_CHOICE, offsetof(Options, bias), .default_value = BIAS_KERPLE, .choices = bias_names,
     .help = "the static bias that is corrected"},
};

enum { P = PERCEPTRON_TENSORS, A };

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->heads <= PERCEPTRON_MAX_HEADS) return true;
    return error_set(err, EXIT_USAGE, "works with at most %d heads, got %d", PERCEPTRON_MAX_HEADS,
                     shape->heads);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int H = shape->heads, count = perceptron_layout(tensors, 2 * H, PERCEPTRON_UNITS, H, true);
    if (((const Options *)options)->bias != BIAS_KERPLE) return count;
    tensors[P] = (PositionTensor){.name = "p", .rank = 1, .dims = {H}, .per_layer = true};
    tensors[A] = (PositionTensor){.name = "a", .rank = 1, .dims = {H}, .per_layer = true};
    return count + 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int H = context->shape->heads;
    if (index < PERCEPTRON_TENSORS) {
        perceptron_init(2 * H, PERCEPTRON_UNITS, H, index, value, rng);
        return;
    }
    for (int h = 0; h < H; h++) value[h] = (float)(random_uniform(rng) * (index == P ? 2 : 1));
}

static void project(const PositionShape *shape, const void *options, int index, float *value) {
    (void)options;
    for (int h = 0; (index == P || index == A) && h < shape->heads; h++)
        if (value[h] < 0.01f) value[h] = 0.01f;
}

static void distance_bias(const PositionContext *context, float *bias) {
    int heads = context->shape->heads, length = context->length;
    bool kerple = ((const Options *)context->options)->bias == BIAS_KERPLE;
    for (int h = 0; h < heads; h++, bias += length) {
        if (kerple) position_log_bias(bias, length, context->param[P][h], context->param[A][h]);
        for (int d = 0; !kerple && d < length; d++) bias[d] = (float)(-position_slope(h, heads, 8) * d);
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    if (((const Options *)context->options)->bias != BIAS_KERPLE) return;
    for (int h = 0; h < context->shape->heads; h++) {
        size_t first = (size_t)h * context->length;
        position_log_bias_backward(dbias + first, context->length, context->param[P][h], context->param[A][h],
                                   &context->grad[P][h], &context->grad[A][h]);
    }
}

const PositionMethod method_dape = {
    .name = "dape",
    .label = "DAPE",
    .citation = "Zheng et al. 2024, arXiv 2405.14722, section 3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .project = project,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
    .scores = perceptron_scores,
    .scores_backward = perceptron_scores_backward,
};
