/* perceptron: services for methods whose bias is computed by a perceptron with one hidden layer.
 *
 *     f_h(x) = out_bias[h] + sum over units k of out_weight[h,k] a(z_k),
 *     z_k = in_bias[k] + sum over inputs n of in_weight[k,n] x_n
 *
 * The tensors of the perceptron are the first PERCEPTRON_TENSORS tensors of the method. All functions read
 * them from context->param and add to context->grad. The perceptron can be applied in two ways, forward and
 * backward:
 *
 *     perceptron_scores   to the scores and distance biases of all heads, for each pair (hook `scores`)
 *     perceptron_ratio    to one number for each pair, a ratio (hook `pair_bias`)
 *
 * Both have PERCEPTRON_UNITS units.
 */
#ifndef POSLAB_POSITION_PERCEPTRON_H
#define POSLAB_POSITION_PERCEPTRON_H

#include "position/position.h"

enum {
    PERCEPTRON_IN_WEIGHT,  /* [units,inputs]; [units] for one input */
    PERCEPTRON_IN_BIAS,    /* [units] */
    PERCEPTRON_OUT_WEIGHT, /* [H,units] */
    PERCEPTRON_OUT_BIAS,   /* [H]; inert: it is added to all scores of a head, and softmax cancels it */
    PERCEPTRON_TENSORS
};
enum { PERCEPTRON_UNITS = 32, PERCEPTRON_MAX_HEADS = 128 };

/* For the hook `layout`: writes the first PERCEPTRON_TENSORS tensors and returns their count. */
int perceptron_layout(PositionTensor tensors[], int inputs, int units, int heads, bool per_layer);

/* For the hook `init`: tensor `index` < PERCEPTRON_TENSORS of that layout, uniform in +-1/sqrt(n), where n
   is the number of inputs of its layer, as in the linear layers of PyTorch. */
void perceptron_init(int inputs, int units, int heads, int index, float *value, Random *rng);

/* S[h,i,j] += f_h([A; B]) for each pair, with 2 H inputs: A = S - B, the scores of all heads without the
   distance bias, and the distance biases B[h,i-j] (block->bias). a is the leaky ReLU max(z, 0.01 z). At
   most PERCEPTRON_MAX_HEADS heads. The backward function also adds to block->dbias. */
void perceptron_scores(const PositionContext *context, const PositionScores *block);
void perceptron_scores_backward(const PositionContext *context, const PositionScores *block);

/* bias[h,i,j] = f_h(x) with one input x = numerator(i - j) / denominator(i); a is the ReLU max(z, 0).
   numerator(d) must not decrease with d; denominator(i) must be positive. Both functions may depend on
   learned numbers, the numerator on one and the denominator on two, and write their derivatives. */
typedef struct PerceptronRatio {
    double (*numerator)(const PositionContext *context, int d, double *derivative);
    double (*denominator)(const PositionContext *context, int i, double derivatives[2]);
} PerceptronRatio;

/* The hooks `pair_bias` and `pair_bias_backward`. The backward function adds to gradients[2], the gradients
   of the two learned numbers. */
void perceptron_ratio(const PositionContext *context, const PerceptronRatio *ratio, float *bias, int head,
                      int first, int rows);
void perceptron_ratio_backward(const PositionContext *context, const PerceptronRatio *ratio,
                               const float *dbias, int head, int first, int rows, double gradients[2]);

#endif
