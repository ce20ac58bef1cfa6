/* Selective RoPE: rotations by angles that a short convolution of the content accumulates.
 *
 * Movahedi et al., "Selective rotary position embedding", 2025, arXiv 2511.17388 (code:
 * github.com/timurcarstensen/selective-rope, modules/rotary.py, with its defaults: without phase gate and
 * bias). With x^ the input of the projections to queries, keys and values, each stretch of D numbers divided
 * by its length, and a causal convolution of four positions for each number,
 *
 *     phi_t = conv(W2 W1 x^)_t,   angle[h,t,i] = temperature base^(-2i/D) sum over u <= t of phi[h,u,i]
 *
 * is the angle by which pair i = 0 .. D/2 - 1, coordinates i and D/2 + i, of query t and of key t is rotated.
 * W1 has `rank` rows. W1, W2 and the convolution start uniform within one over the root of their inputs (C,
 * rank, 4), as torch's layers.
 *
 * Not confirmed: the initial values, for which the code has no lines of its own.
 *
 * Speed: per position 2 C rank + H D rank operations for phi, 8 for each of H D/2 numbers of the convolution,
 * and H D/2 cosines, sines and sums of some 30 instructions each; backward twice as many products and again
 * those of the forward pass. With C = 128 and rank 16 that is 8,000 operations and 1,900 instructions
 * forward, against 400,000 operations of a layer. The rotation is as that of rotary.
 */
#include "position/features.h"
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    double base, temperature;
    int64_t rank;
} Options;

static const OptionField fields[] = {
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 500000, .low = 1.01, .high = 1e9,
     .help = "base of the temperatures, temperature base^(-2i/D) for pair i"},
    {"temperature", OPTION_REAL, offsetof(Options, temperature), .default_value = 1, .low = 0.1, .high = 10,
     .help = "factor of the angles of the first pair"},
    {"rank", OPTION_INT, offsetof(Options, rank), .default_value = 16, .low = 1, .high = FEATURES_RANK,
     .help = "rank of the map from the input to the angles"},
};

enum { INNER, OUTER, CONVOLUTION, TAPS = 4 };

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->head_dim % 2 == 0 && shape->head_dim <= FEATURES_HEAD) return true;
    return error_set(err, EXIT_USAGE, "needs an even head size of at most %d, got %d", FEATURES_HEAD,
                     shape->head_dim);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int rank = (int)((const Options *)options)->rank, angles = shape->width / 2;
    tensors[INNER] =
        (PositionTensor){.name = "inner", .rank = 2, .dims = {rank, shape->width}, .per_layer = true};
    tensors[OUTER] = (PositionTensor){.name = "outer", .rank = 2, .dims = {angles, rank}, .per_layer = true};
    tensors[CONVOLUTION] =
        (PositionTensor){.name = "convolution", .rank = 2, .dims = {angles, TAPS}, .per_layer = true};
    return 3;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    PositionTensor tensors[POS_MAX_TENSORS];
    layout(context->shape, context->options, tensors);
    for (int i = 0; i < tensors[index].dims[0] * tensors[index].dims[1]; i++)
        value[i] = (float)((2 * random_uniform(rng) - 1) / sqrt(tensors[index].dims[1]));
}

static int feature_count(const PositionShape *shape, const void *options) {
    (void)options;
    return shape->head_dim;
}

static FeaturePart angles_of(const PositionContext *context) {
    return (FeaturePart){context->shape->head_dim, 0, context->shape->head_dim / 2};
}

static FeatureRank map_of(const PositionContext *context) {
    return (FeatureRank){INNER, OUTER, (int)((const Options *)context->options)->rank, true};
}

/* Multiplies the angles, or their gradients, by the temperatures. */
static void scale(const PositionContext *context, float *f) {
    const Options *o = context->options;
    int D = context->shape->head_dim;
    for (int i = 0; i < D / 2; i++) {
        float by = (float)(o->temperature * pow(o->base, -2.0 * i / D));
        for (int row = 0; row < context->shape->heads * context->length; row++) f[(size_t)row * D + i] *= by;
    }
}

static void features(const PositionContext *context, const float *x, float *f) {
    features_low_rank(context, angles_of(context), map_of(context), x, f);
    features_convolve(context, angles_of(context), CONVOLUTION, TAPS, f);
    scale(context, f);
    rotary_accumulate(context, f);
}

static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    rotary_accumulate_backward(context, f, df);
    scale(context, df);
    features_low_rank(context, angles_of(context), map_of(context), x, f);
    features_convolve_backward(context, angles_of(context), CONVOLUTION, TAPS, f, df);
    features_low_rank_backward(context, angles_of(context), map_of(context), x, df, dx);
}

const PositionMethod method_selective_rope = {
    .name = "selective_rope",
    .label = "Selective RoPE",
    .citation = "Movahedi et al. 2025, arXiv 2511.17388",
    .unconfirmed = "the initial values",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY,
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
