/* internal: the layout of a pass's memory, shared by model/transformer.c and model/activations.c.
 *
 * activations.c allocates all of it, transformer.c fills it. In training every layer has its own buffers; in
 * evaluation the layers share one set.
 */
#ifndef POSLAB_MODEL_INTERNAL_H
#define POSLAB_MODEL_INTERNAL_H

#include "math/linear.h"
#include "attention/attention.h"
#include "model/transformer.h"

enum { ACTIVATIONS_CHUNK_ROWS = 512, ACTIVATIONS_LOGITS = 1 << 18 };

/* What the backward pass of one layer needs, for N = B T rows. x1 and x2 are the residual stream at the input
   of the two half-blocks. */
typedef struct LayerActivations {
    float *x1, *normed1, *mean1, *rstd1; /* [N,C], [N,C], [N], [N] */
    float *qkv, *mixed, *lse;            /* [N,3C], [N,C], [B,H,T] */
    float *x2, *normed2, *mean2, *rstd2;
    float *inner, *active; /* before and after the activation: [N,F or 2F], [N,F]; the same array for relu */
} LayerActivations;

struct Activations {
    int length, sequences; /* of a pass; maximum */
    bool training;
    bool whole_input; /* attention reads all rows of normed1 */
    int chunk;        /* rows processed at a time */
    int logits_rows;
    PositionContext context;
    Attention *attention;
    Linear *linear;
    LayerActivations *layers;    /* [layers], or one shared by all in evaluation */
    float *x;                    /* [N,C] the residual stream after the last layer */
    float *normed, *mean, *rstd; /* its LayerNorm, [logits_rows,C], [logits_rows] x2 */
    float *out;                  /* [chunk,C] output of a half-block, added to the residual stream */
    float *logits;               /* [logits_rows,V] */
    float *gathered, *dgathered; /* [logits_rows,C] rows that have targets, and their gradients */
    TransformerRows rows;
    float *p, *pqk, *dp; /* [T,C], [T,2C], [T,C]: vectors that the method's hook `input` adds, their
                            projection and their gradient */
    float *dx, *dy, *dnormed, *dqkv, *dinner,
        *dactive; /* [N,C] x3, [N,3C], [chunk,2F] for swiglu, [chunk,F] */
    ActivationsOrigin origin;
    int64_t row0;        /* index, in the step, of this pass's first row */
    float *gradients;    /* of the current pass; NULL in evaluation */
    bool moved;          /* some sequence has positions other than 0..T-1: each sequence has its own tables */
    double *positions;   /* [T] */
    const void *plain;   /* the method's tables for positions 0..T-1 */
    const void **tables; /* [sequences]; NULL: positions are always 0..T-1 */
    Arena *moving;       /* owns the tables of sequences with other positions */
};

#endif
