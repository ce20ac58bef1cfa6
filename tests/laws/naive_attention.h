/* naive_attention: attention of one sequence in double and in plain loops, with all hooks and options.
 *
 * It is written from position/position.h and attention/attention.h, not from the code: one array [H,T,T] for
 * each term of the scores, one loop for each sum. Methods are used through their hooks (in float), except for
 * the distance bias and the transforms, which the caller computes from hooks or from formulas.
 */
#ifndef POSLAB_TESTS_NAIVE_ATTENTION_H
#define POSLAB_TESTS_NAIVE_ATTENTION_H

#include "naive_position.h"
#include "model/model.h"

typedef struct NaiveAttention {
    const Model *model;
    const PositionContext *context; /* with gradients for a backward pass */
    int layer, sequence, T;
    const double *bias;      /* [H,T] by distance, zeros without */
    double *dbias;           /* += */
    const double *sink;      /* [H]: the sink logits; NULL: none */
    double *dsink;           /* += */
    NaivePosition *position; /* rotates queries and keys */
    Arena *arena;
} NaiveAttention;

typedef struct NaiveCore NaiveCore; /* what the backward pass needs of the forward pass */

/* Computes mixed[T,C] from qkv[T,3C] and x[T,C], the input of their projections. */
const NaiveCore *naive_attend(const NaiveAttention *a, double *mixed, const double *qkv, const double *x);

/* dqkv, dx and the gradients in the context are added to (+=). */
void naive_attend_backward(const NaiveAttention *a, const NaiveCore *core, double *dqkv, double *dx,
                           const double *dmixed, const double *x);

#endif
