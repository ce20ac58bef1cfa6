/* naive_attention: attention of one sequence in double and in plain loops, with every hook and option.
 *
 * Written from position/position.h and attention/attention.h, not from the code: one array [H,T,T] for each
 * thing that is added to scores, one loop for each sum. Methods enter through their hooks (floats in, floats
 * out), except for the distance bias and the transforms, which the caller computes, from hooks or from
 * formulas.
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
    NaivePosition *position; /* which turns queries and keys */
    Arena *arena;
} NaiveAttention;

typedef struct NaiveCore NaiveCore; /* what the backward pass needs of the forward pass */

/* mixed[T,C] from qkv[T,3C] and what it is projected from, x[T,C]. */
const NaiveCore *naive_attend(const NaiveAttention *a, double *mixed, const double *qkv, const double *x);

/* dqkv, dx and the gradients in the context +=. */
void naive_attend_backward(const NaiveAttention *a, const NaiveCore *core, double *dqkv, double *dx,
                           const double *dmixed, const double *x);

#endif
