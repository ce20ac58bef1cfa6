/* nn_ops: the operations of a neural network between its matrix products.
 *
 * Each forward function is followed by its backward function, which adds to weight gradients (+=). All
 * arrays are row-major float32.
 *
 * Letters: N rows, C width, F ffn, V vocabulary.
 */
#ifndef POSLAB_MATH_NN_OPS_H
#define POSLAB_MATH_NN_OPS_H

#include "base/error.h"

/* LayerNorm, eps 1e-5: y = (x - mean) * rstd * weight + bias; mean and rstd are [N]. */
void nn_ops_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight,
                       const float *bias, int n, int c);
/* dx[N,C] += ...; dweight[C], dbias[C] += ... */
void nn_ops_layer_norm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                const float *weight, const float *mean, const float *rstd, int n, int c);

/* x = max(x, 0), in place; backward: dx = dy where y > 0, in place in dy. */
void nn_ops_relu(float *x, size_t count);
void nn_ops_relu_backward(float *dy, const float *y, size_t count);

/* Exact GELU, y = x (1 + erf(x / sqrt 2)) / 2; backward in place in dy, given x. */
void nn_ops_gelu(float *y, const float *x, size_t count);
void nn_ops_gelu_backward(float *dy, const float *x, size_t count);

/* SwiGLU: x[N,2F] holds gate and value; y[N,F] = gate sigmoid(gate) value. Backward: dx[N,2F] overwritten. */
void nn_ops_swiglu(float *y, const float *x, int n, int f);
void nn_ops_swiglu_backward(float *dx, const float *dy, const float *x, int n, int f);

/* Inverted dropout in place: x[index] becomes x / (1-p) or, with probability p, 0. Number `first + index` of
   the random stream `key` decides, so the same call on gradients is the backward function. p = 0 does
   nothing. */
void nn_ops_dropout(float *x, size_t count, double p, uint64_t key, uint64_t first);

void nn_ops_add(float *y, const float *x, size_t count); /* y += x */

/* Cross-entropy of logits[N,V]: nll[n] = log sum exp(logits[n]) - logits[n, target[n]], in nats. With scale
   != 0 logits become their gradient, scale (softmax - onehot). */
void nn_ops_cross_entropy(float *nll, float *logits, const uint32_t *target, int n, int v, float scale);

/* The same for logits that are computed in parts, of V columns each. The first function counts a part:
   top[N] is the largest logit so far, and sum[N] the sum of exp(logit - top); they start as -infinity and 0.
   After all parts, the loss is top + log(sum) - logit of the target, and the second function turns a part
   into scale * softmax. */
void nn_ops_softmax_part(float *top, float *sum, const float *logits, int n, int v);
void nn_ops_softmax_of_part(float *logits, const float *top, const float *sum, int n, int v, float scale);

double nn_ops_squared_norm(const float *x, size_t count); /* sum of squares, in double */

#endif
