/* naive_features: formulas of methods whose scores depend on features of the input, in double, from the
 * papers and their code. They compute complete scores, like those of naive_scores.c.
 */
#include "naive_scores.h"

#include <math.h>
#include "base/arena.h"

static double dot(const double *x, const double *y, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

static double *row(const NaiveScores *n, double *x, int h, int t) {
    return x + ((size_t)h * (size_t)n->in.length + (size_t)t) * (size_t)n->in.shape->head_dim;
}

static double sigmoid(double z) {
    return 1 / (1 + exp(-z));
}

static double option(const NaiveScores *n, const char *key) {
    return naive_option(n->in.position, key);
}

/* w . x_t, where row number `at` of the tensor is w */
static double mapped(const NaiveScores *n, int tensor, int at, int t) {
    int C = n->in.shape->width;
    return dot(n->in.param[tensor] + (size_t)at * (size_t)C, n->x + (size_t)t * (size_t)C, C);
}

/* q_i . R k_j, where pair c of coordinates half of a head apart is turned by angle[c] more in the query. */
static double turned(const NaiveScores *n, int h, int i, int j, const double *angle) {
    int D = n->in.shape->head_dim;
    const double *q = row(n, n->q, h, i), *k = row(n, n->k, h, j);
    double sum = 0;
    for (int c = 0; c < D / 2; c++) {
        int e = D / 2 + c;
        sum += (q[c] * k[c] + q[e] * k[e]) * cos(angle[c]) + (q[c] * k[e] - q[e] * k[c]) * sin(angle[c]);
    }
    return sum / sqrt(D);
}

/* f[H,T,F], computed by `fill` in the first call. */
static double *features_of(const NaiveScores *n, int F, void (*fill)(const NaiveScores *n, double *f)) {
    if (!*n->features) {
        *n->features = NEW(n->arena, n->in.shape->heads * n->in.length * F, double);
        fill(n, *n->features);
    }
    return *n->features;
}

/* f[h,t,first + e] = w . x_t with row h count + e of the tensor, plus the bias of that row (-1: none). */
static void map(const NaiveScores *n, double *f, int F, int first, int count, int tensor, int bias) {
    for (int h = 0; h < n->in.shape->heads; h++)
        for (int t = 0; t < n->in.length; t++, f += F)
            for (int e = 0; e < count; e++)
                f[first + e] =
                    mapped(n, tensor, h * count + e, t) + (bias >= 0 ? n->in.param[bias][h * count + e] : 0);
}

/* The same with conv(W2 W1 x): tensors 0, 1 and 2; `taps` numbers of each row of the last. */
static void map_through(const NaiveScores *n, double *f, int F, int count, int rank, int taps, bool unit) {
    int C = n->in.shape->width, D = n->in.shape->head_dim, T = n->in.length;
    double *y = NEW(n->arena, T * C, double), *x = NEW(n->arena, C, double),
           *inner = NEW(n->arena, rank, double);
    int outputs = n->in.shape->heads * count;
    for (int t = 0; t < T; t++) {
        for (int c = 0; c < C; c++) {
            const double *stretch = n->x + (size_t)t * (size_t)C + c / D * D;
            x[c] = stretch[c % D] / (unit ? sqrt(dot(stretch, stretch, D) + 1e-6) : 1);
        }
        for (int r = 0; r < rank; r++) inner[r] = dot(n->in.param[0] + (size_t)r * (size_t)C, x, C);
        for (int o = 0; o < outputs; o++) y[t * outputs + o] = dot(n->in.param[1] + o * rank, inner, rank);
    }
    for (int h = 0; h < n->in.shape->heads; h++)
        for (int t = 0; t < T; t++, f += F)
            for (int e = 0; e < count; e++)
                for (int k = 0; k < taps && k <= t; k++)
                    f[e] += n->in.param[2][(h * count + e) * taps + taps - 1 - k] *
                            y[(t - k) * outputs + h * count + e];
}

/* ---- rotations ---- */

/* Scores from increments f[H,T,D/2] of angles. */
static void accumulated(const NaiveScores *n, int h, int i, double *s, const double *f) {
    int half = n->in.shape->head_dim / 2;
    double *angle = NEW(n->arena, half, double);
    for (int j = i; j >= 0; j--) {
        s[j] += turned(n, h, i, j, angle);
        for (int c = 0; c < half; c++) angle[c] += f[((size_t)h * n->in.length + j) * half + c];
    }
}

/* Veisi et al. 2025: the phase of pair c is the sum of f(x)^c, f = 1 / (softplus + 1). */
static void carope_features(const NaiveScores *n, double *f) {
    int half = n->in.shape->head_dim / 2;
    map(n, f, half, 0, 1, 0, 1);
    for (int row = 0; row < n->in.shape->heads * n->in.length; row++, f += half) {
        double frequency = 1 / ((f[0] > 40 ? f[0] : log1p(exp(f[0]))) + 1);
        for (int c = 0; c < half; c++) f[c] = pow(frequency, c);
    }
}

static void carope(const NaiveScores *n, int h, int i, double *s) {
    accumulated(n, h, i, s, features_of(n, n->in.shape->head_dim / 2, carope_features));
}

/* selective-rope, SelectiveRoPE with skip_conv, use_gate and use_bias false. */
static void selective_rope_features(const NaiveScores *n, double *f) {
    int D = n->in.shape->head_dim, half = D / 2;
    map_through(n, f, half, half, (int)option(n, "rank"), 4, true);
    for (int i = 0; i < n->in.shape->heads * n->in.length * half; i++)
        f[i] *= option(n, "temperature") / pow(option(n, "base"), 2.0 * (i % half) / D);
}

static void selective_rope(const NaiveScores *n, int h, int i, double *s) {
    accumulated(n, h, i, s, features_of(n, n->in.shape->head_dim / 2, selective_rope_features));
}

/* ---- biases ---- */

/* x-transformers, PerRowDataDependentAlibi: sums from the end over the keys before the diagonal. */
static void row_alibi_features(const NaiveScores *n, double *f) {
    int size = (int)option(n, "size");
    map(n, f, 2 * size, 0, size, 0, -1);
    map(n, f, 2 * size, size, size, 1, -1);
}

static void row_alibi(const NaiveScores *n, int h, int i, double *s) {
    int size = (int)option(n, "size");
    const double *f = features_of(n, 2 * size, row_alibi_features) + (size_t)h * n->in.length * 2 * size;
    double sum = 0;
    for (int j = i; j >= 0; j--) {
        if (j < i) sum += log(sigmoid(dot(f + i * 2 * size, f + j * 2 * size + size, size) / sqrt(size)));
        s[j] += naive_plain(n, h, i, j) + sum;
    }
}

/* x-transformers, RelativeProjPositionalBias; the tensors are the bank, then the weight and the bias. */
static void relative_projection_features(const NaiveScores *n, double *f) {
    int curves = (int)option(n, "curves");
    map(n, f, curves, 0, curves, 1, 2);
}

static void relative_projection(const NaiveScores *n, int h, int i, double *s) {
    int curves = (int)option(n, "curves"), most = (int)option(n, "distances");
    const double *f =
        features_of(n, curves, relative_projection_features) + ((size_t)h * n->in.length + i) * curves;
    for (int j = 0; j <= i; j++) {
        s[j] += naive_plain(n, h, i, j);
        for (int c = 0; c < curves && i - j < most; c++)
            s[j] += f[c] * n->in.param[0][(size_t)c * (size_t)most + (size_t)(i - j)];
    }
}

/* Zhang et al. 2025, with llama-mha-grape-ap-v1's normalisation and rotation of base 1. */
static void grape_ap_features(const NaiveScores *n, double *f) {
    int size = (int)option(n, "size");
    map(n, f, size, 0, size, 0, -1);
}

static void grape_ap(const NaiveScores *n, int h, int i, double *s) {
    int size = (int)option(n, "size"), half = size / 2;
    const double *f = features_of(n, size, grape_ap_features) + (size_t)h * n->in.length * size,
                 *p = f + i * size;
    bool absolute = option(n, "absolute") != 0;
    double sum = 0, own = absolute ? 1 : sqrt(dot(p, p, size) / size + 0x1p-23);
    for (int j = i; j >= 0; j--) {
        const double *other = f + j * size;
        double product = 0, angle = absolute ? -j : i - j;
        for (int c = 0; c < half; c++)
            product += (p[c] * other[c] + p[half + c] * other[half + c]) * cos(angle) +
                       (p[half + c] * other[c] - p[c] * other[half + c]) * sin(angle);
        product /= own * sqrt(dot(other, other, size) / size + 0x1p-23);
        s[j] += naive_plain(n, h, i, j) + naive_slope(n->in.shape->heads, h) * sum;
        sum += log(sigmoid(product / size));
    }
}

/* ---- products through matrices of the content ---- */

/* fla, naive_wall_attn. */
static void wall_features(const NaiveScores *n, double *f) {
    int D = n->in.shape->head_dim;
    map(n, f, D, 0, D, 0, 1);
    for (int row = 0; row < n->in.shape->heads * n->in.length; row++, f += D)
        for (int e = 0; e < D; e++) f[e] = log(sigmoid(f[e])) + (row % n->in.length ? f[e - D] : 0);
}

static void wall(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim;
    const double *P = features_of(n, D, wall_features) + (size_t)h * n->in.length * D;
    for (int j = 0; j <= i; j++)
        for (int e = 0; e < D; e++)
            s[j] +=
                row(n, n->q, h, i)[e] * row(n, n->k, h, j)[e] * exp(P[i * D + e] - P[j * D + e]) / sqrt(D);
}

/* fla, layers/path_attn.py, and the product of the matrices of the paper; with the gates of naive_path_attn.
 */
static void path_features(const NaiveScores *n, double *f) {
    int D = n->in.shape->head_dim, F = D + 2;
    map_through(n, f, F, D, (int)option(n, "rank"), 3, false);
    map(n, f, F, D, 1, 3, 4);
    if (option(n, "forget") != 0) map(n, f, F, D + 1, 1, 5, 6);
    for (int at = 0; at < n->in.shape->heads * n->in.length; at++, f += F) {
        for (int e = 0; e < D; e++) f[e] *= sigmoid(f[e]);
        double length = sqrt(dot(f, f, D) + 1e-6);
        for (int e = 0; e < D; e++) f[e] /= length;
        f[D] = 2 * sigmoid(f[D]);
        f[D + 1] = option(n, "forget") != 0 ? log(sigmoid(f[D + 1])) : 0;
    }
}

static void path_attention(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim, F = D + 2;
    const double *f = features_of(n, F, path_features) + (size_t)h * n->in.length * F;
    double *M = NEW(n->arena, D * D, double), gates = 0; /* H_i ... H_(j+1) */
    for (int e = 0; e < D; e++) M[e * D + e] = 1;
    for (int j = i; j >= 0; j--) {
        const double *w = f + j * F, *k = row(n, n->k, h, j);
        for (int a = 0; a < D; a++) {
            double *line = M + a * D, along = dot(line, w, D);
            s[j] += row(n, n->q, h, i)[a] * dot(line, k, D) / sqrt(D);
            for (int b = 0; b < D; b++) line[b] -= w[D] * along * w[b];
        }
        s[j] += gates / sqrt(D);
        gates += w[D + 1];
    }
}

const NaiveScoreFormulas feature_formulas[] = {
    {"carope", carope, NULL},
    {"selective_rope", selective_rope, NULL},
    {"row_alibi", row_alibi, NULL},
    {"relative_projection", relative_projection, NULL},
    {"grape_ap", grape_ap, NULL},
    {"wall", wall, NULL},
    {"path_attention", path_attention, NULL},
};
const int feature_formula_count = COUNT_OF(feature_formulas);
