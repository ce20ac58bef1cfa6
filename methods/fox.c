/* Forgetting Transformer (FoX).
 *
 * Lin, Nikishin, He and Courville, "Forgetting Transformer: softmax attention with a forget gate", 2025,
 * arXiv 2503.02130, section 3 (code: github.com/zhixuan-lin/forgetting-transformer). Each head has its own
 * forget gate, computed from the input x of the projections to queries, keys and values:
 *
 *     log f_t = log sigmoid(w_h . x_t + b_h),      S[h,i,j] = q_i . k_j / sqrt(D) + sum of log f_l, j < l <=
 * i
 *
 * CABLE (Veisi et al. 2025, arXiv 2503.08067) is equivalent: its bias is the sum of -softplus(w_h . x + b_h),
 * and log sigmoid(z) = -softplus(-z), so it is FoX with w and b negated. With w = 0 and b_h = -log(e^m - 1)
 * it is ALiBi with slope m. FoX has no other position information.
 *
 * Initial values: w as a linear layer of the model, N(0, 1/C); b_h = -log(e^(1/T_h) - 1), for which a head
 * forgets over T_h positions if w . x = 0, with T_h spaced geometrically from span_low to span_high. The
 * authors' code has such spans only for gates without w; gates with w start there with w from N(0, 0.02^2)
 * and b = 0, which gives all heads the span 1/ln 2 = 1.4427 (b = 5 gives 148.9).
 *
 * Speed: the gates cost T C H products per layer, about 1 % of the projections; scores need one pass of
 * additions, and their gradients one of column sums. The minimum time is that of none.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    double span_low, span_high;
} Options;

static const OptionField fields[] = {
    {"span_low", OPTION_REAL, offsetof(Options, span_low), .default_value = 2, .low = 0.1, .high = 1e5,
     .help = "number of positions over which the first head forgets, at initialisation"},
    {"span_high", OPTION_REAL, offsetof(Options, span_high), .default_value = 128, .low = 0.1, .high = 1e5,
     .help = "the same for the last head"},
};

enum { WEIGHT, BIAS };

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    tensors[WEIGHT] = (PositionTensor){
        .name = "gate_weight", .rank = 2, .dims = {shape->heads, shape->width}, .per_layer = true};
    tensors[BIAS] =
        (PositionTensor){.name = "gate_bias", .rank = 1, .dims = {shape->heads}, .per_layer = true};
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    const Options *o = context->options;
    const PositionShape *shape = context->shape;
    double deviation = 1 / sqrt(shape->width), ratio = o->span_high / o->span_low;
    for (int i = 0; index == WEIGHT && i < shape->heads * shape->width; i++)
        value[i] = (float)(deviation * random_normal(rng));
    for (int h = 0; index == BIAS && h < shape->heads; h++) {
        double place = shape->heads > 1 ? (double)h / (shape->heads - 1) : 0;
        value[h] = (float)-log(expm1(1 / (o->span_low * pow(ratio, place))));
    }
}

/* w_h . x_t + b_h */
static double logit(const PositionContext *context, const float *x, int h) {
    int width = context->shape->width;
    const float *w = context->param[WEIGHT] + (size_t)h * width;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int c = 0; c < width; c++) sum += w[c] * x[c];
    return (double)sum + context->param[BIAS][h];
}

static void gate(const PositionContext *context, const float *x, float *gates) {
    int width = context->shape->width, length = context->length;
    for (int t = 0; t < length; t++)
        for (int h = 0; h < context->shape->heads; h++) {
            double z = logit(context, x + (size_t)t * width, h);
            gates[(size_t)h * length + t] = (float)(z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z)));
        }
}

/* d log sigmoid(z) / dz = sigmoid(-z) */
static void gate_backward(const PositionContext *context, const float *x, const float *dgates, float *dx) {
    int width = context->shape->width, length = context->length;
    for (int t = 0; t < length; t++)
        for (int h = 0; h < context->shape->heads; h++) {
            const float *row = x + (size_t)t * width, *w = context->param[WEIGHT] + (size_t)h * width;
            float *drow = dx + (size_t)t * width, *dw = context->grad[WEIGHT] + (size_t)h * width;
            double z = logit(context, row, h);
            float d = (float)(dgates[(size_t)h * length + t] / (1 + exp(z)));
            for (int c = 0; c < width; c++) {
                drow[c] += d * w[c];
                dw[c] += d * row[c];
            }
            context->grad[BIAS][h] += d;
        }
}

const PositionMethod method_fox = {
    .name = "fox",
    .label = "FoX",
    .citation = "Lin et al. 2025, arXiv 2503.02130, section 3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .gate = gate,
    .gate_backward = gate_backward,
};
