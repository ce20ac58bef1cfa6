/* linear: the linear layers of a pass, in one of two precisions.
 *
 * fp32 multiplies in float32. bf16 rounds both factors of every product (forward, dx and dw) to bfloat16 and
 * sums in float32; weights, gradients, biases and results remain float32. Weights are rounded once per pass,
 * inputs and gradients with each product.
 *
 * Letters: N rows, I inputs, O outputs; row-major. Backward functions add to weight gradients (+=).
 */
#ifndef POSLAB_MATH_LINEAR_H
#define POSLAB_MATH_LINEAR_H

#include "base/arena.h"
#include "math/precision.h"

/* The buffers of one thread's pass, owned by the arena. */
typedef struct Linear Linear;

/* For a model with `weights` parameters, inputs x of up to `inputs` numbers and gradients dy of up to
   `outputs` numbers (0: no backward). Unless the arena only counts, `precision` is a Precision that
   precision_check accepts. */
Linear *linear_new(int precision, size_t weights, size_t inputs, size_t outputs, Arena *arena);

/* Starts a pass: all weights w passed later are part of values[weights], which must not change during the
   pass. */
void linear_begin(Linear *linear, const float *values);

/* y[N,O] = x[N,I] w[O,I]^T + bias[O] (bias may be NULL) */
void linear_forward(Linear *linear, float *y, const float *x, const float *w, const float *bias, int n, int o,
                    int i);
/* y[N,I] = x[N,O] w[O,I]: through w the other way. For its gradient, linear_backward and linear_forward
   change roles: dw += x^T dy is that of linear_backward(NULL, dw, NULL, x, dy, ...), and dx = dy w^T. */
void linear_forward_transposed(Linear *linear, float *y, const float *x, const float *w, int n, int o, int i);
/* dx[N,I] = dy w (overwritten; may be NULL); dw[O,I] += dy^T x; dbias[O] += column sums of dy (or NULL) */
void linear_backward(Linear *linear, float *dx, float *dw, float *dbias, const float *dy, const float *x,
                     const float *w, int n, int o, int i);

/* The rate in FLOP/s that the library (fp32: the BLAS, bf16: oneDNN) reaches on such products, measured for
   about `seconds` at the shape n, o, i of linear_forward. Narrow layers of fp32 may be faster: they are not
   its. */
double linear_rate(int precision, int n, int o, int i, double seconds);

#endif
