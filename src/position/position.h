/* position: the interface of a position method; all that a file in methods/ sees of the program.
 *
 * A method is one const PositionMethod at the end of one file in methods/. Make generates the registry from
 * these files; no other file is edited to add a method. `make method NAME=foo` creates a file, and
 * methods/README.md is the tutorial. A method acts through hooks, which a pass calls in this order:
 *
 *     embed           x[T,C] += ...            once, before the first layer
 *     gate            gates[H,T] from x        in every layer: what each position lets through
 *     features        f[H,T,F] from x          in every layer: numbers that transform and scores read
 *     input           p[T,C] += ...            added to the input of q and k, but not of v
 *     transform       q or k of one head       in place, for example rotations; can widen them
 *     horizon         a distance               from which a second transform applies
 *     distance_bias   bias[H,T] by d = i - j   added to the scaled scores
 *     pair_bias       bias[i,j] of one head    the same, if it depends on i and j and not only on i - j
 *     vectors         r[H,n,D] by d = i - j    scores q_i . r, and sums of r at the values
 *     scores          rows of S of all heads   changed in place, in any way
 *
 *     S = (q k^T + q r) / sqrt(D) + biases and gates;  scores;  causal mask;  softmax;  values
 *
 * A method with the hook `positions` has none of these hooks: it chooses the position of each row. Its
 * partner, a method whose tables follow given positions (hook `prepare`), has the hooks above.
 *
 * Rules of hooks:
 *
 * - A hook allocates nothing, keeps nothing between calls, and writes only what its comment names.
 * - A forward hook that has parameters, or through which gradients of its input pass, has a backward
 *   hook, which adds to gradients and never overwrites them.
 * - Distance bias, pair bias and vectors depend only on parameters. They are called once per pass, or
 *   once per layer with per_layer tensors, or more often if memory is short.
 * - A parameter is shared by all layers, or each layer has a copy (per_layer). Hooks see the copy of the
 *   current layer.
 * - With attention's `sinks` (attention/attention.h), transforms, distance biases and vectors use the
 *   distances that sinks have in a cache; pair biases, gates, features and scores use the real ones. Methods
 *   with `positions`, or with both distance_bias and scores, are refused with sinks.
 *
 * Letters: T length, H heads, D head size, C = H D width; i query, j key, d = i - j >= 0. Arrays are
 * row-major: [H,T] at h and t is index h * T + t.
 *
 * Services: at the end of this file; for rotations position/rotary.h; for perceptrons
 * position/perceptron.h.
 */
#ifndef POSLAB_POSITION_POSITION_H
#define POSLAB_POSITION_POSITION_H

#include "base/arena.h"
#include "base/options.h"
#include "base/random.h"

enum { POS_MAX_TENSORS = 8 };

typedef struct PositionShape {
    int layers, heads, width, head_dim;
    int train_length; /* training length of the model, also in evaluation */
} PositionShape;

/* Promises of a method. tests/laws checks that each declared promise holds with all options, and that each
   promise that is not declared fails with the default options. */
typedef enum PositionClaim {
    /* Scores depend only on q_i, k_j and i - j; with gates or features, if x is equal at all positions. */
    POS_SHIFT_INVARIANT = 1 << 0,
    /* Outputs at positions < t do not depend on the length T >= t of the pass. */
    POS_PREFIX_STABLE = 1 << 1,
    /* transform keeps the length of every vector. */
    POS_ISOMETRY = 1 << 2,
    /* With positions[T], row t is treated as row positions[t] of a longer pass, and scores of i and j as
       those of positions[i] and positions[j], so the method can be a partner. Methods with horizon,
       pair_bias, vectors, gate, features or scores count rows and cannot declare it. */
    POS_BY_POSITION = 1 << 3,
    /* The exponentials of the scores of each query sum to 1: scores are logarithms of probabilities, and
       softmax changes nothing. Refused with attention's `sink_logit`. */
    POS_NORMALISED = 1 << 4,
} PositionClaim;

typedef struct PositionTensor {
    const char *name; /* named "position.NAME" in checkpoints, "layers.N.position.NAME" if per_layer */
    int rank;         /* 1 or 2 */
    int dims[2];
    bool per_layer; /* each layer has a copy; the hook embed sees NULL */
    bool inert; /* no loss depends on it, because softmax cancels a constant of all scores of a query (without
                   attention's sink_logit); kept because the paper has it. Every other tensor must affect the
                   loss. */
} PositionTensor;

/* The vectors that a hook transforms, or adds to. FAR: the pair that applies from the horizon on. */
typedef enum PositionRole { POS_QUERY, POS_KEY, POS_QUERY_FAR, POS_KEY_FAR, POS_VALUE } PositionRole;

/* (a, b) -> (m (a cos - b sin), m (a sin + b cos)) with the amplitude m. */
typedef struct PositionRotation {
    double angle, amplitude;
} PositionRotation;

/* Everything that a hook may read. */
typedef struct PositionContext {
    const PositionShape *shape;
    const void *options;                 /* the options struct of the method, checked */
    const void *tables;                  /* returned by prepare for this length; NULL without prepare */
    const float *param[POS_MAX_TENSORS]; /* parameters in the order of `layout` */
    float *grad[POS_MAX_TENSORS];        /* gradients, to be added to; NULL without a backward pass */
    const float *features; /* [H,T,F] of the sequence, for transform and scores; NULL without that hook */
    float *dfeatures;      /* their gradient, which the backward hooks of transform and scores add to */
    int length;            /* T of this pass */
    int head;              /* the head of the transformed q or k; 0 for other hooks */
    int layer; /* from 0; -1 in calls for all layers: embed, and distance_bias, pair_bias and vectors without
                  `by_layer` and per_layer tensors */
} PositionContext;

/* Rows of the scores of all heads, for the hook `scores`: queries first .. first + rows - 1 and keys 0 ..
   columns - 1, where columns >= first + rows is a multiple of 16. Row r of head h begins at s + (h * rows +
   r) * columns. Keys that the query does not see, beyond the diagonal or outside a window, have the score
   POS_UNSEEN; what the method writes there is ignored, and its gradient is zero. */
#define POS_UNSEEN (-1e30f)
typedef struct PositionScores {
    int first, rows, columns;
    const float *const *q; /* row r of head h is at q[h] + r * stride: D numbers after transform */
    float *const *dq;      /* same layout, to be added to; backward only */
    const float *const *k; /* key j of head h is at k[h] + j * stride, likewise */
    float *const *dk;      /* same layout, to be added to; backward only */
    int stride;
    float *s;  /* scaled scores with all biases. Forward: changed in place. Backward: the scores before the
                  change, read only */
    float *ds; /* backward only. On entry: the gradient of the scores after the change; on return: that of the
                  scores before */
    const float *bias; /* [H,T]: the distance bias, which s includes; NULL without that hook */
    double *dbias; /* [H,T]: gradient of the bias apart from that through s, to be added to; backward only */
    float *work;   /* H * rows * columns numbers for any use; backward only */
} PositionScores;

typedef struct PositionMethod {
    const char *name;        /* key in configs; equal to the name of the file */
    const char *label;       /* name in tables and figures */
    const char *citation;    /* the paper and the section */
    const char *unconfirmed; /* what of the formula could not be confirmed in a source; NULL: nothing */
    const char *also;        /* other names, separated by spaces, for hints in errors; NULL: none */
    unsigned claims;         /* PositionClaim bits */
    size_t options_size; /* size of the options struct; POSITION_OPTIONS sets this and the next two members */
    const OptionField *fields; /* rows of the options */
    int field_count;

    /* Rules across options and shape. Sets err (EXIT_USAGE) to a text that follows the name of the method
       and says what is required ("needs an even head size, got 15"). Absent: no rules. */
    bool (*check)(const PositionShape *shape, const void *options, Error *err);

    /* The longest usable length. Longer evaluations are stored as beyond the limit. Absent: no limit. */
    int (*limit)(const PositionShape *shape, const void *options);

    /* positions[T] of one sequence, drawn from a random stream of this sequence. Such a method has only the
       hooks positions, farthest, check and limit, and no promises. farthest: the largest position that
       can be drawn. partner: the default of the option "with", the method that uses the positions. */
    void (*positions)(const PositionShape *shape, const void *options, int length, bool training, Random *rng,
                      double *positions);
    double (*farthest)(const PositionShape *shape, const void *options, int length);
    const char *partner;

    /* Parameters: writes the tensors and returns their count, at most POS_MAX_TENSORS. Absent: none. */
    int (*layout)(const PositionShape *shape, const void *options, PositionTensor tensors[]);

    /* Writes initial values of tensor `index` to `value` (zero on entry), those of context->layer if it is
       per_layer. `rng` is a stream of this tensor. The context has only shape, options and layer.
       Absent: zeros. */
    void (*init)(const PositionContext *context, int index, float *value, Random *rng);

    /* Restores tensor `index` to allowed values; called after init and after every update. A second call
       must change nothing. Absent: all values are allowed. */
    void (*project)(const PositionShape *shape, const void *options, int index, float *value);

    /* Methods that rotate pairs of coordinates (position/rotary.h) have one of two hooks, and no `prepare`;
       the core makes the tables. frequency: the angle per position of pair `pair` = 0 .. n/2 - 1 in passes
       of context->length positions, in radians. rotation: the angle and the factor (amplitude) of a pair of
       a vector at a position, if they differ by role or the angle is not proportional to the position. */
    double (*frequency)(const PositionContext *context, int pair);
    PositionRotation (*rotation)(const PositionContext *context, PositionRole role, int pair,
                                 double position);

    /* Tables for passes of length T, owned by the arena; must not depend on parameters. Row t is at
       position_at(positions, t). Angles and logarithms are computed in double. With a counting arena
       arena_alloc returns NULL: allocate all memory first, return if it is NULL, then fill it. */
    void *(*prepare)(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena);

    /* x[T,C] += position. Backward: dx[T,C] is the gradient of x; add to context->grad. */
    void (*embed)(const PositionContext *context, float *x);
    void (*embed_backward)(const PositionContext *context, const float *dx);

    /* p[T,C], zero on entry, is added to LN1(x) in the projections to q and k, but not to v. Called once
       per layer. Backward: dp[T,C] is the gradient of p, summed over sequences. */
    void (*input)(const PositionContext *context, float *p);
    void (*input_backward)(const PositionContext *context, const float *dp);

    /* Transforms q or k of one head by an affine map, in place. Row t is at x + t * stride: T rows of D
       numbers. Backward: multiplies by the transpose; dx, in the same layout, is the gradient of the
       output on entry and of the input on return. x is the input of the forward call, for gradients of
       parameters, which are added to context->grad, and of features; NULL if the method has neither. */
    void (*transform)(const PositionContext *context, PositionRole role, float *x, int stride);
    void (*transform_backward)(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride);

    /* m >= 2: transform reads D numbers of a row and writes m D of them, so that scores are sums of m D
       products, still divided by sqrt(D). Such a transform need not be affine: backward gets x and
       multiplies by the transposed derivative there; it reads m D numbers of a row of dx and writes D. The
       method has none of the hooks horizon, vectors and scores. 0: transform keeps the size. */
    int widening;

    /* bias[h*T + d] of bias[H,T] is added to S[h,i,i-d]; every element is written. Backward: dbias[H,T] is
       the gradient summed over sequences and diagonals, and over layers unless a tensor is per_layer or
       `by_layer` is set; add to context->grad. */
    void (*distance_bias)(const PositionContext *context, float *bias);
    void (*distance_bias_backward)(const PositionContext *context, const float *dbias);

    /* distance_bias, pair_bias or vectors depend on context->layer, so they are called for each layer. */
    bool by_layer;

    /* Scores of distances d >= horizon (horizon >= 1) are products of the far pair: transform is also
       called with POS_QUERY_FAR and POS_KEY_FAR, on copies of the same q and k. Absent: there is no far
       pair. */
    int (*horizon)(const PositionShape *shape, const void *options);

    /* bias[rows,T] of head `head` for queries first .. first + rows - 1: bias[r*T + j] is added to
       S[head,first + r,j]. Elements with j > first + r are ignored. Backward: dbias in the same layout,
       summed over layers and sequences if memory allows, undefined beyond the diagonal; add to
       context->grad. */
    void (*pair_bias)(const PositionContext *context, float *bias, int head, int first, int rows);
    void (*pair_bias_backward)(const PositionContext *context, const float *dbias, int head, int first,
                               int rows);

    /* Relative vectors. POS_KEY: S[h,i,j] += q_i . r[h,min(d,n-1)] / sqrt(D), with q after transform.
       POS_VALUE: out_i += sum_j P[i,j] r[h,min(d,n-1)]. vector_count returns n <= T, 0 for none;
       vectors writes all of r[H,n,D]. Backward: dr[H,n,D], summed like dbias; add to context->grad. A
       small n is cheap: all distances from n - 1 on share one product per row. */
    int (*vector_count)(const PositionShape *shape, const void *options, PositionRole role, int length);
    void (*vectors)(const PositionContext *context, PositionRole role, float *r);
    void (*vectors_backward)(const PositionContext *context, PositionRole role, const float *dr);

    /* gates[H,T] from x[T,C], the input of the projections to q, k and v: S[h,i,j] += the sum of gates[h,l]
       over j < l <= i. A gate is the logarithm of what position l lets through, at most 0. Every
       element is written. Backward: dgates[H,T]; add to dx[T,C] and to context->grad. */
    void (*gate)(const PositionContext *context, const float *x, float *gates);
    void (*gate_backward)(const PositionContext *context, const float *x, const float *dgates, float *dx);

    /* f[H,T,F] from x[T,C], the same input: what transform and scores need of the content, as
       context->features. Every element is written. Backward: df[H,T,F] is the gradient; add to dx[T,C] and
       to context->grad; f and df may be overwritten. The core keeps f of one sequence only, so it calls
       the hook again for the backward pass. feature_count returns F >= 1. */
    int (*feature_count)(const PositionShape *shape, const void *options);
    void (*features)(const PositionContext *context, const float *x, float *f);
    void (*features_backward)(const PositionContext *context, const float *x, float *f, float *df, float *dx);

    /* Changes rows of scores (PositionScores); backward adds to block->dq, block->dk, context->dfeatures and
       context->grad. Such methods need time and memory for whole rows: H T numbers for each row of a
       block. */
    void (*scores)(const PositionContext *context, const PositionScores *block);
    void (*scores_backward)(const PositionContext *context, const PositionScores *block);

    /* For `poslab export --loader`: the method in Python, as functions with the names and signatures in
       src/cli/loader.py.in: embed, transform or bias. `OPTIONS` has the options by key, p the
       parameters by name. "": the method adds nothing. Absent: runs of the method have no loader. */
    const char *pytorch;
} PositionMethod;

/* In a PositionMethod: the options struct and its array of rows. */
#define POSITION_OPTIONS(Options, rows)                                                                      \
    .options_size = sizeof(Options), .fields = (rows), .field_count = COUNT_OF(rows)

/* The position of row t: positions[t]; t if positions is NULL. */
static inline double position_at(const double *positions, int t) {
    return positions ? positions[t] : t;
}

/* c[m,n] = a[m,k] b[k,n], row-major with leading dimensions lda, ldb, ldc. `how`: POS_ADD: c += instead;
   POS_TRANSPOSE_A, POS_TRANSPOSE_B: the factor is stored transposed, a[k,m] or b[n,k]. Efficient for n
   (with POS_TRANSPOSE_B: k) of some hundreds; inefficient for single rows. */
enum { POS_ADD = 1 << 0, POS_TRANSPOSE_A = 1 << 1, POS_TRANSPOSE_B = 1 << 2 };
void position_product(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                      int k, unsigned how);

/* The slope of head h in a geometric sequence: 2^(-max_exponent (h + 1) / H) for H = 2^n heads. For other
   H: the slopes of the next lower power of two P, then every other slope of 2P (get_slopes of
   github.com/ofirpress/attention_with_linear_biases). */
double position_slope(int h, int heads, double max_exponent);

/* KERPLE's logarithmic bias of one head, bias[d] = -p ln(1 + a d), and the gradients of p and a, which are
   added to. */
void position_log_bias(float *bias, int length, double p, double a);
void position_log_bias_backward(const float *dbias, int length, double p, double a, float *dp, float *da);

/* table[T,C] for `prepare`: the sines, then the cosines, of (position + first) base^(-i/scale) for i < C/2;
   alternating: the sine and the cosine of each i are neighbours. */
typedef struct PositionSinusoids {
    double base, scale, first;
    bool alternating;
} PositionSinusoids;
float *position_sinusoids(const PositionSinusoids *kind, int width, int length, const double *positions,
                          Arena *arena);

/* y[i] = 1 / (1 + e^-x[i]), and ln(1 + e^x[i]): vectorised, with an error of about 1e-7, for softplus
   relative to it. y may be x. */
void position_sigmoid(float *y, const float *x, int count);
void position_softplus(float *y, const float *x, int count);

#endif
