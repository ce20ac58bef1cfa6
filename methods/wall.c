/* Wall attention: each number of queries and keys has its own forget gate.
 *
 * Averbuch and Pai (Tilde Research), 2026; there is no paper (code:
 * github.com/fla-org/flash-linear-attention, layers/wall_attn.py and ops/wall_attn/naive.py, here without the
 * optional gate of each head). From the input x of the projections to queries, keys and values,
 *
 *     S[h,i,j] = sum over e of q_ie k_je exp(P_ie - P_je) / sqrt(D),   P_t = sum over l <= t of log
 * sigmoid(z_l)
 *
 * with z = W x + b, W [C,C]. W starts normal with deviation 0.02, b at 8, which forgets 1/e in 2,981
 * positions. There is no other position information. exp(-P) overflows; here a query is faded from key to key
 * instead (position/scan.h), by 1 - sigmoid(-z), which needs no anchors.
 *
 * Speed: 2 C D operations per position and head for z, a third more than the projections to q, k and v; twice
 * that backward. For each pair and head 4 D operations forward (product and fading) and 8 D backward,
 * besides the 2 D and 4 D of the product that is replaced; and for each key and block of 32 queries D
 * sigmoids.
 */
#include "position/features.h"
#include "position/scan.h"

#include <math.h>
#include <string.h>

enum { WEIGHT, BIAS };

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->head_dim <= SCAN_HEAD) return true;
    return error_set(err, EXIT_USAGE, "needs a head size of at most %d, got %d", SCAN_HEAD, shape->head_dim);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int C = shape->width;
    (void)options;
    tensors[WEIGHT] = (PositionTensor){.name = "gate_weight", .rank = 2, .dims = {C, C}, .per_layer = true};
    tensors[BIAS] = (PositionTensor){.name = "gate_bias", .rank = 1, .dims = {C}, .per_layer = true};
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int C = context->shape->width;
    for (int i = 0; i < (index == WEIGHT ? C * C : C); i++)
        value[i] = index == WEIGHT ? (float)(0.02 * random_normal(rng)) : 8;
}

static int feature_count(const PositionShape *shape, const void *options) {
    (void)options;
    return shape->head_dim;
}

static void features(const PositionContext *context, const float *x, float *f) {
    int D = context->shape->head_dim;
    features_map(context, (FeaturePart){D, 0, D}, WEIGHT, x, f);
    for (int h = 0; h < context->shape->heads; h++)
        for (int i = 0; i < context->length * D; i++) *f++ += context->param[BIAS][h * D + i % D];
}

static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    int D = context->shape->head_dim;
    (void)f;
    features_map_backward(context, (FeaturePart){D, 0, D}, WEIGHT, x, df, dx);
    for (int h = 0; h < context->shape->heads; h++)
        for (int i = 0; i < context->length * D; i++) context->grad[BIAS][h * D + i % D] += *df++;
}

static size_t feature_row(const PositionContext *context, const ScanRows *rows, int j) {
    return ((size_t)rows->head * (size_t)context->length + (size_t)j) * (size_t)rows->size;
}

/* g = sigmoid(-z) of key j: what it takes away */
static void fading(const PositionContext *context, const ScanRows *rows, int j, float *g) {
    const float *z = context->features + feature_row(context, rows, j);
    for (int e = 0; e < rows->size; e++) g[e] = -z[e];
    position_sigmoid(g, g, rows->size);
}

static void scores(const PositionContext *context, const PositionScores *block) {
    float u[SCAN_FLOATS], g[SCAN_HEAD], c[SCAN_ROWS], root = (float)(1 / sqrt(context->shape->head_dim));
    for (ScanRows rows = {0}; scan_next(context, block, &rows);) {
        scan_load(&rows, block, u);
        for (int j = rows.query + rows.rows - 1; j >= 0; j--) {
            scan_dot(&rows, u, scan_key(block, &rows, j), c);
            for (int r = 0; r < SCAN_ROWS; r++) c[r] *= root;
            scan_put(&rows, block, block->s, j, c);
            fading(context, &rows, j, g);
            scan_fade(&rows, u, g, scan_from(&rows, j));
        }
    }
}

/* dq: the sum of dS k, faded from key to key. Of dP only the sums of q dq - k dk from a position on matter,
   the gradient of log sigmoid(z) there. */
static void rows_backward(const PositionContext *context, const PositionScores *block, const ScanRows *rows,
                          float *u) {
    float dq[SCAN_FLOATS] = {0}, g[SCAN_HEAD], c[SCAN_ROWS], dk[SCAN_HEAD], root;
    double sums[SCAN_HEAD] = {0};
    int D = rows->size, last = rows->query + rows->rows - 1;
    root = (float)(1 / sqrt(D));
    for (int j = 0; j <= last; j++) {
        fading(context, rows, j, g);
        scan_fade(rows, dq, g, scan_from(rows, j));
        scan_take(rows, block, block->ds, j, root, c);
        scan_add(rows, dq, c, scan_key(block, rows, j));
    }
    scan_load(rows, block, u);
    for (int j = last; j >= 0; j--) {
        const float *k = scan_key(block, rows, j);
        float *to = scan_dkey(block, rows, j);
        float *dz = context->dfeatures + feature_row(context, rows, j);
        int r = j - rows->query;
        memset(dk, 0, (size_t)D * sizeof *dk);
        scan_take(rows, block, block->ds, j, root, c);
        scan_sum(rows, u, c, dk);
        fading(context, rows, j, g);
        for (int e = 0; e < D; e++) {
            if (r >= 0) sums[e] += (double)u[e * SCAN_ROWS + r] * dq[e * SCAN_ROWS + r];
            sums[e] -= (double)k[e] * dk[e];
            to[e] += dk[e];
            dz[e] += (float)sums[e] * g[e];
        }
        scan_fade(rows, u, g, scan_from(rows, j));
        memset(c, 0, sizeof c);
        scan_put(rows, block, block->ds, j, c); /* the scores before do not matter */
    }
    scan_return(rows, block, dq);
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    float u[SCAN_FLOATS];
    for (ScanRows rows = {0}; scan_next(context, block, &rows);) rows_backward(context, block, &rows, u);
}

const PositionMethod method_wall = {
    .name = "wall",
    .label = "Wall",
    .citation = "Averbuch and Pai 2026, flash-linear-attention, wall_attn",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    .check = check,
    .layout = layout,
    .init = init,
    .feature_count = feature_count,
    .features = features,
    .features_backward = features_backward,
    .scores = scores,
    .scores_backward = scores_backward,
};
