/* CARoPE: rotations by angles that depend on the content.
 *
 * Veisi et al., "Context-aware rotary position embedding", 2025, arXiv 2507.23083 (there is no code). From
 * the input x of the projections to queries, keys and values, with w_h and b_h of each layer and head,
 *
 *     f_h(x) = 1 / (1 + softplus(w_h . x + b_h)),   angle[h,t,i] = sum over u <= t of f_h(x_u)^i
 *
 * is the angle by which pair i = 0 .. D/2 - 1, coordinates i and D/2 + i, of query t and of key t is rotated.
 * Initial values: w = 0, and b such that f = base^(-2/D): then it is rotary, with pairs half a head apart.
 *
 * Not confirmed: the exponents i, that there is a bias b, and the initial values.
 *
 * Speed: per position and head C multiplications and additions for f, and D/2 cosines, sines and sums of
 * angles, of some 30 instructions each; backward twice as many products, and again f (features are computed
 * again), and D/2 sums. For C = 128 and D = 16 that is 400 instructions forward, a twentieth of what a layer
 * needs for its products, and the rotation itself, as for rotary.
 */
#include "position/features.h"
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    double base;
} Options;

static const OptionField fields[] = {
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e5,
     .help = "base of the frequencies at initialisation, base^(-2i/D)"},
};

enum { WEIGHT, BIAS };

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->head_dim % 2 == 0 && shape->head_dim >= 4) return true;
    return error_set(err, EXIT_USAGE, "needs an even head size of at least 4, got %d", shape->head_dim);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    tensors[WEIGHT] = (PositionTensor){
        .name = "frequency_weight", .rank = 2, .dims = {shape->heads, shape->width}, .per_layer = true};
    tensors[BIAS] =
        (PositionTensor){.name = "frequency_bias", .rank = 1, .dims = {shape->heads}, .per_layer = true};
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    double f = pow(((const Options *)context->options)->base, -2.0 / context->shape->head_dim);
    double y = 1 / f - 1; /* softplus(b): b = ln(e^y - 1) */
    (void)rng;
    for (int h = 0; index == BIAS && h < context->shape->heads; h++) value[h] = (float)(y + log(-expm1(-y)));
}

static int feature_count(const PositionShape *shape, const void *options) {
    (void)options;
    return shape->head_dim;
}

static FeaturePart logits_of(const PositionContext *context) {
    return (FeaturePart){context->shape->head_dim, 0, 1};
}

/* f of the argument z, and its derivative -f^2 sigmoid(z). */
static double frequency_of(double z, double *derivative) {
    double f = 1 / (1 + (z > 0 ? z + log1p(exp(-z)) : log1p(exp(z))));
    *derivative = -f * f / (1 + exp(-z));
    return f;
}

static void features(const PositionContext *context, const float *x, float *f) {
    int D = context->shape->head_dim, T = context->length;
    features_map(context, logits_of(context), WEIGHT, x, f);
    for (int row = 0; row < context->shape->heads * T; row++) {
        float *angles = f + (size_t)row * (size_t)D;
        double power = 1, ignored;
        double frequency = frequency_of((double)angles[0] + context->param[BIAS][row / T], &ignored);
        for (int i = 0; i < D / 2; i++, power *= frequency) angles[i] = (float)power;
    }
    rotary_accumulate(context, f);
}

static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    int D = context->shape->head_dim, T = context->length;
    rotary_accumulate_backward(context, f, df);
    features_map(context, logits_of(context), WEIGHT, x, f);
    for (int row = 0; row < context->shape->heads * T; row++) {
        float *dangles = df + (size_t)row * (size_t)D;
        double sum = 0, power = 1, derivative;
        double frequency =
            frequency_of((double)f[(size_t)row * (size_t)D] + context->param[BIAS][row / T], &derivative);
        for (int i = 1; i < D / 2; i++, power *= frequency) sum += i * power * dangles[i];
        dangles[0] = (float)(sum * derivative);
        context->grad[BIAS][row / T] += dangles[0];
    }
    features_map_backward(context, logits_of(context), WEIGHT, x, df, dx);
}

const PositionMethod method_carope = {
    .name = "carope",
    .label = "CARoPE",
    .citation = "Veisi et al. 2025, arXiv 2507.23083",
    .unconfirmed = "the exponents i, the initial values and the bias b",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .feature_count = feature_count,
    .features = features,
    .features_backward = features_backward,
    .transform = rotary_by_features,
    .transform_backward = rotary_by_features_backward,
};
