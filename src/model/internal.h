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

/* What the backward pass of one layer needs, for N = B T rows, and M = B K rows that attention sees: each
   sequence's cached rows, then its own. x1 and x2 are the residual stream at the input of the two
   half-blocks. */
typedef struct LayerActivations {
    float *x1, *normed1, *mean1, *rstd1; /* [N,C], [M,C], [N], [N] */
    float *qkv, *mixed, *lse;            /* [M,3C], [N,C], [B,H,K] */
    float *gate;                         /* [N,G] of output_gate.c; NULL without */
    float *x2, *normed2, *mean2, *rstd2;
    float *inner, *active; /* before and after the activation: [N,F or 2F], [N,F]; the same array for relu */
} LayerActivations;

struct Activations {
    int length, sequences; /* of a pass; maximum */
    const Cache *cache;    /* NULL: none */
    int cached, keys;      /* cached rows of a sequence; K = cached + length */
    bool training;
    bool whole_input;         /* attention reads all rows of normed1 */
    int chunk;                /* rows processed at a time */
    int logits_rows, columns; /* of the logits that are computed at once; columns: V without bands */
    PositionContext context;
    Attention *attention;
    Linear *linear;
    LayerActivations *layers;    /* [layers], or one shared by all in evaluation */
    float *x;                    /* [N,C] the residual stream after the last layer */
    float *normed, *mean, *rstd; /* its LayerNorm, [logits_rows,C], [logits_rows] x2 */
    float *gated;                /* [chunk,C] for output_gate.c */
    float *out;                  /* [chunk,C] output of a half-block, added to the residual stream */
    float *logits;               /* [logits_rows,columns] */
    float *gathered, *dgathered; /* [logits_rows,C] rows that have targets, and their gradients */
    TransformerRows rows;
    float *p, *pqk, *dp; /* [K,C], [K,2C], [K,C]: vectors that the method's hook `input` adds, their
                            projection and their gradient */
    float *embedded;     /* [K,C] for the hook `embed`, which acts on all rows; NULL: no cached rows */
    float *dx, *dy, *dnormed, *dqkv, *dinner,
        *dactive; /* [N,C], [M,C], [N,C], [M,3C], [chunk,2F] for swiglu, [chunk,F] */
    ActivationsOrigin origin;
    int64_t row0;        /* index, in the step, of this pass's first row */
    float *gradients;    /* of the current pass; NULL in evaluation */
    bool moved;          /* some sequence has positions other than 0..T-1: each sequence has its own tables */
    double *positions;   /* [K] */
    const void *plain;   /* the method's tables for positions 0..T-1 */
    const void **tables; /* [sequences]; NULL: positions are always 0..T-1 */
    Arena *moving;       /* owns the tables of sequences with other positions */
};

/* Dropout of x[rows,columns], which starts at row `row` of the pass; the layer (-1: none) and the purpose
   select the random stream. */
void activations_drop(const Activations *pass, float *x, size_t row, size_t rows, size_t columns, double p,
                      const char *site, int layer);

/* model/output.c: the losses of rows that have targets, nll[sequences * length], from pass->x, and in
   training the gradient of scale * their sum: in pass->dx (overwritten) and, added, in the parameters' g. */
void output_loss(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                 float scale, float *nll, float *g);

/* Up to logits_rows rows, from *next of n on, that have a target in [low, high), and their targets; returns
   how many. */
int output_pick_rows(const Activations *pass, const uint32_t *const *tokens, size_t n, uint32_t low,
                     uint32_t high, size_t *next, size_t *picked, uint32_t *targets);

/* Those rows of x[N,C], of which at least one is picked: in `to`, or where they are if they follow each
   other. */
const float *output_gather_rows(float *to, const float *x, const size_t *picked, int rows, int width);

/* model/adaptive_pass.c, for models with bands. _embed sets x[N,C] to the scaled embeddings of the tokens,
   _embed_backward adds the gradient of their tensors, given that of x; _loss is output_loss. */
void adaptive_pass_embed(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                         float *x);
void adaptive_pass_embed_backward(const Model *model, Activations *pass, const uint32_t *const *tokens,
                                  int sequences, const float *dx, float *g);
void adaptive_pass_loss(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                        float scale, float *nll, float *g);

/* model/output_gate.c, which does nothing without the option. _open computes the gates of `rows` rows from
   normed[rows,C]; _apply returns rows of layer->mixed, times their gates; _backward turns rows of
   pass->dnormed from the gradient at the gated rows into that at layer->mixed; _input_backward adds the
   gradient at normed to rows of pass->dnormed, and that of the tensors. */
void output_gate_open(const Model *model, Activations *pass, int l, size_t row, int rows,
                      const float *normed);
const float *output_gate_apply(const Model *model, Activations *pass, int l, size_t row, int rows);
void output_gate_backward(const Model *model, Activations *pass, int l, size_t row, int rows);
void output_gate_input_backward(const Model *model, Activations *pass, int l, size_t row, int rows,
                                const float *normed, float *g);

/* model/cached_pass.c, for passes with cached rows. _read copies those of layer l in front of the rows of
   their sequences and projects them; _write stores the last rows that the layer's attention reads in the
   cache; _backward adds the gradients of the projection's weights due to cached rows. */
void cached_pass_read(const Model *model, Activations *pass, int l, int sequences);
void cached_pass_write(const Model *model, Activations *pass, int l, int sequences);
void cached_pass_backward(const Model *model, Activations *pass, int l, int sequences, float *gradients);

/* The method's hook `embed` on x[T,C], the rows after the cached ones, and its backward hook if there is one.
 */
void cached_pass_embed(const Model *model, const Activations *pass, float *x);
void cached_pass_embed_backward(const Model *model, const Activations *pass, const float *dx);

#endif
