/* internal: the layout of a pass's memory, shared by model/transformer.c and model/activations.c.
 *
 * activations.c allocates all of it, transformer.c fills it. In training every layer has buffers of its own;
 * in evaluation the layers share one set.
 */
#ifndef POSLAB_MODEL_INTERNAL_H
#define POSLAB_MODEL_INTERNAL_H

#include "math/linear.h"
#include "attention/attention.h"
#include "model/transformer.h"

enum { ACTIVATIONS_CHUNK_ROWS = 512, ACTIVATIONS_LOGITS = 1 << 18 };

/* What one layer's backward pass needs, N = B T rows; x is the residual stream where the half-block reads it.
 */
typedef struct LayerActivations {
    float *x1, *normed1, *mean1, *rstd1; /* [N,C], [N,C], [N], [N] */
    float *qkv, *mixed, *lse;            /* [N,3C], [N,C], [B,H,T] */
    float *x2, *normed2, *mean2, *rstd2;
    float *inner, *active; /* before and after the activation: [N,F or 2F], [N,F]; one for relu */
} LayerActivations;

struct Activations {
    int length, sequences; /* of the largest pass */
    bool training;
    bool whole_input; /* attention reads all rows of normed1 */
    int chunk;        /* rows worked on at a time */
    int logits_rows;
    PositionContext context;
    Attention *attention;
    Linear *linear;
    LayerActivations *layers;    /* [layers], or one that all share when evaluating */
    float *x;                    /* [N,C] the last residual stream */
    float *normed, *mean, *rstd; /* its norm, [logits_rows,C], [logits_rows] */
    float *out;                  /* [chunk,C] what a half-block adds to the residual stream */
    float *logits;               /* [logits_rows,V] */
    float *gathered, *dgathered; /* [logits_rows,C] rows that have targets, and their gradients */
    TransformerRows rows;
    float *p, *pqk, *dp; /* [T,C], [T,2C], [T,C]: what input adds, its projection and its gradient */
    float *dx, *dy, *dnormed, *dqkv, *dinner,
        *dactive; /* [N,C] x3, [N,3C], [chunk,2F] for swiglu, [chunk,F] */
    ActivationsOrigin origin;
    int64_t row0;        /* the step's number of this pass's first row */
    float *gradients;    /* of the pass at work; NULL when evaluating */
    bool moved;          /* the rows of some sequence stand elsewhere: each sequence has tables of its own */
    double *positions;   /* [T] */
    const void *plain;   /* the tables of rows at 0..T-1 */
    const void **tables; /* [sequences]; NULL: rows always stand at 0..T-1 */
    Arena *moving;       /* holds the tables of sequences that are moved */
};

#endif
