/* Relative position representations.
 *
 * Shaw, Uszkoreit and Vaswani, "Self-attention with relative position representations", 2018, arXiv
 * 1803.02155, section 3.2 (code: tensor2tensor, dot_product_attention_relative). A learned vector of each
 * distance d = i - j up to k, shared by all heads of a layer, is added to keys, and another to values:
 *
 *     S[h,i,j] = q_i . (k_j + a[min(d,k)]) / sqrt(D),     out_i = sum_j P[i,j] (v_j + b[min(d,k)])
 *
 * This is the causal form: distances below zero do not occur. Heads share the vectors as in section 3.3 and
 * in tensor2tensor (the paper's smaller model has separate ones for each head); layers have their own.
 * Initial values are Glorot and Bengio's uniform numbers for k + 1 rows, +-sqrt(6 / (k + 1 + D))
 * (tensor2tensor: for 2k + 1 rows).
 *
 * Speed: vectors of k + 1 = 17 distances touch the tiles next to the diagonal; for keys beyond them, one
 * number is added to all scores of a row, and one sum of probabilities is needed. The minimum time is that of
 * none, plus a second product for those tiles and one pass over the scores.
 */
#include "position/position.h"

#include <math.h>
#include <string.h>

typedef struct Options {
    int64_t clip;
    bool values;
} Options;

static const OptionField fields[] = {
    {"clip", OPTION_INT, offsetof(Options, clip), .default_value = 16, .low = 0, .high = 4096,
     .help = "k: this distance and all larger ones share a vector"},
    {"values", OPTION_BOOL, offsetof(Options, values), .default_value = 1,
     .help = "also add vectors to values (little gain, according to the paper)"},
};

enum { KEYS, VALUES };

static int layout(const PositionShape *shape, const void *opaque, PositionTensor tensors[]) {
    const Options *options = opaque;
    PositionTensor tensor = {.rank = 2, .dims = {(int)options->clip + 1, shape->head_dim}, .per_layer = true};
    tensors[KEYS] = tensors[VALUES] = tensor;
    tensors[KEYS].name = "key", tensors[VALUES].name = "value";
    tensors[KEYS].inert = options->clip == 0; /* one vector for all keys: softmax removes what it adds */
    return options->values ? 2 : 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int64_t rows = ((const Options *)context->options)->clip + 1;
    double bound = sqrt(6.0 / (double)(rows + context->shape->head_dim));
    (void)index;
    for (int64_t i = 0; i < rows * context->shape->head_dim; i++)
        value[i] = (float)(bound * (2 * random_uniform(rng) - 1));
}

static int vector_count(const PositionShape *shape, const void *opaque, PositionRole role, int length) {
    const Options *options = opaque;
    (void)shape;
    if (role == POS_VALUE && !options->values) return 0;
    return options->clip + 1 < length ? (int)options->clip + 1 : length;
}

static void vectors(const PositionContext *context, PositionRole role, float *r) {
    const float *value = context->param[role == POS_VALUE ? VALUES : KEYS];
    size_t count = (size_t)vector_count(context->shape, context->options, role, context->length) *
                   (size_t)context->shape->head_dim;
    for (int h = 0; h < context->shape->heads; h++) memcpy(r + h * count, value, count * sizeof *r);
}

static void vectors_backward(const PositionContext *context, PositionRole role, const float *dr) {
    float *grad = context->grad[role == POS_VALUE ? VALUES : KEYS];
    size_t count = (size_t)vector_count(context->shape, context->options, role, context->length) *
                   (size_t)context->shape->head_dim;
    for (int h = 0; h < context->shape->heads; h++)
        for (size_t i = 0; i < count; i++) grad[i] += dr[h * count + i];
}

const PositionMethod method_shaw = {
    .name = "shaw",
    .label = "Shaw",
    .citation = "Shaw, Uszkoreit and Vaswani 2018, arXiv 1803.02155, section 3.2",
    .also = "relative rpe",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .vector_count = vector_count,
    .vectors = vectors,
    .vectors_backward = vectors_backward,
};
