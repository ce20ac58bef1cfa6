/* ALiBi whose slopes depend on the content, and differ from query to query.
 *
 * PerRowDataDependentAlibi of github.com/lucidrains/x-transformers (there is no paper; it follows the gates
 * of FoX, fox.c). With two vectors a and b of n numbers for each position and head, from the input x of the
 * projections to queries, keys and values,
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) + sum over j <= l < i of log sigmoid(a_i . b_l / sqrt(n))
 *
 * where a = A x and b = B x. n is 8; A and B start uniform within 1/sqrt(C), as torch's linear layers. The
 * gate of a key counts for the key itself, and that of the query does not, unlike in FoX.
 *
 * Speed: 2 n C operations per position and head for a and b, and twice that backward. For each pair and head
 * 2 n operations for a . b and some 25 for the logarithm and the sum; backward 6 n and 25. Half of the pairs
 * of a block of 16 rows and 64 keys on the diagonal are computed in vain. Rows of scores are in memory.
 */
#include "position/features.h"

#include <math.h>

typedef struct Options {
    int64_t size;
} Options;

static const OptionField fields[] = {
    {"size", OPTION_INT, offsetof(Options, size), .default_value = 8, .low = 1, .high = 32,
     .help = "n: how many numbers of each query and key make a gate"},
};

enum { QUERY_WEIGHT, KEY_WEIGHT };

static int size_of(const void *options) {
    return (int)((const Options *)options)->size;
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    PositionTensor tensor = {
        .rank = 2, .dims = {shape->heads * size_of(options), shape->width}, .per_layer = true};
    tensors[QUERY_WEIGHT] = tensors[KEY_WEIGHT] = tensor;
    tensors[QUERY_WEIGHT].name = "query_weight", tensors[KEY_WEIGHT].name = "key_weight";
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int count = context->shape->heads * size_of(context->options) * context->shape->width;
    (void)index;
    for (int i = 0; i < count; i++)
        value[i] = (float)((2 * random_uniform(rng) - 1) / sqrt(context->shape->width));
}

static int feature_count(const PositionShape *shape, const void *options) {
    (void)shape;
    return 2 * size_of(options);
}

static FeaturePart part_of(const PositionContext *context, int tensor) {
    int n = size_of(context->options);
    return (FeaturePart){2 * n, tensor * n, n};
}

static void features(const PositionContext *context, const float *x, float *f) {
    for (int i = 0; i < 2; i++) features_map(context, part_of(context, i), i, x, f);
}

static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    (void)f;
    for (int i = 0; i < 2; i++) features_map_backward(context, part_of(context, i), i, x, df, dx);
}

static FeatureGates gates_of(const PositionContext *context) {
    int n = size_of(context->options);
    return (FeatureGates){.size = 2 * n, .b = n, .count = n, .scale = 1 / sqrt(n)};
}

static void scores(const PositionContext *context, const PositionScores *block) {
    FeatureGates gates = gates_of(context);
    features_gate_scores(context, &gates, block);
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    FeatureGates gates = gates_of(context);
    features_gate_scores_backward(context, &gates, block);
}

const PositionMethod method_row_alibi = {
    .name = "row_alibi",
    .label = "Row ALiBi",
    .citation = "x-transformers 2025, PerRowDataDependentAlibi",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .feature_count = feature_count,
    .features = features,
    .features_backward = features_backward,
    .scores = scores,
    .scores_backward = scores_backward,
};
