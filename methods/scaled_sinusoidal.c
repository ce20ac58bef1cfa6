/* Scaled sinusoidal position embeddings.
 *
 * Sines and cosines as in Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762, section 3.5,
 * times one learned number, the weight of the position relative to the token
 * (github.com/lucidrains/x-transformers, ScaledSinusoidalEmbedding):
 *
 *     x[t] += alpha PE(t)     PE(t, i) = sin(t w_i)     PE(t, C/2+i) = cos(t w_i)     w_i = base^(-2i/C)
 *
 * for t = 0, 1, ... and i = 0 .. C/2-1. alpha starts at C^(-1/2). dL/dalpha is the sum of dx PE. Angles are
 * computed in double.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    double base;
} Options;

static const OptionField fields[] = {
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e9,
     .help = "ratio of the longest to the shortest wavelength"},
};

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->width % 2 == 0) return true;
    return error_set(err, EXIT_USAGE, "needs an even 'model.width', got %d", shape->width);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)shape, (void)options;
    tensors[0] = (PositionTensor){.name = "alpha", .rank = 1, .dims = {1}};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index, (void)rng;
    *value = (float)(1 / sqrt(context->shape->width));
}

/* table[T,C] */
static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const Options *options = opaque;
    const PositionSinusoids kind = {options->base, shape->width / 2.0};
    return position_sinusoids(&kind, shape->width, length, positions, arena);
}

static void embed(const PositionContext *context, float *x) {
    const float *table = context->tables, alpha = *context->param[0];
    size_t count = (size_t)context->length * context->shape->width;
    for (size_t i = 0; i < count; i++) x[i] += alpha * table[i];
}

static void embed_backward(const PositionContext *context, const float *dx) {
    const float *table = context->tables;
    size_t count = (size_t)context->length * context->shape->width;
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)dx[i] * table[i];
    *context->grad[0] += (float)sum;
}

const PositionMethod method_scaled_sinusoidal = {
    .name = "scaled_sinusoidal",
    .label = "Scaled sinusoidal",
    .citation = "Vaswani et al. 2017, arXiv 1706.03762; scaled as in x-transformers (lucidrains)",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .prepare = prepare,
    .embed = embed,
    .embed_backward = embed_backward,
};
