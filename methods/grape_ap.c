/* GRAPE-AP: ALiBi whose steps are gates between the query and the positions on the way to the key.
 *
 * Zhang et al., "Group representational position encoding", 2025, arXiv 2512.07805, its path-integral
 * additive form (code: github.com/model-architectures/GRAPE, llama-mha-grape-ap-v1.py, which takes n = 8).
 * With ALiBi's slopes m_h, a vector p of n numbers for each position and head, p = P x from the input x of
 * the projections to queries, keys and values, p^ = p / sqrt(mean of p^2 + eps), and R the rotation of its
 * pairs, coordinates c and n/2 + c, all by one radian,
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) + m_h sum over j < l <= i of log sigmoid(a_i . R^-l p^_l / n)
 *
 * where a_i = R^-i p^_i, so that angles depend on i - l. The code differs from that: with `absolute`, as
 * there, a_i = p_i, neither normalised nor rotated. P starts as a linear layer of the model, N(0, 1/C).
 *
 * Not confirmed: that the paper means the relative form, and the initial values.
 *
 * Speed: 2 n C operations per position and head for p, and twice that backward. For each pair and head 2 n
 * operations for a . p and some 25 for the logarithm and the sum; backward 6 n and 25. Half of the pairs of a
 * block of 16 rows and 64 keys on the diagonal are computed in vain. Rows of scores are in memory.
 */
#include "position/features.h"

#include <float.h>
#include <math.h>

typedef struct Options {
    int64_t size;
    bool absolute;
} Options;

static const OptionField fields[] = {
    {"size", OPTION_INT, offsetof(Options, size), .default_value = 8, .low = 2, .high = 32,
     .help = "n, even: how many numbers of each position make a gate"},
    {"absolute", OPTION_BOOL, offsetof(Options, absolute),
     .help = "the query's vector is neither normalised nor rotated, as in the authors' code"},
};

static int size_of(const void *options) {
    return (int)((const Options *)options)->size;
}

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)shape;
    if (size_of(options) % 2 == 0) return true;
    return error_set(err, EXIT_USAGE, "needs an even 'size', got %d", size_of(options));
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    tensors[0] = (PositionTensor){.name = "projection",
                                  .rank = 2,
                                  .dims = {shape->heads * size_of(options), shape->width},
                                  .per_layer = true};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int count = context->shape->heads * size_of(context->options) * context->shape->width;
    (void)index;
    for (int i = 0; i < count; i++) value[i] = (float)(random_normal(rng) / sqrt(context->shape->width));
}

/* The features of a position: a, then R^-t p^. */
static int feature_count(const PositionShape *shape, const void *options) {
    (void)shape;
    return 2 * size_of(options);
}

static FeaturePart query_part(const PositionContext *context) {
    return (FeaturePart){2 * size_of(context->options), 0, size_of(context->options)};
}

static float length_of(const float *p, int n) { /* sqrt(mean of p^2 + eps): torch's rms_norm */
    float sum = 0;
    for (int c = 0; c < n; c++) sum += p[c] * p[c];
    return sqrtf(sum / (float)n + FLT_EPSILON);
}

/* to = R^-t from; with direction -1, R^t from. */
static void turn(float *to, const float *from, int n, int t, float direction) {
    float cosine = (float)cos(t), sine = direction * (float)sin(t);
    for (int c = 0; c < n / 2; c++) {
        float a = from[c], b = from[n / 2 + c];
        to[c] = a * cosine + b * sine;
        to[n / 2 + c] = b * cosine - a * sine;
    }
}

static void features(const PositionContext *context, const float *x, float *f) {
    int n = size_of(context->options), T = context->length;
    bool absolute = ((const Options *)context->options)->absolute;
    features_map(context, query_part(context), 0, x, f);
    for (int row = 0; row < context->shape->heads * T; row++, f += 2 * n) {
        float by = 1 / length_of(f, n);
        turn(f + n, f, n, row % T, 1);
        for (int c = 0; c < n; c++) f[n + c] *= by;
        for (int c = 0; c < n && !absolute; c++) f[c] = f[n + c];
    }
}

/* p^ = p / |p|, with |p| = sqrt(mean of p^2 + eps): dp = (dp^ - p^ (p^ . dp^) / n) / |p|. */
static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    int n = size_of(context->options), T = context->length;
    bool absolute = ((const Options *)context->options)->absolute;
    float *df_row = df, dp[32];
    features_map(context, query_part(context), 0, x, f);
    for (int row = 0; row < context->shape->heads * T; row++, f += 2 * n, df_row += 2 * n) {
        float by = 1 / length_of(f, n), along = 0;
        for (int c = 0; c < n && !absolute; c++) df_row[n + c] += df_row[c], df_row[c] = 0;
        turn(dp, df_row + n, n, row % T, -1);
        for (int c = 0; c < n; c++) along += f[c] * by * dp[c] / (float)n;
        for (int c = 0; c < n; c++) df_row[c] += by * (dp[c] - f[c] * by * along);
    }
    features_map_backward(context, query_part(context), 0, x, df, dx);
}

static FeatureGates gates_of(const PositionContext *context) {
    int n = size_of(context->options);
    return (FeatureGates){
        .size = 2 * n, .b = n, .count = n, .scale = 1.0 / n, .max_exponent = 8, .own = true};
}

static void scores(const PositionContext *context, const PositionScores *block) {
    FeatureGates gates = gates_of(context);
    features_gate_scores(context, &gates, block);
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    FeatureGates gates = gates_of(context);
    features_gate_scores_backward(context, &gates, block);
}

const PositionMethod method_grape_ap = {
    .name = "grape_ap",
    .label = "GRAPE-AP",
    .citation = "Zhang et al. 2025, arXiv 2512.07805",
    .unconfirmed = "the relative form; the authors' code is `absolute`; the initial values",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .feature_count = feature_count,
    .features = features,
    .features_backward = features_backward,
    .scores = scores,
    .scores_backward = scores_backward,
};
