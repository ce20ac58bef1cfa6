/* GRAPE-A: ALiBi whose slope depends on the query.
 *
 * Zhang et al., "Group representational position encoding", 2025, arXiv 2512.07805, its additive form with a
 * query gate (code: github.com/model-architectures/GRAPE, llama-mha-grape-a-*.py; there is also a key gate).
 * With ALiBi's slopes m_h, and a strength o_h and a direction u_h of each layer and head:
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) - d m_h softplus(o_h) g_i
 *     g_i = softplus(u_h . q_i / (|u_h| sqrt(D)))
 *
 * o_h starts at ln(e - 1), so that softplus(o_h) = 1; u_h is normal with deviation 1/sqrt(D). The gate uses
 * the same query as the product, including a scale of attention.
 *
 * Speed: forward 2 D operations per row for the gate, and one multiplication and addition per pair; backward
 * again as many, 6 D per row for the gradients and 2 per pair for their sum. Most of the cost is that rows of
 * scores are stored in memory.
 */
#include "position/position.h"

#include <math.h>

enum { STRENGTH, DIRECTION };

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int H = shape->heads, D = shape->head_dim;
    (void)options;
    tensors[STRENGTH] = (PositionTensor){.name = "strength", .rank = 1, .dims = {H}, .per_layer = true};
    tensors[DIRECTION] = (PositionTensor){.name = "direction", .rank = 2, .dims = {H, D}, .per_layer = true};
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int H = context->shape->heads, D = context->shape->head_dim;
    for (int i = 0; i < (index == STRENGTH ? H : H * D); i++)
        value[i] = (float)(index == STRENGTH ? log(expm1(1)) : random_normal(rng) / sqrt(D));
}

static double softplus(double x) {
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* The parameters of a head. direction: u_h; factor: 1 / (|u_h| sqrt(D)), which the argument of the gate has.
 */
typedef struct Head {
    const float *direction;
    double slope, strength, norm, factor;
} Head;

static Head head_of(const PositionContext *context, int h) {
    int D = context->shape->head_dim;
    Head head = {.direction = context->param[DIRECTION] + (size_t)h * D,
                 .slope = position_slope(h, context->shape->heads, 8),
                 .strength = context->param[STRENGTH][h]};
    for (int e = 0; e < D; e++) head.norm += (double)head.direction[e] * head.direction[e];
    head.norm = fmax(sqrt(head.norm), 1e-6);
    head.factor = 1 / (head.norm * sqrt(D));
    return head;
}

static double argument(const PositionContext *context, const Head *head, const float *q) {
    double sum = 0;
    for (int e = 0; e < context->shape->head_dim; e++) sum += (double)head->direction[e] * q[e];
    return sum * head->factor;
}

static void scores(const PositionContext *context, const PositionScores *block) {
    for (int h = 0; h < context->shape->heads; h++) {
        Head head = head_of(context, h);
        for (int r = 0; r < block->rows; r++) {
            int i = block->first + r;
            double gate = softplus(argument(context, &head, block->q[h] + (size_t)r * block->stride));
            float *s = block->s + ((size_t)h * block->rows + r) * block->columns;
            float slope = (float)(head.slope * softplus(head.strength) * gate);
            for (int j = 0; j <= i; j++) s[j] -= slope * (float)(i - j);
        }
    }
}

/* With G the sum of d dS over the keys of a row, z the argument of the gate and s the logistic function: do =
   -m s(o) g G, dz = -m softplus(o) s(z) G. du is the part of (sum of dz q) / (|u| sqrt(D)) that is orthogonal
   to u. */
static void scores_backward(const PositionContext *context, const PositionScores *block) {
    int D = context->shape->head_dim;
    for (int h = 0; h < context->shape->heads; h++) {
        Head head = head_of(context, h);
        float *ddirection = context->grad[DIRECTION] + (size_t)h * D;
        double dstrength = 0, along = 0;
        for (int r = 0; r < block->rows; r++) {
            int i = block->first + r;
            const float *q = block->q[h] + (size_t)r * block->stride;
            const float *ds = block->ds + ((size_t)h * block->rows + r) * block->columns;
            float *dq = block->dq[h] + (size_t)r * block->stride, sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int j = 0; j <= i; j++) sum += ds[j] * (float)(i - j);
            double z = argument(context, &head, q), by_strength = -head.slope * softplus(z) * sum;
            double dz = -head.slope * softplus(head.strength) * sigmoid(z) * sum;
            dstrength += by_strength * sigmoid(head.strength);
            along += dz * z;
            for (int e = 0; e < D; e++) {
                dq[e] += (float)(dz * head.factor * head.direction[e]);
                ddirection[e] += (float)(dz * head.factor * q[e]);
            }
        }
        for (int e = 0; e < D; e++)
            ddirection[e] -= (float)(along * head.direction[e] / (head.norm * head.norm));
        context->grad[STRENGTH][h] += (float)dstrength;
    }
}

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->head_dim > 1) return true;
    return error_set(err, EXIT_USAGE, "needs a head size of at least 2, for a direction");
}

const PositionMethod method_grape_a = {
    .name = "grape_a",
    .label = "GRAPE-A",
    .citation = "Zhang et al. 2025, arXiv 2512.07805",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    .check = check,
    .layout = layout,
    .init = init,
    .scores = scores,
    .scores_backward = scores_backward,
};
