/* position: the interface of a position method.
 *
 * A method is one const PositionMethod at the end of one file in methods/. Make collects the files and
 * generates the registry; nothing else is edited to add one. A method acts through the hooks that it fills
 * in:
 *
 *     embed           x[T,C] += ...            before the first layer (absolute methods)
 *     input           p[T,C] += ...            added to what q and k are projected from, in every layer
 *     transform       q or k of one head       after projection and scaling, in place (rotations)
 *     horizon         a distance               from which a second transform counts (clipped rotations)
 *     distance_bias   bias[H,T] by d = i - j   added to the scaled scores (slopes, buckets)
 *     pair_bias       bias[i,j] of one head    the same where i and j themselves matter
 *     vectors         r[H,n,D] by d = i - j    scores q_i . r, and sums of r at the values
 *     gate            gates[H,T] from x        what each position lets through, summed between j and i
 *     scores          rows of S of all heads   changed in place, in any way
 *
 * or through the hook `positions` alone, which assigns a position to each row. Then everything else is done
 * by a partner, a method whose tables follow the positions that it is given (its `prepare`).
 *
 * A forward hook that has parameters, or through which its input passes, comes with a backward hook.
 * Backward hooks add to gradients and never overwrite them. Hooks are pure: they allocate nothing, keep
 * nothing between calls, and write only what their comment names. The order of a forward pass is: embed; per
 * layer: gate, input; q and k, transform, S = (q k^T + q r) / sqrt(D), + biases and gates, scores, causal
 * mask, softmax, values. Distance bias, pair bias and vectors depend on parameters alone: they are called
 * once per pass, or more often if memory is short. A parameter is shared by all layers, or each layer has
 * its own copy (per_layer); hooks see the copy of the current layer and never its number.
 *
 * With attention's `sinks` (attention/attention.h) transforms, distance biases and vectors use the distances
 * that sinks have in a cache; pair biases, gates and scores use the real distances. Methods with
 * `positions`, or with both distance_bias and scores, are refused with sinks.
 *
 * Letters: T length, H heads, D head size, C = H D width; i query, j key, d = i - j >= 0.
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

/* What a method promises; tests/laws/laws.c checks each claim on every method, both that it holds where it is
   made and that it fails where it is not. */
typedef enum PositionClaim {
    POS_SHIFT_INVARIANT =
        1 << 0, /* scores depend on q_i, k_j and i - j only: moving both positions changes nothing */
    POS_PREFIX_STABLE = 1 << 1, /* outputs at positions < t do not depend on the length T >= t of the pass */
    POS_ISOMETRY = 1 << 2,      /* transform keeps the length of every vector */
    POS_BY_POSITION =
        1 << 3, /* at positions p[T] all that is done to row t is done to row p[t] of a longer pass
                   (and to scores of i and j what is done there to those of p[i] and p[j]); not so where
                   horizon, pair_bias, vectors, gate or scores act, which count rows */
} PositionClaim;

typedef struct PositionTensor {
    const char *name; /* "position.NAME" in checkpoints, "layers.N.position.NAME" if per_layer */
    int rank;         /* 1 or 2 */
    int dims[2];
    bool per_layer; /* a copy for each layer; the hooks before the first layer (embed) see NULL */
    bool inert;     /* no loss depends on it, as softmax removes a constant of all scores of a query: kept
                       because the paper has it. Any other tensor must make a difference. */
} PositionTensor;

/* What is transformed, or has vectors. FAR: the pair that counts from the horizon on. */
typedef enum PositionRole { POS_QUERY, POS_KEY, POS_QUERY_FAR, POS_KEY_FAR, POS_VALUE } PositionRole;

/* All that a hook may look at. */
typedef struct PositionContext {
    const PositionShape *shape;
    const void *options; /* the method's own options struct, checked */
    const void *tables;  /* what prepare() made for this length; read-only; NULL without prepare */
    const float *param[POS_MAX_TENSORS]; /* parameters, in layout order */
    float *grad[POS_MAX_TENSORS];        /* add here; NULL when there is no backward pass */
    int length;                          /* T of this pass */
    int head;                            /* whose q or k transform is given; 0 for all other hooks */
} PositionContext;

/* Rows of the scores of all heads, for the hook `scores`: queries first .. first + rows - 1 and keys 0 ..
   columns - 1, where columns >= first + rows is a multiple of 16. Row r of head h stands at s + (h * rows +
   r) * columns. Keys that the query does not see, beyond the diagonal or outside a window, have the score
   POS_UNSEEN; what becomes of it is ignored, and its gradient is zero. */
#define POS_UNSEEN (-1e30f)
typedef struct PositionScores {
    int first, rows, columns;
    const float *const *q; /* row r of head h at q[h] + r * stride: D numbers, transformed */
    float *const *dq;      /* the same layout, to be added to; backward only */
    int stride;
    float *s;          /* scaled scores with all biases. Forward: changed in place. Backward: as they came in,
                          to be read only */
    float *ds;         /* backward only: the gradient at the scores after the change; becomes that at the
                          scores before */
    const float *bias; /* [H,T]: the distance bias that s contains; NULL without that hook */
    double *dbias;     /* [H,T]: add here what reaches the bias by other ways than through s; backward only */
} PositionScores;

typedef struct PositionMethod {
    const char *name;          /* key in configs = file name */
    const char *label;         /* row in tables, legend in figures */
    const char *citation;      /* the paper, and in which section */
    unsigned claims;           /* PositionClaim bits */
    size_t options_size;       /* bytes of the options struct; 0 without options */
    const OptionField *fields; /* rows of the options */
    int field_count;

    /* Rules across options and shape ("an even head size"). Sets err with a sentence that says what would be
       right (see error_set; code EXIT_USAGE). Absent: nothing to check. */
    bool (*check)(const PositionShape *shape, const void *options, Error *err);

    /* The longest usable length. Absent: no limit. */
    int (*limit)(const PositionShape *shape, const void *options);

    /* Where the rows of one sequence stand: positions[T], drawn from a stream of the sequence's own, the same
       whatever stands beside it. A method with this hook has no other one and claims nothing. `farthest` is
       the largest position that may be drawn, `partner` the method that is moved unless the config says
       otherwise. */
    void (*positions)(const PositionShape *shape, const void *options, int length, bool training, Random *rng,
                      double *positions);
    double (*farthest)(const PositionShape *shape, const void *options, int length);
    const char *partner;

    /* Parameters: writes the tensors and returns how many, at most POS_MAX_TENSORS. Absent: none. */
    int (*layout)(const PositionShape *shape, const void *options, PositionTensor tensors[]);

    /* Initial values of tensor `index` in `value` (zero on entry); `rng` is a stream of this tensor's own.
       Absent: zeros. */
    void (*init)(const PositionShape *shape, const void *options, int index, float *value, Random *rng);

    /* Brings tensor `index` back to the values that it may have; called after init and after every update.
       Doing it twice is doing it once. Absent: all values are allowed. */
    void (*project)(const PositionShape *shape, const void *options, int index, float *value);

    /* Methods that rotate: the angular frequency of pair `pair` = 0 .. n/2 - 1 in passes of context->length
       positions, in radians per position. *amplitude, 1 on entry, multiplies what is rotated. Such a method
       has the hooks ROTARY_HOOKS, and no prepare of its own (see Rotations). */
    double (*frequency)(const PositionContext *context, int pair, double *amplitude);

    /* Tables for passes of length T, owned by the arena; must not depend on parameters. positions[T] says
       where the rows stand; NULL: at 0..T-1 (read it with position_at). With a counting arena arena_alloc
       returns NULL: allocate everything first, return if the memory is NULL, then fill. */
    void *(*prepare)(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena);

    /* x[T,C] += position. Backward: dx[T,C] is the gradient at x; add to context->grad. */
    void (*embed)(const PositionContext *context, float *x);
    void (*embed_backward)(const PositionContext *context, const float *dx);

    /* p[T,C], zero on entry: what is added to LN1(x) where q and k, but not v, are projected from it. Called
       once per layer. Backward: dp[T,C] is the gradient at p, summed over sequences. */
    void (*input)(const PositionContext *context, float *p);
    void (*input_backward)(const PositionContext *context, const float *dp);

    /* x: q or k of one head, row t at x + t * stride, D numbers each, T rows; changed in place.
       Backward: dx in the same layout arrives as the gradient at the output and leaves as that at the input.
     */
    void (*transform)(const PositionContext *context, PositionRole role, float *x, int stride);
    void (*transform_backward)(const PositionContext *context, PositionRole role, float *dx, int stride);

    /* bias[H,T]: bias[h*T + d] is added to S[h,i,i-d]; every element is written. Backward: dbias[H,T] is the
       gradient summed over sequences and diagonals, and over layers unless a tensor is per_layer; add to
       context->grad. Both are called once per pass, with per_layer tensors once per layer. */
    void (*distance_bias)(const PositionContext *context, float *bias);
    void (*distance_bias_backward)(const PositionContext *context, const float *dbias);

    /* From distances d >= horizon on (horizon >= 1) scores are products of the far pair: transform is also
       called with POS_QUERY_FAR and POS_KEY_FAR, on copies of the same q and k. Absent: it never is. */
    int (*horizon)(const PositionShape *shape, const void *options);

    /* bias[rows,T] of head `head` for queries first .. first + rows - 1: bias[r*T + j] is added to
       S[head,first + r,j]; elements with j > first + r are ignored and need not be written. Backward: dbias
       in the same layout, summed over layers and sequences where memory allows; what is beyond the diagonal
       is undefined; add to context->grad. */
    void (*pair_bias)(const PositionContext *context, float *bias, int head, int first, int rows);
    void (*pair_bias_backward)(const PositionContext *context, const float *dbias, int head, int first,
                               int rows);

    /* Relative vectors of the roles POS_KEY, S[h,i,j] += q_i . r[h,min(d,n-1)] / sqrt(D) with q after
       transform, and POS_VALUE, out_i += sum_j P[i,j] r[h,min(d,n-1)]. vector_count says n <= T, 0 for none;
       vectors writes all of r[H,n,D]. Backward: dr[H,n,D], summed like dbias; add to context->grad. Few
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
       cost work and memory of whole rows, H T numbers for each of some rows. */
    void (*scores)(const PositionContext *context, const PositionScores *block);
    void (*scores_backward)(const PositionContext *context, const PositionScores *block);

    /* For `poslab export --loader`: the method in Python, by functions of the names and signatures in
       src/cli/loader.py.in: embed, transform or bias. `OPTIONS` has the options by key, p the parameters by
       name. "": the method adds nothing. Absent: runs of the method have no loader. */
    const char *pytorch;
} PositionMethod;

/* Where row t stands. */
static inline double position_at(const double *positions, int t) {
    return positions ? positions[t] : t;
}

/* For hooks that multiply: c[m,n] = a[m,k] b[k,n], row-major with leading dimensions lda, ldb, ldc. `how`
   adds POS_ADD: c += instead; POS_TRANSPOSE_A, POS_TRANSPOSE_B: the factor lies transposed, a[k,m] or b[n,k].
   As fast as the machine allows for n of some hundreds, with POS_TRANSPOSE_B also for such a k; not for use
   per row. */
enum { POS_ADD = 1 << 0, POS_TRANSPOSE_A = 1 << 1, POS_TRANSPOSE_B = 1 << 2 };
void position_product(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                      int k, unsigned how);

/* The slope of head h in a geometric sequence; for H = 2^n heads it is 2^(-max_exponent (h + 1) / H). Other
   head counts take the slopes of the next lower power of two P, and then every other slope of 2P (get_slopes
   of github.com/ofirpress/attention_with_linear_biases). */
double position_slope(int h, int heads, double max_exponent);

/* For hooks with gates: y[i] = 1 / (1 + e^-x[i]), in vectors, to about 1e-7. y may be x. */
void position_sigmoid(float *y, const float *x, int count);

#endif
