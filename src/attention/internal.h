/* attention_work: what the files of attention share: the work space, and who fills which part of it.
 *
 *     attention.c          the driver: what is asked of attention, sequence by sequence and head by head
 *     attention_options.c  the options, and what they say of a layer, a query and a key
 *     attention_head.c     q, k and v of one head, packed and transformed; their gradients on the way back
 *     attention_terms.c    what methods add to a tile of scores besides a distance bias
 *     attention_vectors.c  relative vectors, at scores and at values
 *     attention_tiles.c    one head in tiles, with a running softmax: the usual engine
 *     attention_rows.c     whole rows of all heads, for methods that change scores and for top-k
 *
 * Packing copies the head's q, k and v out of qkv into rows of `wide` floats (D rounded up to 16, filled up
 * with zeros) and T rounded up to ROWS, so that the kernels of tile.h see whole tiles only. Keys, and in the
 * backward pass values, are also kept transposed in panels [wide,PANEL] of PANEL positions: the right factor
 * of S = Q K^T.
 *
 * Scores are "raw" before they are multiplied by `scale`: raw = q . k + sqrt(D) (what is added to S), so that
 * one factor, temperature / sqrt(D), finishes them. A distance bias enters with the product itself, as what
 * it is added to, and costs next to nothing.
 */
#ifndef POSLAB_ATTENTION_WORK_H
#define POSLAB_ATTENTION_WORK_H

#include "math/simd.h"
#include "attention/attention.h"

enum { ROWS = 32, PANEL = 32, COLUMNS = 256, SKEW = ROWS + COLUMNS };

/* Queries and keys of the head in hand under one transform. */
typedef struct Pair {
    float *q, *k, *dq, *dk; /* [padded,wide] */
    float *k_panels;        /* [padded/PANEL,wide,PANEL] */
} Pair;

/* The relative vectors of one role. Row x of a head's `rows` is the vector of distance near - 1 - x:
   neighbouring keys have neighbouring rows. Beyond `near` all distances share row 0. */
typedef struct Vectors {
    int count, near;       /* n; n rounded up to PANEL; 0: none */
    float *given, *dgiven; /* [H,n,D] as the method gives them, and the gradient */
} Vectors;

enum { AT_SCORES, AT_VALUES, VECTOR_ROLES };

/* What is added to tiles of scores besides a distance bias. */
typedef struct Terms {
    int horizon;                   /* from this distance on the far pair counts; 0: never */
    float *s_far;                  /* [ROWS,COLUMNS] */
    Vectors vectors[VECTOR_ROLES]; /* of POS_KEY and POS_VALUE */
    float *skew;                   /* [ROWS,SKEW] */
    float *pair, *dpair;           /* [H,T,T] where that fits, else [ROWS,T] of the tile row in hand */
    bool pair_fits;
    float *gates, *dgates; /* [H,T] of the sequence in hand */
} Terms;

/* One head of one sequence. */
typedef struct Head {
    Pair near, far, sink; /* sink: q and dq alone, where sinks see the queries */
    float *v, *o, *dv;    /* [padded,wide]; o: the result, or its gradient */
    float *v_panels;
    float *delta;                                    /* [padded] */
    float *rows[VECTOR_ROLES], *drows[VECTOR_ROLES]; /* [near + PANEL,wide] */
    float *panels[VECTOR_ROLES];                     /* the rows transposed, like keys */
    double *sums, *dsums; /* [T]: sums of the gates up to t, and the gradient at them */
} Head;

struct Attention {
    const PositionMethod *method;
    const PositionContext *context;
    const AttentionOptions *options;
    bool training;
    bool per_layer;                 /* biases are of one layer, else of all */
    int heads, size, width;         /* H, D, C */
    int length, padded, wide;       /* T; T rounded up to ROWS; D rounded up to 16 */
    float temperature, scale, root; /* scale: temperature / sqrt(D); root: sqrt(D) */
    /* of the present layer */
    bool active;          /* the method acts */
    int window, sinks;    /* 0: all keys */
    const float *stretch; /* [T]: factors of queries; NULL: 1 */
    const Terms *use;     /* the terms that act; NULL: none */

    float *bias; /* [H,T] by distance, as the method gives it; NULL without */
    float *run;  /* [H,ROWS + T + ROWS]: the bias, raw and backwards, so that row i of a tile is a contiguous
                    run  of it; zeros around it, for rows beyond T and keys that are not seen */
    double *diagonal; /* [H,T]: dS summed along diagonals */
    float *stretches; /* [T] */
    bool has_terms;
    Terms terms;
    const void *sink_tables;   /* the method's, for queries that stand where sinks see them */
    bool turns_sinks;          /* such tables exist, and make a difference */
    Head at;                   /* the head in hand */
    Head *kept;                /* [H], for the row engine; NULL: one for all */
    float *s, *ds;             /* [ROWS,COLUMNS] */
    float *block, *dblock;     /* [H,ROWS,padded] and ROWS rows more: whole rows; NULL without row engine */
    float *before;             /* the scores before the method's change; backward only */
    float **q_rows, **dq_rows; /* [H]: rows of q and dq for the method */
    float *order;              /* [padded] for the search of the k-th score */
};

/* One tile: queries i0 .. i0 + ROWS - 1, keys j0 .. j0 + columns - 1, all multiples of 32. */
typedef struct Tile {
    int h, i0, j0, columns;
    bool cut;   /* keys before the window are hidden */
    bool sinks; /* only the first keys are seen, from where sinks see the queries */
} Tile;

static inline int round_to(int x, int multiple) {
    return (x + multiple - 1) / multiple * multiple;
}

/* attention_options.c: what of the work space depends on the layer; factors[T] by which queries are
 * multiplied
 */
void layer_choose(Attention *a, int layer);
void stretches_fill(float *factors, const AttentionOptions *options, int train_length, int length);

/* attention_head.c: heads are taken from the arena, and one of several in hand; they are read from qkv[T,3C],
   `values` says whether panels of values are wanted; gradients are taken back to dqkv[T,3C]. */
Head head_new(const Attention *a, Arena *arena);
void head_select(Attention *a, int h);
void head_load(Attention *a, const float *qkv, int h, bool values);
void head_clear(Attention *a); /* dq, dk, dv = 0 */
void head_return(Attention *a, float *dqkv, int h);
void head_pack(const Attention *a, float *packed, const float *from, int stride);
void head_unpack(const Attention *a, float *to, int stride, const float *packed);
void panels_fill(const Attention *a, float *panels, const float *packed, int count);

/* attention_terms.c: once per pass (begin, end), per sequence, per head, per tile row, per tile; each end
   with gradients belongs to a backward pass. */
bool terms_new(Terms *terms, const Attention *a, Arena *arena); /* false: there are none */
void terms_begin(Attention *a);
void terms_end(Attention *a);
void terms_sequence(Attention *a, const float *x);
void terms_sequence_end(Attention *a, const float *x, float *dx);
void terms_head(Attention *a, int h, bool backward);
void terms_head_end(Attention *a, int h);
void terms_row(Attention *a, int h, int i0, bool backward);
void terms_row_end(Attention *a, int h, int i0);
void terms_add(Attention *a, const Tile *tile);      /* raw scores a->s += */
void terms_backward(Attention *a, const Tile *tile); /* from the gradient a->ds at raw scores */

/* attention_vectors.c, `role` AT_SCORES or AT_VALUES: s += left . r, as raw scores; o[ROWS,wide] += p r; and
   the gradient of r for both. */
void vectors_new(Vectors *v, const Attention *a, PositionRole role, Arena *arena);
void vectors_load(Attention *a, int role, int h, bool backward);
void vectors_return(Attention *a, int role, int h);
void vectors_score(Attention *a, int role, const Tile *tile, float *s, const float *left);
void vectors_mix(Attention *a, int role, const Tile *tile, float *o, const float *p);
void vectors_learn(Attention *a, int role, const Tile *tile, const float *p, const float *left);

/* attention_tiles.c: tiles of a tile row one after the other (from a tile of no columns on); what of row r is
   seen: keys lo .. valid - 1 of the tile. */
bool tile_next(const Attention *a, Tile *tile);
bool tile_seen(const Attention *a, const Tile *tile, int r, int *lo, int *valid);
int tile_position(const Attention *a, const Tile *tile, int i); /* where query i stands */
void tile_scores(Attention *a, const Tile *tile);               /* raw scores in a->s */
/* s[ROWS,columns] = rows of `left` times the tile's keys or values, held in panels; + run, if there is one,
   which begins one number earlier with each row. Only the columns [from, to), multiples of PANEL. */
void tile_products(const Attention *a, float *s, const float *run, const float *left, const float *panels,
                   const Tile *tile, int from, int to);
void tile_learn_values(Attention *a, const Tile *tile, const float *dout); /* from P in a->s */
void tile_learn_scores(Attention *a, const Tile *tile); /* from the gradient a->ds at raw scores */
void tile_dropout(const Attention *a, const AttentionDropout *dropout, float *row, int sequence, int h, int i,
                  int j0, int valid);
void tiles_forward(Attention *a, float *lse, int sequence, int h, const AttentionDropout *dropout);
void tiles_backward(Attention *a, const float *lse, int sequence, int h, const AttentionDropout *dropout);

/* attention_rows.c: all heads of one sequence, which are kept */
void rows_new(Attention *a, Arena *arena);
void rows_forward(Attention *a, float *out, float *lse, int sequence, const AttentionDropout *dropout);
void rows_backward(Attention *a, const float *lse, int sequence, const AttentionDropout *dropout);

#endif
