/* position: the interface of a position method; all that a file in methods/ sees of the program.
 *
 * A method is one const PositionMethod at the end of one file in methods/. Make collects the files and
 * generates the registry; no other file is edited to add one. `make method NAME=foo` starts a file, and
 * methods/README.md is the tutorial. A method acts through the hooks that it fills in, in this order of a
 * pass:
 *
 *     embed           x[T,C] += ...            once, before the first layer
 *     gate            gates[H,T] from x        in every layer: what each position lets through
 *     input           p[T,C] += ...            what q and k, but not v, are projected from
 *     transform       q or k of one head       in place, for example rotations
 *     horizon         a distance               from which a second transform applies
 *     distance_bias   bias[H,T] by d = i - j   added to the scaled scores
 *     pair_bias       bias[i,j] of one head    the same, if i and j themselves matter
 *     vectors         r[H,n,D] by d = i - j    scores q_i . r, and sums of r at the values
 *     scores          rows of S of all heads   changed in place, in any way
 *
 *     S = (q k^T + q r) / sqrt(D) + biases and gates;  scores;  causal mask;  softmax;  values
 *
 * A method with the hook `positions` has no other: it chooses the position of each row, and a partner, a
 * method whose tables follow the positions that it is given (see prepare), does the rest.
 *
 * Rules of hooks:
 *
 * - A hook allocates nothing, keeps nothing between calls, and writes only what its comment names.
 * - A forward hook that has parameters, or through which its input passes, comes with a backward hook, which
 *   adds to gradients and never overwrites them.
 * - Distance bias, pair bias and vectors depend on parameters alone. They are called once per pass, or once
 *   per layer with per_layer tensors, or more often if memory is short.
 * - A parameter is shared by all layers, or each layer has a copy (per_layer). Hooks see the copy of the
 *   current layer and never its number.
 * - With attention's `sinks` (attention/attention.h) transforms, distance biases and vectors use the
 *   distances that sinks have in a cache; pair biases, gates and scores use the real distances. Methods with
 *   `positions`, or with both distance_bias and scores, are refused with sinks.
 *
 * Letters: T length, H heads, D head size, C = H D width; i query, j key, d = i - j >= 0. Arrays are
 * row-major; [H,T] at h and t is index h * T + t.
 *
 * Services: at the end of this file; for rotations position/rotary.h; for perceptrons position/perceptron.h.
 */
#ifndef POSLAB_POSITION_POSITION_H
#define POSLAB_POSITION_POSITION_H

#include "base/arena.h"
#include "base/options.h"
#include "base/random.h"

enum { POS_MAX_TENSORS = 8 };

typedef struct PositionShape {
    int layers, heads, width, head_dim;
    int train_length; /* the length the model is trained at; the same in training and evaluation */
} PositionShape;

/* What a method promises. tests/laws checks that a promise holds where it is made, with all options, and that
   it fails where it is not made, with the default options. */
typedef enum PositionClaim {
    /* Scores depend on q_i, k_j and i - j only: moving both positions changes nothing. */
    POS_SHIFT_INVARIANT = 1 << 0,
    /* Outputs at positions < t do not depend on the length T >= t of the pass. */
    POS_PREFIX_STABLE = 1 << 1,
    /* transform keeps the length of every vector. */
    POS_ISOMETRY = 1 << 2,
    /* With positions[T], row t is treated as row positions[t] of a longer pass, and scores of i and j as
       those of positions[i] and positions[j]: the method can be a partner. Not for methods with horizon,
       pair_bias, vectors, gate or scores, which count rows. */
    POS_BY_POSITION = 1 << 3,
} PositionClaim;

typedef struct PositionTensor {
    const char *name; /* "position.NAME" in checkpoints, "layers.N.position.NAME" if per_layer */
    int rank;         /* 1 or 2 */
    int dims[2];
    bool per_layer; /* a copy for each layer; the hook embed sees NULL */
    bool inert;     /* no loss depends on it, as softmax removes a constant of all scores of a query: kept
                       because the paper has it. Any other tensor must make a difference. */
} PositionTensor;

/* What is transformed, or has vectors. FAR: the pair that applies from the horizon on. */
typedef enum PositionRole { POS_QUERY, POS_KEY, POS_QUERY_FAR, POS_KEY_FAR, POS_VALUE } PositionRole;

/* All that a hook may read. */
typedef struct PositionContext {
    const PositionShape *shape;
    const void *options;                 /* the method's own options struct, checked */
    const void *tables;                  /* what prepare returned for this length; NULL without prepare */
    const float *param[POS_MAX_TENSORS]; /* parameters, in layout order */
    float *grad[POS_MAX_TENSORS];        /* add here; NULL when there is no backward pass */
    int length;                          /* T of this pass */
    int head;                            /* whose q or k transform is given; 0 for all other hooks */
    int layer; /* from 0; -1 in calls that all layers share: embed, and without `by_layer` and per_layer
                  tensors distance_bias, pair_bias and vectors */
} PositionContext;

/* Rows of the scores of all heads, for the hook `scores`: queries first .. first + rows - 1 and keys 0 ..
   columns - 1, where columns >= first + rows is a multiple of 16. Row r of head h begins at
   s + (h * rows + r) * columns. Keys that the query does not see, beyond the diagonal or outside a window,
   have the score POS_UNSEEN; what the method makes of it is ignored, and its gradient is zero. */
#define POS_UNSEEN (-1e30f)
typedef struct PositionScores {
    int first, rows, columns;
    const float *const *q; /* row r of head h at q[h] + r * stride: D numbers, transformed */
    float *const *dq;      /* the same layout, to be added to; backward only */
    int stride;
    float *s;          /* scaled scores with all biases. Forward: changed in place. Backward: as they came in,
                          read only */
    float *ds;         /* backward only: the gradient at the scores after the change; becomes that at the
                          scores before */
    const float *bias; /* [H,T]: the distance bias that s contains; NULL without that hook */
    double *dbias;     /* [H,T]: add here what reaches the bias by other ways than through s; backward only */
} PositionScores;

typedef struct PositionMethod {
    const char *name;          /* key in configs = file name */
    const char *label;         /* row in tables, legend in figures */
    const char *citation;      /* the paper, and in which section */
    const char *also;          /* other names of it, separated by spaces, for hints in errors; NULL: none */
    unsigned claims;           /* PositionClaim bits */
    size_t options_size;       /* bytes of the options struct; these three: POSITION_OPTIONS, or absent */
    const OptionField *fields; /* rows of the options */
    int field_count;

    /* Rules across options and shape. Sets err with what would be right, code EXIT_USAGE, in words that
       follow the method's name ("needs an even head size, got 15"). Absent: nothing to check. */
    bool (*check)(const PositionShape *shape, const void *options, Error *err);

    /* The longest usable length. Longer evaluations are stored as beyond the limit. Absent: no limit. */
    int (*limit)(const PositionShape *shape, const void *options);

    /* positions[T] of the rows of one sequence, drawn from a random stream of this sequence. The hooks of
       such a method are this one, farthest, check and limit; it has no claims. farthest: the largest position
       that may be drawn. partner: the method that gets the positions unless the config names another
       ("with"). */
    void (*positions)(const PositionShape *shape, const void *options, int length, bool training, Random *rng,
                      double *positions);
    double (*farthest)(const PositionShape *shape, const void *options, int length);
    const char *partner;

    /* Parameters: writes the tensors and returns their count, at most POS_MAX_TENSORS. Absent: none. */
    int (*layout)(const PositionShape *shape, const void *options, PositionTensor tensors[]);

    /* Initial values of tensor `index` in `value` (zero on entry), of a per_layer tensor those of
       context->layer; `rng` is a stream of this tensor. The context has shape, options and layer alone.
       Absent: zeros. */
    void (*init)(const PositionContext *context, int index, float *value, Random *rng);

    /* Restores tensor `index` to the values that it may have; called after init and after every update. A
       second call changes nothing. Absent: all values are allowed. */
    void (*project)(const PositionShape *shape, const void *options, int index, float *value);

    /* Methods that rotate (position/rotary.h): the angular frequency of pair `pair` = 0 .. n/2 - 1 in passes
       of context->length positions, in radians per position, and the factor by which the rotated coordinates
       are multiplied (absent: 1). Such a method has the hooks ROTARY_HOOKS, and no prepare of its own. */
    double (*frequency)(const PositionContext *context, int pair);
    double (*amplitude)(const PositionContext *context);

    /* Tables for passes of length T, owned by the arena; must not depend on parameters. Row t is at
       position_at(positions, t). Angles and logarithms are computed in double. With a counting arena
       arena_alloc returns NULL: allocate everything first, return if the memory is NULL, then fill. */
    void *(*prepare)(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena);

    /* x[T,C] += position. Backward: dx[T,C] is the gradient at x; add to context->grad. */
    void (*embed)(const PositionContext *context, float *x);
    void (*embed_backward)(const PositionContext *context, const float *dx);

    /* p[T,C], zero on entry: what is added to LN1(x) where q and k, but not v, are projected from it. Called
       once per layer. Backward: dp[T,C] is the gradient at p, summed over sequences. */
    void (*input)(const PositionContext *context, float *p);
    void (*input_backward)(const PositionContext *context, const float *dp);

    /* x: q or k of one head, row t at x + t * stride, D numbers each, T rows; an affine map, in place.
       Backward: multiplies by the transpose; dx in the same layout is the gradient at the output on entry and
       becomes that at the input. x is the input of the forward call, for gradients of parameters, which are
       added to context->grad; NULL if the method has no parameters. */
    void (*transform)(const PositionContext *context, PositionRole role, float *x, int stride);
    void (*transform_backward)(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride);

    /* bias[H,T]: bias[h*T + d] is added to S[h,i,i-d]; every element is written. Backward: dbias[H,T] is the
       gradient summed over sequences and diagonals, and over layers unless a tensor is per_layer or
       `by_layer` is set; add to context->grad. */
    void (*distance_bias)(const PositionContext *context, float *bias);
    void (*distance_bias_backward)(const PositionContext *context, const float *dbias);

    /* distance_bias, pair_bias or vectors depend on context->layer: they are called for each layer. */
    bool by_layer;

    /* For distances d >= horizon (horizon >= 1) scores are products of the far pair: transform is also called
       with POS_QUERY_FAR and POS_KEY_FAR, on copies of the same q and k. Absent: it never is. */
    int (*horizon)(const PositionShape *shape, const void *options);

    /* bias[rows,T] of head `head` for queries first .. first + rows - 1: bias[r*T + j] is added to
       S[head,first + r,j]; elements with j > first + r are ignored and need not be written. Backward: dbias
       in the same layout, summed over layers and sequences where memory allows; beyond the diagonal it is
       undefined; add to context->grad. */
    void (*pair_bias)(const PositionContext *context, float *bias, int head, int first, int rows);
    void (*pair_bias_backward)(const PositionContext *context, const float *dbias, int head, int first,
                               int rows);

    /* Relative vectors of the roles POS_KEY, S[h,i,j] += q_i . r[h,min(d,n-1)] / sqrt(D) with q after
       transform, and POS_VALUE, out_i += sum_j P[i,j] r[h,min(d,n-1)]. vector_count returns n <= T, 0 for
       none; vectors writes all of r[H,n,D]. Backward: dr[H,n,D], summed like dbias; add to context->grad. Few
       vectors cost little: beyond n - 1 a row of scores shares one product. */
    int (*vector_count)(const PositionShape *shape, const void *options, PositionRole role, int length);
    void (*vectors)(const PositionContext *context, PositionRole role, float *r);
    void (*vectors_backward)(const PositionContext *context, PositionRole role, const float *dr);

    /* gates[H,T] from x[T,C], which q, k and v are projected from: S[h,i,j] += the sum of gates[h,l] over
       j < l <= i. Gates are logarithms of what position l lets through, at most 0. Every element is written.
       Backward: dgates[H,T]; add to dx[T,C] and to context->grad. */
    void (*gate)(const PositionContext *context, const float *x, float *gates);
    void (*gate_backward)(const PositionContext *context, const float *x, const float *dgates, float *dx);

    /* Changes rows of scores, see PositionScores; backward adds to block->dq and context->grad. Such methods
       need work and memory for whole rows, H T numbers for each of some rows. */
    void (*scores)(const PositionContext *context, const PositionScores *block);
    void (*scores_backward)(const PositionContext *context, const PositionScores *block);

    /* For `poslab export --loader`: the method in Python, by functions of the names and signatures in
       src/cli/loader.py.in: embed, transform or bias. `OPTIONS` has the options by key, p the parameters by
       name. "": the method adds nothing. Absent: runs of the method have no loader. */
    const char *pytorch;
} PositionMethod;

/* In a PositionMethod: an options struct and its array of rows. */
#define POSITION_OPTIONS(Options, rows)                                                                      \
    .options_size = sizeof(Options), .fields = (rows), .field_count = COUNT_OF(rows)

/* The position of row t: positions[t], or t if positions is NULL. */
static inline double position_at(const double *positions, int t) {
    return positions ? positions[t] : t;
}

/* c[m,n] = a[m,k] b[k,n], row-major with leading dimensions lda, ldb, ldc. `how`: POS_ADD: c += instead;
   POS_TRANSPOSE_A, POS_TRANSPOSE_B: the factor is stored transposed, a[k,m] or b[n,k]. Efficient for n of
   some hundreds, with POS_TRANSPOSE_B for such a k; not for single rows. */
enum { POS_ADD = 1 << 0, POS_TRANSPOSE_A = 1 << 1, POS_TRANSPOSE_B = 1 << 2 };
void position_product(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                      int k, unsigned how);

/* The slope of head h in a geometric sequence; for H = 2^n heads it is 2^(-max_exponent (h + 1) / H). Other
   head counts take the slopes of the next lower power of two P, and then every other slope of 2P (get_slopes
   of github.com/ofirpress/attention_with_linear_biases). */
double position_slope(int h, int heads, double max_exponent);

/* y[i] = 1 / (1 + e^-x[i]), in vectors, to about 1e-7. y may be x. */
void position_sigmoid(float *y, const float *x, int count);

#endif
