/* naive_position: what a position method does in the naive model, in double.
 *
 * Either through its hooks (floats in, floats out), each layer and sequence on its own, or through the
 * formulas of naive_formulas.c. Gradients of formulas are central differences of the formulas themselves, so
 * that a formula is all there is to write for a method.
 */
#ifndef POSLAB_TESTS_NAIVE_POSITION_H
#define POSLAB_TESTS_NAIVE_POSITION_H

#include "naive.h"
#include "position/encoding.h"

typedef struct NaivePosition NaivePosition;

/* Of one run over sequences of T = length tokens, the first of which is at `source`. */
NaivePosition *naive_position_new(const Model *model, const double *values, NaiveWay way, EncodingDraw place,
                                  int sequences, int length, Arena *arena);

/* x[T,C] of sequence b; dx is its gradient. */
void naive_position_embed(NaivePosition *n, int b, double *x);
void naive_position_embed_backward(NaivePosition *n, int b, const double *dx);

/* What q and k of layer l are projected from [T,C], of sequence b. */
void naive_position_input(NaivePosition *n, int l, int b, double *x);
void naive_position_input_backward(NaivePosition *n, int l, int b, const double *dx);

/* q or k of one head [T,D] in layer l of sequence b, forward (sign 1) or backward (sign -1); row t stands at
   min(t, last). */
void naive_position_transform(NaivePosition *n, int l, int b, PositionRole role, int head, double *x,
                              int last, int sign);

/* What the hooks of layer l are called with in sequence b; their gradients become the method's. */
const PositionContext *naive_position_context(const NaivePosition *n, int l, int b);

/* The bias of layer l [H,T], zeros where there is none; and where its gradient is to be summed. */
const double *naive_position_bias(const NaivePosition *n, int l);
double *naive_position_dbias(const NaivePosition *n, int l);

/* gradients[model->size] += those of the method's tensors. */
void naive_position_end(NaivePosition *n, double *gradients);

#endif
