/* naive_position: the position method in the naive model, in double.
 *
 * It uses the method's hooks (in float), separately for each layer and sequence, or the formulas of
 * naive_formulas.c. Gradients of formulas are central differences, so a method needs no formulas for
 * gradients.
 */
#ifndef POSLAB_TESTS_NAIVE_POSITION_H
#define POSLAB_TESTS_NAIVE_POSITION_H

#include "naive.h"
#include "position/encoding.h"

typedef struct NaivePosition NaivePosition;

/* For one run over sequences of T = length tokens; `place` identifies the first. */
NaivePosition *naive_position_new(const Model *model, const double *values, NaiveWay way, EncodingDraw place,
                                  int sequences, int length, Arena *arena);

/* x[T,C] of sequence b; dx is its gradient. */
void naive_position_embed(NaivePosition *n, int b, double *x);
void naive_position_embed_backward(NaivePosition *n, int b, const double *dx);

/* The input p[T,C] that is added before q and k of layer l are projected, of sequence b. */
void naive_position_input(NaivePosition *n, int l, int b, double *x);
void naive_position_input_backward(NaivePosition *n, int l, int b, const double *dx);

/* The numbers of a row of q and k in layer l, after the transform: D, or m D. */
int naive_position_row(const NaivePosition *n, int l);

/* Transforms q or k of one head in layer l of sequence b, forward (sign 1) or backward (sign -1), in rows
   that long; row t has position min(t, last). `input` [T,D]: what the forward transform got. */
void naive_position_transform(NaivePosition *n, int l, int b, PositionRole role, int head, double *x,
                              const double *input, int last, int sign);

/* The context with which hooks of layer l are called for sequence b; their gradients become the method's. */
const PositionContext *naive_position_context(const NaivePosition *n, int l, int b);

/* The bias of layer l [H,T], zeros if there is none; and the array in which its gradient is summed. */
const double *naive_position_bias(const NaivePosition *n, int l);
double *naive_position_dbias(const NaivePosition *n, int l);

/* gradients[model->size] += the gradients of the method's tensors. */
void naive_position_end(NaivePosition *n, double *gradients);

#endif
