/* internal: the workspace that the files of attention/ share, and which file fills which part.
 *
 *     attention.c          the loop over sequences and heads
 *     attention_options.c  which keys a query sees in which layer; query scales
 *     pack.c               q, k and v of one head, packed and transformed; their gradients
 *     bias.c               terms of methods in a tile of scores, except for the distance bias
 *     relative.c           relative vectors, for scores and for values
 *     flash.c              one head in tiles, with a running softmax; used for most methods
 *     sink_logit.c         one more term in each softmax
 *     dense.c              complete rows of all heads, for methods that change scores and for top-k
 *
 * Packing copies q, k and v of one head out of qkv into rows of `wide` floats (D rounded up to 16, padded
 * with zeros) and T rounded up to TILE_ROWS, so that the kernels of math/gemm.h only see complete tiles. Rows
 * of q and k have `key_wide` floats: as many, except for a method with `widening`.
 * Keys, and in the backward pass values, are also stored transposed in panels [wide,TILE_PANEL] of TILE_PANEL
 * positions: the right factor of S = Q K^T.
 *
 * Raw scores are scores before the multiplication by `scale`: raw = q . k + sqrt(D) (terms added to S), so
 * that S = raw temperature / sqrt(D). A distance bias is the initial value of the product and costs almost
 * nothing.
 */
#ifndef POSLAB_ATTENTION_INTERNAL_H
#define POSLAB_ATTENTION_INTERNAL_H

#include "math/simd.h"
#include "attention/attention.h"

enum { TILE_ROWS = 32, TILE_PANEL = 32, TILE_COLUMNS = 256, TILE_SKEW = TILE_ROWS + TILE_COLUMNS };

/* Queries and keys of the current head under one transform. */
typedef struct PackedPair {
    float *q, *k, *dq, *dk; /* [padded,key_wide] */
    float *k_panels;        /* [padded/TILE_PANEL,key_wide,TILE_PANEL] */
} PackedPair;

/* The relative vectors of one role. Row x of a head's `rows` is the vector of distance near - 1 - x:
   neighbouring keys have neighbouring rows. Beyond `near` all distances share row 0. */
typedef struct RelativeVectors {
    int count, near;       /* n; n rounded up to TILE_PANEL; 0: none */
    float *given, *dgiven; /* [H,n,D] as the method gives them, and their gradient; NULL: not learned */
} RelativeVectors;

enum { RELATIVE_SCORES, RELATIVE_VALUES, RELATIVE_ROLES };

/* Terms added to tiles of scores, except for the distance bias; also the features. */
typedef struct BiasTerms {
    int horizon;                             /* the far pair is used from this distance on; 0: never */
    float *s_far;                            /* [TILE_ROWS,TILE_COLUMNS] */
    RelativeVectors vectors[RELATIVE_ROLES]; /* of POS_KEY and POS_VALUE */
    float *skew;                             /* [TILE_ROWS,TILE_SKEW] */
    float *pair, *dpair; /* [H,T,T] if that fits, else [TILE_ROWS,T] of the current tile row */
    bool pair_fits;
    float *gates, *dgates;       /* [H,T] of the current sequence */
    float *features, *dfeatures; /* [H,T,F] likewise */
    size_t feature_floats;       /* H T F */
} BiasTerms;

/* One head of one sequence. */
typedef struct PackedHead {
    PackedPair near, far, sink; /* sink: only q and dq, at the positions that sinks use */
    float *v, *o, *dv;          /* [padded,wide]; o: the result, or its gradient */
    float *v_panels;
    float *delta;                                        /* [padded] */
    float *rows[RELATIVE_ROLES], *drows[RELATIVE_ROLES]; /* [near + TILE_PANEL,wide] */
    float *panels[RELATIVE_ROLES];                       /* the rows transposed, like keys */
    double *sums, *dsums; /* [T]: sums of the gates up to t, and the gradient at them */
} PackedHead;

struct Attention {
    const PositionMethod *method;
    const PositionContext *context;
    const AttentionOptions *options;
    bool training;
    bool per_layer;                 /* biases differ between layers */
    int heads, size, width;         /* H, D, C */
    int length, padded, wide;       /* K; K rounded up to TILE_ROWS; D rounded up to 16 */
    int widened;                    /* the largest key_wide: m D rounded up to 16 */
    int cached;                     /* the first rows, which are keys only */
    float temperature, scale, root; /* scale: temperature / sqrt(D); root: sqrt(D) */
    /* of the current layer */
    bool active;              /* the method acts */
    int key_wide;             /* of q and k: `wide`, or `widened` where a method with widening acts */
    int window, sinks;        /* 0: all keys */
    const float *query_scale; /* [T]: factors of queries; NULL: 1 */
    const BiasTerms *use;     /* the terms that act; NULL: none */

    float *bias; /* [H,T] by distance, as the method gives it; NULL without */
    float
        *run; /* [H,TILE_ROWS + T + TILE_ROWS]: the bias, raw and in reverse order, so that row i of a tile is
                 a contiguous run of it; padded with zeros for rows beyond T and keys that are not seen */
    double *diagonal;    /* [H,T]: dS summed along diagonals */
    float *query_scales; /* [T] */
    float *logs;         /* [T]: l of scales that heads learn (1 for by_head); otherwise NULL */
    float *basis;        /* [T]: what the learnt number multiplies; logs, or for asentmax their power */
    const float *learnt[ATTENTION_TENSORS]; /* [H] of the current layer; NULL: none */
    float *dlearnt[ATTENTION_TENSORS];      /* [H]; NULL: no gradients */
    bool has_terms;
    BiasTerms terms;
    const void *sink_tables;   /* the method's tables for queries at the positions that sinks use */
    bool moves_sinks;          /* such tables exist and change q */
    PackedHead current;        /* the current head */
    PackedHead *kept;          /* [H], for dense.c; NULL: one for all heads */
    float *s, *ds;             /* [TILE_ROWS,TILE_COLUMNS] */
    float *block, *dblock;     /* [H,TILE_ROWS,padded] and TILE_ROWS more rows, for dense.c; otherwise NULL */
    float *before;             /* the scores before the method's change; backward only */
    float **q_rows, **dq_rows; /* [H]: rows of q and dq for the method */
    float **k_rows, **dk_rows; /* the same of k */
    float *order;              /* [padded] for the search of the k-th score */
};

/* One tile: queries i0 .. i0 + TILE_ROWS - 1, keys j0 .. j0 + columns - 1, all multiples of 32. */
typedef struct Tile {
    int h, i0, j0, columns;
    bool cut;   /* keys before the window are hidden */
    bool sinks; /* the tile of the sinks: only the first keys are seen, with other query positions */
} Tile;

/* The context of hooks that read features, for head h. */
static inline PositionContext attention_context(const Attention *a, int h) {
    PositionContext context = *a->context;
    context.head = h;
    context.features = a->terms.features, context.dfeatures = a->terms.dfeatures;
    return context;
}

static inline int attention_round_up(int x, int multiple) {
    return (x + multiple - 1) / multiple * multiple;
}

static inline int attention_min(int x, int y) {
    return x < y ? x : y;
}

static inline int attention_max(int x, int y) {
    return x > y ? x : y;
}

/* attention/attention_options.c: sets the members that depend on the layer; computes l of learnt scales, and
   factors[T], by which queries are multiplied. */
void attention_select_layer(Attention *a, int layer);
void attention_fill_scale_basis(float *basis, const AttentionOptions *options, int length);
void attention_fill_query_scales(float *factors, const AttentionOptions *options, int train_length,
                                 int length);

/* attention/sink_logit.c: sink_logit_of sets *logit to that of head h and returns false if there is none.
   sink_logit_close_row adds a sink logit to the sum of a row's exponentials, which are relative to *top, and
   returns the factor by which these exponentials become probabilities. sink_logit_backward adds the gradient
   of head h, given lse[K] and a->current.delta. */
bool sink_logit_of(const Attention *a, int h, float *logit);
float sink_logit_close_row(float logit, float *top, float *total);
void sink_logit_backward(Attention *a, const float *lse, int h);

/* Whether the current layer uses complete rows of scores (dense.c). */
static inline bool attention_in_rows(const Attention *a) {
    return a->options->top_k || a->options->adaptive_temperature || (a->method->scores && a->active);
}

/* The first tile row that has queries. Its rows before a->cached are computed, too: their results are not
   used, and their gradients are zero. */
static inline int attention_first_row(const Attention *a) {
    return a->cached / TILE_ROWS * TILE_ROWS;
}

/* attention/pack.c: pack_new allocates a head; pack_select makes head h of a->kept the current one; pack_load
   reads a head from qkv[K,3C] (`values`: also makes panels of values); pack_return_gradients writes gradients
   to dqkv[K,3C]; pack_unpack copies the rows from `first` on; pack_queries returns the pair whose queries a
   tile uses. */
PackedHead pack_new(const Attention *a, Arena *arena);
void pack_select(Attention *a, int h);
void pack_load(Attention *a, const float *qkv, int h, bool values);
void pack_clear_gradients(Attention *a); /* dq, dk, dv = 0 */
void pack_return_gradients(Attention *a, float *dqkv, const float *qkv, int h);
void pack_unpack(const Attention *a, float *to, int stride, const float *packed, int wide, int first);
void pack_panels(float *panels, const float *packed, int wide, int count);
const PackedPair *pack_queries(const Attention *a, const Tile *tile);

/* attention/bias.c: called once per pass (begin, end), per sequence, per head, per tile row and per tile.
   Functions named _end pass gradients on and are called in backward passes only. */
bool bias_new(BiasTerms *terms, const Attention *a, Arena *arena); /* false: the method has no such terms */
void bias_begin(Attention *a);
void bias_end(Attention *a);
void bias_sequence(Attention *a, const float *x, bool backward);
void bias_sequence_end(Attention *a, const float *x, float *dx);
void bias_head(Attention *a, int h, bool backward);
void bias_head_end(Attention *a, int h);
void bias_row(Attention *a, int h, int i0, bool backward);
void bias_row_end(Attention *a, int h, int i0);
void bias_add(Attention *a, const Tile *tile);      /* raw scores a->s += */
void bias_backward(Attention *a, const Tile *tile); /* from the gradient a->ds at raw scores */

/* attention/relative.c, for role RELATIVE_SCORES or RELATIVE_VALUES: s += left . r (raw scores),
   o[TILE_ROWS,wide] += p r, and the gradient of r. */
void relative_new(RelativeVectors *v, const Attention *a, PositionRole role, Arena *arena);
void relative_load(Attention *a, int role, int h, bool backward);
void relative_return_gradients(Attention *a, int role, int h);
void relative_add_scores(Attention *a, int role, const Tile *tile, float *s, const float *left);
void relative_add_values(Attention *a, int role, const Tile *tile, float *o, const float *p);
void relative_gradient(Attention *a, int role, const Tile *tile, const float *p, const float *left);

/* attention/attention_options.c: attention_tile_next advances to the next tile of a tile row (start with
   columns = 0) and returns false after the last; attention_tile_visible returns whether row r sees any key of
   the tile, and which: lo .. valid - 1. */
bool attention_tile_next(const Attention *a, Tile *tile);
bool attention_tile_visible(const Attention *a, const Tile *tile, int r, int *lo, int *valid);
int attention_tile_position(const Attention *a, const Tile *tile,
                            int i);                /* position of query i for the tile */
void flash_scores(Attention *a, const Tile *tile); /* raw scores in a->s */
/* attention/flash.c: s[TILE_ROWS,columns] = run (unless NULL) + rows of `left` times the tile's keys or
   values, which are stored in panels; all of `wide` numbers. `run` starts one number earlier with each row.
   Computes only the columns [from, to), multiples of TILE_PANEL. */
void flash_products(float *s, const float *run, const float *left, const float *panels, int wide,
                    const Tile *tile, int from, int to);
void flash_value_gradients(Attention *a, const Tile *tile, const float *dout); /* from P in a->s */
void flash_score_gradients(Attention *a, const Tile *tile); /* from the gradient a->ds at raw scores */
void flash_dropout(const Attention *a, const AttentionDropout *dropout, float *row, int sequence, int h,
                   int i, int j0, int valid);
void flash_forward(Attention *a, float *lse, int sequence, int h, const AttentionDropout *dropout);
void flash_backward(Attention *a, const float *lse, int sequence, int h, const AttentionDropout *dropout);

/* attention/dense.c: all heads of one sequence at once, kept in a->kept */
void dense_new(Attention *a, Arena *arena);
void dense_forward(Attention *a, float *out, float *lse, int sequence, const AttentionDropout *dropout);
void dense_backward(Attention *a, const float *lse, int sequence, const AttentionDropout *dropout);

#endif
