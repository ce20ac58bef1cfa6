/* internal: the memory of a pass, and the functions that the files of model/ share.
 *
 * activations.c allocates the memory. In training every layer has its own buffers; in evaluation all layers
 * share one set of buffers.
 */
#ifndef POSLAB_MODEL_INTERNAL_H
#define POSLAB_MODEL_INTERNAL_H

#include "math/linear.h"
#include "attention/attention.h"
#include "model/transformer.h"

enum { ACTIVATIONS_CHUNK_ROWS = 512, ACTIVATIONS_LOGITS = 1 << 18 };

/* The values of one layer that its backward pass needs. N = B T is the number of rows. M = B K is the number
   of rows that attention sees: for each sequence, its cached rows, then its own. x1 and x2 are the residual
   stream at the input of the two half-blocks. */
typedef struct LayerActivations {
    float *x1, *normed1, *mean1, *rstd1; /* [N,C], [M,C], [N], [N] */
    float *qkv, *mixed, *lse;            /* [M,3C], [N,C], [B,H,K] */
    float *gate;                         /* [N,G] of output_gate.c; NULL without */
    float *x2, *normed2, *mean2, *rstd2; /* [N,C], [N,C], [N], [N] */
    float *inner, *active; /* before and after the activation: [N,F or 2F], [N,F]; the same array for relu */
} LayerActivations;

struct Activations {
    int length, sequences; /* tokens of a sequence; maximum number of sequences */
    const Cache *cache;    /* NULL: none */
    int cached, keys;      /* number of cached rows of a sequence; K = cached + length */
    bool training;
    bool whole_input;         /* normed1 has all rows, because attention or the cache reads them */
    int chunk;                /* number of rows that are processed at a time */
    int logits_rows, columns; /* shape of the logits that are computed at once; without bands, columns is V */
    PositionContext context;
    Attention *attention;
    Linear *linear;
    LayerActivations *layers;    /* [layers], or one shared by all in evaluation */
    float *x;                    /* [N,C]: the residual stream after the last layer */
    float *normed, *mean, *rstd; /* [logits_rows,C], [logits_rows], [logits_rows]: its LayerNorm */
    float *gated;                /* [chunk,C]: for output_gate.c */
    float *out;                  /* [chunk,C]: the output of a half-block */
    float *logits;               /* [logits_rows,columns] */
    float *gathered, *dgathered; /* [logits_rows,C]: rows that have targets, and their gradients */
    TransformerRows rows;
    float *p, *pqk, *dp; /* [K,C], [K,2C], [K,C]: the vectors of the method's hook `input`, their projection
                            and their gradient */
    float *embedded;     /* [K,C]: cached and own rows for the hook `embed`; NULL: no cached rows */
    float *dx, *dy, *dnormed, *dqkv; /* [N,C], [M,C], [N,C], [M,3C] */
    float *dinner, *dactive;         /* [chunk,2F] for swiglu, otherwise equal to dactive; [chunk,F] */
    ActivationsOrigin origin;
    int64_t row0;        /* index of this pass's first row in the update */
    float *gradients;    /* of the current pass; NULL in evaluation */
    bool moved;          /* some sequence has positions other than 0..T-1, so each has its own tables */
    double *positions;   /* [K] */
    const void *plain;   /* the method's tables for positions 0..T-1 */
    const void **tables; /* [sequences]; NULL: positions are always 0..T-1 */
    Arena *moving;       /* owns the tables of sequences with other positions */
};

/* In training, applies dropout to x[rows,columns], whose first row is row `row` of the pass. The name `site`
   and the layer (-1: none) select the random stream. */
void activations_drop(const Activations *pass, float *x, size_t row, size_t rows, size_t columns, double p,
                      const char *site, int layer);

/* Computes the losses nll[sequences * length] from pass->x, 0 for rows without a target. In training,
   computes the gradients of scale * (sum of losses): pass->dx is overwritten, g[model size] is added to. */
void output_loss(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                 float scale, float *nll, float *g);

/* Finds up to logits_rows rows of n, beginning with row *next, whose target is in [low, high). Sets `picked`
   to the rows and `targets` to their targets, moves *next, and returns the number of rows. */
int output_pick_rows(const Activations *pass, const uint32_t *const *tokens, size_t n, uint32_t low,
                     uint32_t high, size_t *next, size_t *picked, uint32_t *targets);

/* The picked rows of x[N,C], at least one: a pointer into x if they are consecutive, otherwise copied to
 * `to`. */
const float *output_gather_rows(float *to, const float *x, const size_t *picked, int rows, int width);

/* For models with bands: adaptive_pass_embed sets x[N,C] to the scaled embeddings of the tokens;
   adaptive_pass_embed_backward adds the gradients of the embeddings and projections, given that of x;
   adaptive_pass_loss takes the place of output_loss. */
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

/* For passes with a cache: cached_pass_read copies the cached rows of layer l before the rows of their
   sequences and projects them; cached_pass_write stores the last rows that the layer's attention reads in the
   cache; cached_pass_backward adds the gradients that the projection gets through cached rows. */
void cached_pass_read(const Model *model, Activations *pass, int l, int sequences);
void cached_pass_write(const Model *model, Activations *pass, int l, int sequences);
void cached_pass_backward(const Model *model, Activations *pass, int l, int sequences, float *gradients);

/* Apply the method's hook `embed`, or its backward hook if there is one, to the T own rows x[T,C] of a
   sequence, which follow the cached rows. */
void cached_pass_embed(const Model *model, const Activations *pass, float *x);
void cached_pass_embed_backward(const Model *model, const Activations *pass, const float *dx);

#endif
