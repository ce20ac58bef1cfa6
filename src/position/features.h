/* features: services for the hook `features`: linear maps for each head, low-rank maps, short convolutions,
 * and gates between two positions.
 *
 * All work on a part of the features, f[h,t,first .. first + count - 1] of f[H,T,F]. Backward functions get
 * the gradient of the part in df; they add to dx[T,C] and to context->grad.
 */
#ifndef POSLAB_FEATURES_H
#define POSLAB_FEATURES_H

#include "position/position.h"

typedef struct FeaturePart {
    int size, first, count; /* F; the part */
} FeaturePart;

/* f[h,t,first + e] = sum_c W[h count + e, c] x[t,c], with the tensor W[H count, C]. */
void features_map(const PositionContext *context, FeaturePart part, int tensor, const float *x, float *f);
void features_map_backward(const PositionContext *context, FeaturePart part, int tensor, const float *x,
                           const float *df, float *dx);

/* The same with W = outer inner, of the tensors inner[R,C] and outer[H count, R], R <= FEATURES_RANK; with
   unit_heads, x is first divided, for each stretch of D numbers, by the root of its sum of squares + 1e-6
   (fla's l2_norm). D <= FEATURES_HEAD. */
enum { FEATURES_RANK = 64, FEATURES_HEAD = 1024 };
typedef struct FeatureRank {
    int inner, outer, rank;
    bool unit_heads;
} FeatureRank;
void features_low_rank(const PositionContext *context, FeaturePart part, FeatureRank map, const float *x,
                       float *f);
void features_low_rank_backward(const PositionContext *context, FeaturePart part, FeatureRank map,
                                const float *x, const float *df, float *dx);

/* A causal convolution of each number, in place: y[t] = sum_k w[K - 1 - k] f[t - k], zero before the first
   row, with the tensor w[H count, K]. Backward: f has the input, df becomes its gradient. */
void features_convolve(const PositionContext *context, FeaturePart part, int tensor, int taps, float *f);
void features_convolve_backward(const PositionContext *context, FeaturePart part, int tensor, int taps,
                                const float *f, float *df);

/* Gates between two positions: with a_i and b_l the numbers of the features from `a` and `b` on,
 *
 *     S[h,i,j] += slope_h sum_l log sigmoid(scale a_i . b_l)
 *
 * over j < l <= i, or over j <= l < i without `own`. slope_h is position_slope with max_exponent; 1 if that
 * is 0. */
typedef struct FeatureGates {
    int size, a, b, count; /* F; where a and b begin; the numbers of each */
    double scale, max_exponent;
    bool own;
} FeatureGates;
void features_gate_scores(const PositionContext *context, const FeatureGates *gates,
                          const PositionScores *block);
void features_gate_scores_backward(const PositionContext *context, const FeatureGates *gates,
                                   const PositionScores *block);

#endif
