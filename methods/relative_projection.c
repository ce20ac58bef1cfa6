/* Relative-projection bias: curves over distances, mixed by the query's position.
 *
 * RelativeProjPositionalBias of github.com/lucidrains/x-transformers, there attributed to the model Inkling
 * of Thinking Machines (there is no paper). From the input x of the projections to queries, keys and values,
 * with N curves bank[n,d] that the heads of a layer share,
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) + sum over n of (w_hn . x_i + b_hn) bank[n, i - j],  0 from i - j = M on
 *
 * N is 16, M 1024. The bank starts as N(0, 0.02^2), w and b uniform within 1/sqrt(C), as torch's linear
 * layers.
 *
 * Speed: 2 N C operations per position and head for the weights of the curves, and twice that backward; for
 * each pair within M and head 2 N + 1 operations, backward 4 N. Rows of scores are in memory.
 */
#include "position/features.h"

#include <math.h>

typedef struct Options {
    int64_t curves, distances;
} Options;

static const OptionField fields[] = {
    {"curves", OPTION_INT, offsetof(Options, curves), .default_value = 16, .low = 1, .high = 32,
     .help = "N: number of curves"},
    {"distances", OPTION_INT, offsetof(Options, distances), .default_value = 1024, .low = 1, .high = 4096,
     .help = "M: distances from this one on have no bias"},
};

enum { BANK, WEIGHT, BIAS };
enum { SOME_ROWS = 16, STRETCH = 64 };

static int curves_of(const void *options) {
    return (int)((const Options *)options)->curves;
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int N = curves_of(options), M = (int)((const Options *)options)->distances;
    tensors[BANK] = (PositionTensor){.name = "bank", .rank = 2, .dims = {N, M}, .per_layer = true};
    tensors[WEIGHT] = (PositionTensor){
        .name = "mix_weight", .rank = 2, .dims = {shape->heads * N, shape->width}, .per_layer = true};
    tensors[BIAS] =
        (PositionTensor){.name = "mix_bias", .rank = 1, .dims = {shape->heads * N}, .per_layer = true};
    return 3;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    PositionTensor tensors[POS_MAX_TENSORS];
    layout(context->shape, context->options, tensors);
    int count = tensors[index].dims[0] * (tensors[index].rank == 2 ? tensors[index].dims[1] : 1);
    for (int i = 0; i < count; i++)
        value[i] = (float)(index == BANK ? 0.02 * random_normal(rng)
                                         : (2 * random_uniform(rng) - 1) / sqrt(context->shape->width));
}

static int feature_count(const PositionShape *shape, const void *options) {
    (void)shape;
    return curves_of(options);
}

static FeaturePart whole(const PositionContext *context) {
    int N = curves_of(context->options);
    return (FeaturePart){N, 0, N};
}

static void features(const PositionContext *context, const float *x, float *f) {
    int N = curves_of(context->options);
    features_map(context, whole(context), WEIGHT, x, f);
    for (int h = 0; h < context->shape->heads; h++)
        for (int i = 0; i < context->length * N; i++) *f++ += context->param[BIAS][h * N + i % N];
}

static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    int N = curves_of(context->options);
    (void)f;
    features_map_backward(context, whole(context), WEIGHT, x, df, dx);
    for (int h = 0; h < context->shape->heads; h++)
        for (int i = 0; i < context->length * N; i++) context->grad[BIAS][h * N + i % N] += *df++;
}

/* Some rows of a block and head, and the curves of a stretch of distances. */
typedef struct Rows {
    int row, rows, begin, count, N, M; /* the first row of the block; distances begin .. begin + count - 1 */
    float curve[SOME_ROWS * STRETCH];
} Rows;

/* The next stretch of distances, or the first one of the next rows; false after the last. */
static bool next(const PositionContext *context, const PositionScores *block, Rows *some) {
    int last = block->first + some->row + some->rows - 1;
    some->begin += STRETCH;
    if (!some->rows || some->begin >= some->M || some->begin > last) {
        some->row += some->rows, some->begin = 0;
        some->rows = block->rows - some->row < SOME_ROWS ? block->rows - some->row : SOME_ROWS;
        last = block->first + some->row + some->rows - 1;
    }
    some->N = curves_of(context->options), some->M = (int)((const Options *)context->options)->distances;
    some->count = some->M - some->begin < STRETCH ? some->M - some->begin : STRETCH;
    if (some->count > last + 1 - some->begin) some->count = last + 1 - some->begin;
    return some->rows > 0;
}

static size_t row_of(const PositionContext *context, const PositionScores *block, const Rows *some, int h) {
    return ((size_t)h * (size_t)context->length + (size_t)(block->first + some->row)) * (size_t)some->N;
}

static void scores(const PositionContext *context, const PositionScores *block) {
    for (int h = 0; h < context->shape->heads; h++)
        for (Rows some = {0}; next(context, block, &some);) {
            position_product(some.curve, STRETCH, context->features + row_of(context, block, &some, h),
                             some.N, context->param[BANK] + some.begin, some.M, some.rows, some.count, some.N,
                             0);
            for (int r = 0; r < some.rows; r++) {
                int i = block->first + some.row + r;
                float *s = block->s + ((size_t)h * block->rows + some.row + r) * block->columns + i;
                for (int d = some.begin; d < some.begin + some.count && d <= i; d++)
                    s[-d] += some.curve[r * STRETCH + d - some.begin];
            }
        }
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    for (int h = 0; h < context->shape->heads; h++)
        for (Rows some = {0}; next(context, block, &some);) {
            size_t at = row_of(context, block, &some, h);
            for (int r = 0; r < some.rows; r++) {
                int i = block->first + some.row + r;
                const float *ds = block->ds + ((size_t)h * block->rows + some.row + r) * block->columns + i;
                for (int d = some.begin; d < some.begin + some.count; d++)
                    some.curve[r * STRETCH + d - some.begin] = d <= i ? ds[-d] : 0;
            }
            position_product(context->dfeatures + at, some.N, some.curve, STRETCH,
                             context->param[BANK] + some.begin, some.M, some.rows, some.N, some.count,
                             POS_ADD | POS_TRANSPOSE_B);
            position_product(context->grad[BANK] + some.begin, some.M, context->features + at, some.N,
                             some.curve, STRETCH, some.N, some.count, some.rows, POS_ADD | POS_TRANSPOSE_A);
        }
}

const PositionMethod method_relative_projection = {
    .name = "relative_projection",
    .label = "Relative projection",
    .citation = "x-transformers 2026, RelativeProjPositionalBias",
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
