/* PaTH: position by accumulated Householder-like transformations.
 *
 * Yang et al., "PaTH attention: position encoding via accumulating Householder transformations", 2025, arXiv
 * 2505.16381 (code: github.com/fla-org/flash-linear-attention, layers/path_attn.py, ops/path_attn/naive.py).
 * From the input x of the projections to queries, keys and values,
 *
 *     S[h,i,j] = q_i . H_i H_(i-1) ... H_(j+1) k_j / sqrt(D),   H_t = I - beta_t w_t w_t^T
 *     w = l2norm(SiLU(conv(W2 W1 x))),   beta = 2 sigmoid(u . x + b)
 *
 * with W1 of `rank` rows, a causal convolution of three positions for each number, and l2norm(y) = y /
 * sqrt(y . y + 1e-6) for each head. PaTH-FoX, option `forget`, adds the forget gates of fox.c, sum over j < l
 * <= i of log sigmoid(g . x_l + c), also divided by sqrt(D), unlike FoX. There is no other position
 * information. Matrices start normal with a deviation of one over the root of their inputs (C, rank, 3), b
 * and c at 0.
 *
 * Not confirmed: the initial values. The code has a deviation of 0.02, with which y . y would be below that
 * 1e-6 in narrow models.
 *
 * Speed: per position 2 rank (C + H D) + 2 C H operations for w and beta, and twice that and again it
 * backward. For each pair and head 6 D operations forward (u . k, u . w and the change of u; position/scan.h)
 * and 18 D backward, besides the 2 D and 4 D of the product that is replaced.
 */
#include "position/features.h"
#include "position/scan.h"

#include <math.h>

typedef struct Options {
    int64_t rank;
    bool forget;
} Options;

static const OptionField fields[] = {
    {"rank", OPTION_INT, offsetof(Options, rank), .default_value = 32, .low = 1, .high = FEATURES_RANK,
     .help = "rank of the map from the input to the vectors w"},
    {"forget", OPTION_BOOL, offsetof(Options, forget), .help = "PaTH-FoX: a forget gate for each head"},
};

enum { INNER, OUTER, CONVOLUTION, BETA_WEIGHT, BETA_BIAS, GATE_WEIGHT, GATE_BIAS, TAPS = 3 };

static bool forgets(const PositionContext *context) {
    return ((const Options *)context->options)->forget;
}

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->head_dim > 1 && shape->head_dim <= SCAN_HEAD) return true;
    return error_set(err, EXIT_USAGE, "needs a head size from 2, for a direction, to %d, got %d", SCAN_HEAD,
                     shape->head_dim);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    const Options *o = options;
    int H = shape->heads, C = shape->width, rank = (int)o->rank;
    tensors[INNER] = (PositionTensor){.name = "inner", .rank = 2, .dims = {rank, C}, .per_layer = true};
    tensors[OUTER] = (PositionTensor){.name = "outer", .rank = 2, .dims = {C, rank}, .per_layer = true};
    tensors[CONVOLUTION] =
        (PositionTensor){.name = "convolution", .rank = 2, .dims = {C, TAPS}, .per_layer = true};
    tensors[BETA_WEIGHT] =
        (PositionTensor){.name = "beta_weight", .rank = 2, .dims = {H, C}, .per_layer = true};
    tensors[BETA_BIAS] = (PositionTensor){.name = "beta_bias", .rank = 1, .dims = {H}, .per_layer = true};
    if (!o->forget) return GATE_WEIGHT;
    tensors[GATE_WEIGHT] =
        (PositionTensor){.name = "gate_weight", .rank = 2, .dims = {H, C}, .per_layer = true};
    tensors[GATE_BIAS] = (PositionTensor){.name = "gate_bias", .rank = 1, .dims = {H}, .per_layer = true};
    return GATE_BIAS + 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    PositionTensor tensors[POS_MAX_TENSORS];
    layout(context->shape, context->options, tensors);
    if (tensors[index].rank == 1) return;
    for (int i = 0; i < tensors[index].dims[0] * tensors[index].dims[1]; i++)
        value[i] = (float)(random_normal(rng) / sqrt(tensors[index].dims[1]));
}

/* ---- features: w, beta, and the logarithm of the forget gate ---- */

static int feature_count(const PositionShape *shape, const void *options) {
    return shape->head_dim + 1 + ((const Options *)options)->forget;
}

static FeaturePart part_of(const PositionContext *context, int first, int count) {
    return (FeaturePart){feature_count(context->shape, context->options), first, count};
}

static FeatureRank map_of(const PositionContext *context) {
    return (FeatureRank){INNER, OUTER, (int)((const Options *)context->options)->rank, false};
}

/* 1 / sqrt(y . y + 1e-6) */
static float unit_of(const float *y, int D) {
    float sum = 1e-6F;
    for (int e = 0; e < D; e++) sum += y[e] * y[e];
    return 1 / sqrtf(sum);
}

static void features(const PositionContext *context, const float *x, float *f) {
    int D = context->shape->head_dim, T = context->length, F = part_of(context, 0, D).size;
    float gates[SCAN_HEAD];
    features_low_rank(context, part_of(context, 0, D), map_of(context), x, f);
    features_convolve(context, part_of(context, 0, D), CONVOLUTION, TAPS, f);
    features_map(context, part_of(context, D, 1), BETA_WEIGHT, x, f);
    if (forgets(context)) features_map(context, part_of(context, D + 1, 1), GATE_WEIGHT, x, f);
    for (int row = 0; row < context->shape->heads * T; row++, f += F) {
        position_sigmoid(gates, f, D);
        for (int e = 0; e < D; e++) f[e] *= gates[e];
        float unit = unit_of(f, D);
        for (int e = 0; e < D; e++) f[e] *= unit;
        f[D] = (float)(2 / (1 + exp(-((double)f[D] + context->param[BETA_BIAS][row / T]))));
        if (!forgets(context)) continue;
        double z = (double)f[D + 1] + context->param[GATE_BIAS][row / T];
        f[D + 1] = (float)(z < 0 ? z - log1p(exp(z)) : -log1p(exp(-z)));
    }
}

/* From the gradient at w to that before SiLU, where it is y: with s = SiLU(y), ds = (dw - w (w . dw)) / |s|.
 */
static void unit_backward(const float *y, float *dw, int D) {
    float open[SCAN_HEAD], s[SCAN_HEAD], along = 0;
    position_sigmoid(open, y, D);
    for (int e = 0; e < D; e++) s[e] = y[e] * open[e];
    float unit = unit_of(s, D);
    for (int e = 0; e < D; e++) along += s[e] * unit * dw[e];
    for (int e = 0; e < D; e++)
        dw[e] = (dw[e] - s[e] * unit * along) * unit * open[e] * (1 + y[e] * (1 - open[e]));
}

static void features_backward(const PositionContext *context, const float *x, float *f, float *df,
                              float *dx) {
    int D = context->shape->head_dim, T = context->length, F = part_of(context, 0, D).size;
    FeaturePart w = part_of(context, 0, D);
    for (int row = 0; row < context->shape->heads * T; row++) {
        float *d = df + (size_t)row * (size_t)F, *value = f + (size_t)row * (size_t)F;
        d[D] *= value[D] * (1 - value[D] / 2);
        context->grad[BETA_BIAS][row / T] += d[D];
        if (!forgets(context)) continue;
        d[D + 1] *= -expm1f(value[D + 1]);
        context->grad[GATE_BIAS][row / T] += d[D + 1];
    }
    features_map_backward(context, part_of(context, D, 1), BETA_WEIGHT, x, df, dx);
    if (forgets(context)) features_map_backward(context, part_of(context, D + 1, 1), GATE_WEIGHT, x, df, dx);
    features_low_rank(context, w, map_of(context), x, f);
    features_convolve(context, w, CONVOLUTION, TAPS, f);
    for (int row = 0; row < context->shape->heads * T; row++)
        unit_backward(f + (size_t)row * (size_t)F, df + (size_t)row * (size_t)F, D);
    features_low_rank(context, w, map_of(context), x, f);
    features_convolve_backward(context, w, CONVOLUTION, TAPS, f, df);
    features_low_rank_backward(context, w, map_of(context), x, df, dx);
}

/* ---- scores ---- */

static size_t feature_row(const PositionContext *context, const ScanRows *rows, int j) {
    return ((size_t)rows->head * (size_t)context->length + (size_t)j) *
           (size_t)feature_count(context->shape, context->options);
}

/* u becomes H_j u for the rows that have reached key j: u -= beta (u . w) w; along[r] = u_r . w. */
static void step(const ScanRows *rows, float *u, const float *w, int j, float along[SCAN_ROWS]) {
    float c[SCAN_ROWS] = {0};
    scan_dot(rows, u, w, along);
    for (int r = scan_from(rows, j); r < rows->rows; r++) c[r] = -w[rows->size] * along[r];
    scan_add(rows, u, c, w);
}

static void scores(const PositionContext *context, const PositionScores *block) {
    int D = context->shape->head_dim;
    float u[SCAN_FLOATS], along[SCAN_ROWS], s[SCAN_ROWS], root = (float)(1 / sqrt(D));
    for (ScanRows rows = {0}; scan_next(context, block, &rows);) {
        float gates[SCAN_ROWS] = {0}; /* sums over the positions between */
        scan_load(&rows, block, u);
        for (int j = rows.query + rows.rows - 1; j >= 0; j--) {
            const float *w = context->features + feature_row(context, &rows, j);
            scan_dot(&rows, u, scan_key(block, &rows, j), s);
            for (int r = 0; r < SCAN_ROWS; r++) s[r] = root * (s[r] + gates[r]);
            scan_put(&rows, block, block->s, j, s);
            for (int r = scan_from(&rows, j); r < rows.rows && forgets(context); r++) gates[r] += w[D + 1];
            step(&rows, u, w, j, along);
        }
    }
}

/* Down the keys as in the forward pass, for dk and each u . w; then up again, where u gets back what each
   step took, and the gradient v of u is v <- H_j v + dS k_j: of u' = u - beta (u . w) w and the gradient v of
   u', dw = -beta ((u . w) v + (v . w) u) and dbeta = -(u . w)(v . w). */
static void rows_backward(const PositionContext *context, const PositionScores *block, const ScanRows *rows,
                          float *u) {
    int D = rows->size, last = rows->query + rows->rows - 1;
    float v[SCAN_FLOATS] = {0}, ds[SCAN_ROWS], along[SCAN_ROWS], c[SCAN_ROWS], root = (float)(1 / sqrt(D));
    float sums[SCAN_ROWS] = {0}; /* of dS up to the key */
    scan_load(rows, block, u);
    for (int j = last; j >= 0; j--) {
        scan_take(rows, block, block->ds, j, root, ds);
        scan_sum(rows, u, ds, scan_dkey(block, rows, j));
        step(rows, u, context->features + feature_row(context, rows, j), j, along);
        scan_put(rows, block, block->work, j, along);
    }
    for (int j = 0; j <= last; j++) {
        const float *w = context->features + feature_row(context, rows, j);
        float *dw = context->dfeatures + feature_row(context, rows, j), beta = w[D];
        scan_take(rows, block, block->work, j, 1, along);
        for (int r = 0; r < SCAN_ROWS; r++) c[r] = beta * along[r];
        scan_add(rows, u, c, w); /* u before the step */
        for (int r = 0; r < SCAN_ROWS; r++) c[r] = -c[r];
        scan_sum(rows, v, c, dw);
        scan_dot(rows, v, w, c);
        for (int r = 0; r < SCAN_ROWS; r++) {
            dw[D] -= along[r] * c[r];
            c[r] = r < scan_from(rows, j) ? 0 : -beta * c[r];
        }
        scan_sum(rows, u, c, dw);
        scan_add(rows, v, c, w);
        scan_take(rows, block, block->ds, j, root, ds);
        scan_add(rows, v, ds, scan_key(block, rows, j));
        for (int r = scan_from(rows, j); r < rows->rows && forgets(context); r++) {
            dw[D + 1] += sums[r];
            sums[r] += ds[r];
        }
        for (int r = 0; r < SCAN_ROWS; r++) ds[r] = 0;
        scan_put(rows, block, block->ds, j, ds); /* the scores before do not matter */
    }
    scan_return(rows, block, v);
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    float u[SCAN_FLOATS];
    for (ScanRows rows = {0}; scan_next(context, block, &rows);) rows_backward(context, block, &rows, u);
}

const PositionMethod method_path_attention = {
    .name = "path_attention",
    .label = "PaTH",
    .citation = "Yang et al. 2025, arXiv 2505.16381",
    .unconfirmed = "the initial values: the code has those of wide models",
    .also = "path path_fox",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .feature_count = feature_count,
    .features = features,
    .features_backward = features_backward,
    .scores = scores,
    .scores_backward = scores_backward,
};
