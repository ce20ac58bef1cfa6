/* ALiBi: attention with linear biases.
 *
 * Press, Smith and Lewis, "Train short, test long", 2022, arXiv 2108.12409, section 3. Nothing is added to
 * the embeddings; the score of query i and key j in head h gets a penalty that grows with their distance:
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) - m_h d,      d = i - j >= 0
 *
 * For H = 2^n heads the slopes are the geometric sequence m_h = 2^(-8 h/H), h = 1..H; position_slope has the
 * rule for other counts. Option `trainable` learns one factor per head, m_h = slope_h (the paper's section 3
 * found no gain from it). Option `shape` changes the penalty: exponential is B = exp(-m_h d) - 1, which has
 * the same slope at d = 0 and never falls below -1. It uses the positive definite kernel exp(-m d) instead of
 * the conditionally positive definite -m d (Chi et al., "KERPLE", 2022, arXiv 2205.09921, section 3): far
 * keys keep some weight, while the linear penalty suppresses them. dB/dm_h = -d, or -d exp(-m_h d).
 */
#include "position/position.h"

#include <math.h>

typedef enum Shape { SHAPE_LINEAR, SHAPE_EXPONENTIAL } Shape;
static const char *const shapes[] = {"linear", "exponential", NULL};

typedef struct Options {
    bool trainable;
    double max_exponent;
    int shape;
} Options;

static const OptionField fields[] = {
    {"trainable", OPTION_BOOL, offsetof(Options, trainable), .default_value = 0,
     .help = "learn the slopes, starting from the fixed ones"},
    {"max_exponent", OPTION_REAL, offsetof(Options, max_exponent), .default_value = 8, .low = 0.5, .high = 64,
     .help = "the last head's slope is 2^-max_exponent (the paper: 8)"},
    {"shape", OPTION_CHOICE, offsetof(Options, shape), .default_value = SHAPE_LINEAR, .choices = shapes,
     .help = "the penalty grows without limit, or approaches 1"},
};

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    if (!((const Options *)options)->trainable) return 0;
    tensors[0] = (PositionTensor){.name = "slope", .rank = 1, .dims = {shape->heads}};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index, (void)rng;
    for (int h = 0; h < context->shape->heads; h++)
        value[h] = (float)position_slope(h, context->shape->heads,
                                         ((const Options *)context->options)->max_exponent);
}

static void distance_bias(const PositionContext *context, float *bias) {
    const Options *options = context->options;
    int heads = context->shape->heads, length = context->length;
    for (int h = 0; h < heads; h++) {
        float m = options->trainable ? context->param[0][h]
                                     : (float)position_slope(h, heads, options->max_exponent);
        if (options->shape == SHAPE_LINEAR)
            for (int d = 0; d < length; d++) bias[(size_t)h * length + d] = -m * (float)d;
        else
            for (int d = 0; d < length; d++) bias[(size_t)h * length + d] = (float)expm1(-(double)m * d);
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    const Options *options = context->options;
    if (!options->trainable) return;
    int length = context->length;
    for (int h = 0; h < context->shape->heads; h++) {
        double sum = 0, m = context->param[0][h];
        bool linear = options->shape == SHAPE_LINEAR;
        for (int d = 0; d < length; d++)
            sum -= (linear ? d : d * exp(-m * d)) * (double)dbias[(size_t)h * length + d];
        context->grad[0][h] += (float)sum;
    }
}

static const char pytorch[] =
    "def bias(p, d):\n"
    "    n = 2 ** int(math.log2(HEADS))\n"
    "    exponents = [(h + 1 if h < n else h - n + 0.5) / n for h in range(HEADS)]\n"
    "    fixed = torch.tensor([2 ** (-OPTIONS['max_exponent'] * e) for e in exponents], device=d.device)\n"
    "    penalty = -(p['slope'] if OPTIONS['trainable'] else fixed)[:, None, None] * d\n"
    "    return penalty.expm1() if OPTIONS['shape'] == 'exponential' else penalty\n";

const PositionMethod method_alibi = {
    .name = "alibi",
    .label = "ALiBi",
    .citation = "Press, Smith and Lewis 2022, arXiv 2108.12409, section 3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
    .pytorch = pytorch,
};
