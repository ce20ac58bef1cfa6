/* naive_scores: formulas of methods that act on scores, in double, from the papers.
 *
 * All scores of one sequence are computed from q, k and x, independently of methods/ and of the hooks.
 */
#include "naive_scores.h"

#include <math.h>
#include <string.h>
#include "base/error.h"
#include "base/arena.h"

static double option(const NaiveScores *n, const char *key) {
    return naive_option(n->in.position, key);
}

static double dot(const double *x, const double *y, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

static double *row(const NaiveScores *n, double *x, int h, int t) {
    return x + ((size_t)h * (size_t)n->in.length + (size_t)t) * (size_t)n->in.shape->head_dim;
}

/* q_i . k_j / sqrt(D) */
static double plain(const NaiveScores *n, int h, int i, int j) {
    int D = n->in.shape->head_dim;
    return dot(row(n, n->q, h, i), row(n, n->k, h, j), D) / sqrt(D);
}

static double sigmoid(double z) {
    return 1 / (1 + exp(-z));
}

/* q_i . k_j / sqrt(D) with the query rotated by `distance` and the key not: Su et al. 2021, equation 34. The
   wavelengths are rounded with the option `resonance`; coordinates from n on are not rotated. */
static double rotated(const NaiveScores *n, int h, int i, int j, double distance) {
    int D = n->in.shape->head_dim, size = (int)lround(option(n, "fraction") * D);
    bool halves = option(n, "pairs") == 1;
    const double *q = row(n, n->q, h, i), *k = row(n, n->k, h, j);
    double sum = dot(q + size, k + size, D - size);
    for (int c = 0; c < size / 2; c++) {
        double wave = 2 * acos(-1) * pow(option(n, "base"), 2.0 * c / size);
        double angle = 2 * acos(-1) * distance / (option(n, "resonance") != 0 ? floor(wave + 0.5) : wave);
        int one = halves ? c : 2 * c, other = halves ? size / 2 + c : 2 * c + 1;
        sum += (q[one] * k[one] + q[other] * k[other]) * cos(angle) +
               (q[one] * k[other] - q[other] * k[one]) * sin(angle);
    }
    return sum / sqrt(D);
}

/* Su 2023: the distance is at most w. */
static void rerope(const NaiveScores *n, int h, int i, double *s) {
    int w = (int)option(n, "window");
    if (!w) w = n->in.shape->train_length / 2 > 1 ? n->in.shape->train_length / 2 : 1;
    for (int j = 0; j <= i; j++) s[j] += rotated(n, h, i, j, i - j < w ? i - j : w);
}

/* Shaw et al. 2018, equations 3 and 4, with i - j clipped at k; the tensors are the vectors of keys and of
 * values.
 */
static void shaw(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim;
    for (int j = 0; j <= i; j++)
        for (int e = 0; e < D; e++)
            s[j] += row(n, n->q, h, i)[e] *
                    (row(n, n->k, h, j)[e] + n->in.param[0][(int)fmin(i - j, option(n, "clip")) * D + e]) /
                    sqrt(D);
}

static void shaw_values(const NaiveScores *n, int h, int d, double *value) {
    int D = n->in.shape->head_dim;
    (void)h;
    for (int e = 0; e < D && option(n, "values") != 0; e++)
        value[e] += n->in.param[1][(int)fmin(d, option(n, "clip")) * D + e];
}

/* Dai et al. 2019, section 3.3, terms (a) to (d); the tensors are W_R, u, v. */
static void transformer_xl(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim, C = n->in.shape->width, clamp = (int)option(n, "clamp");
    const double *w = n->in.param[0] + (size_t)h * D * C, *u = n->in.param[1] + h * D,
                 *v = n->in.param[2] + h * D, *q = row(n, n->q, h, i);
    double *to_sinusoid = NEW(n->arena, C, double); /* W_R^T (q + v) */
    for (int e = 0; e < D; e++)
        for (int c = 0; c < C; c++) to_sinusoid[c] += w[e * C + c] * (q[e] + v[e]);
    for (int c = 0; c < C; c++) {
        int half = (C + 1) / 2;
        double rate = pow(10000, -2.0 * (c % half) / C);
        for (int j = 0; j <= i; j++) {
            double d = clamp && i - j > clamp ? clamp : i - j;
            s[j] += to_sinusoid[c] * (c < half ? sin(d * rate) : cos(d * rate)) / sqrt(D);
        }
    }
    for (int j = 0; j <= i; j++) {
        const double *k = row(n, n->k, h, j);
        s[j] += (dot(q, k, D) + dot(u, k, D)) / sqrt(D);
    }
}

/* Lin et al. 2025, section 3; the tensors are w and b. */
static void fox(const NaiveScores *n, int h, int i, double *s) {
    int C = n->in.shape->width;
    double sum = 0;
    for (int j = i; j >= 0; j--) {
        s[j] += plain(n, h, i, j) + sum;
        sum += log(sigmoid(dot(n->in.param[0] + (size_t)h * C, n->x + (size_t)j * C, C) + n->in.param[1][h]));
    }
}

/* Li et al. 2024, equation 19 and the listing of appendix; the tensors as torch names the layers, then c and
   the multiplier of the threshold. */
static void fire(const NaiveScores *n, int h, int i, double *s) {
    enum { UNITS = 32 };
    const double *w1 = n->in.param[0], *b1 = n->in.param[1], *w2 = n->in.param[2] + (size_t)h * UNITS;
    double c = n->in.param[4][0], threshold = option(n, "threshold");
    threshold = fabs(n->in.param[5][0] * (threshold > 0 ? threshold : n->in.shape->train_length));
    double norm = log1p(fabs(c * fmax(i, threshold))) + 1e-6;
    for (int j = 0; j <= i; j++) {
        double x = log1p(fabs(c * (i - j))) / norm, f = n->in.param[3][h];
        for (int k = 0; k < UNITS; k++) f += w2[k] * fmax(0, w1[k] * x + b1[k]);
        s[j] += plain(n, h, i, j) + f;
    }
}

/* Golovneva et al. 2024, the listing of the appendix. */
static void cope(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim;
    double p = 0, last = option(n, "positions") - 1;
    for (int j = i; j >= 0; j--) {
        double score = plain(n, h, i, j);
        p += sigmoid(score);
        double place = fmin(p, last), low = floor(place), high = ceil(place), w = place - low;
        const double *q = row(n, n->q, h, i);
        s[j] += score + w * dot(q, n->in.param[0] + (size_t)(high * D), D) +
                (1 - w) * dot(q, n->in.param[0] + (size_t)(low * D), D);
    }
}

/* Press et al. 2022: the slopes of a power of two of heads, and every other slope of twice as many heads. */
static double slope(int heads, int h) {
    int power = 1;
    while (power * 2 <= heads) power *= 2;
    return h < power ? pow(2, -8.0 * (h + 1) / power) : pow(2, -8.0 * (2 * (h - power) + 1) / (2 * power));
}

/* Zheng et al. 2024, equation 6 with KERPLE's logarithm; the tensors are f's layers, then p and a. */
static void dape(const NaiveScores *n, int h, int i, double *s) {
    enum { UNITS = 32 };
    int H = n->in.shape->heads;
    const double *const *param = n->in.param;
    double *seen = NEW(n->arena, 2 * H, double);
    for (int j = 0; j <= i; j++) {
        for (int g = 0; g < H; g++) {
            seen[g] = plain(n, g, i, j);
            seen[H + g] =
                option(n, "bias") == 1 ? -slope(H, g) * (i - j) : -param[4][g] * log1p(param[5][g] * (i - j));
        }
        s[j] += seen[h] + seen[H + h] + param[3][h];
        for (int k = 0; k < UNITS; k++) {
            double unit = param[1][k] + dot(param[0] + (size_t)k * 2 * H, seen, 2 * H);
            s[j] += param[2][h * UNITS + k] * (unit > 0 ? unit : 0.01 * unit);
        }
    }
}

/* Jin et al. 2024, the listing of appendix A: grouped query and key positions from distance w on. */
static void self_extend(const NaiveScores *n, int h, int i, double *s) {
    int w = (int)option(n, "window"), G = (int)option(n, "group");
    if (!w) w = n->in.shape->train_length / 4 > 1 ? n->in.shape->train_length / 4 : 1;
    for (int j = 0; j <= i; j++) s[j] += rotated(n, h, i, j, i - j < w ? i - j : i / G + w - w / G - j / G);
}

/* Oka et al. 2025, section 4: Shaw's scheme with Ricker wavelets. */
static void wavelet(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim, scales = (int)option(n, "scales");
    for (int j = 0; j <= i; j++) {
        s[j] += plain(n, h, i, j);
        for (int c = 0; c < D; c++) {
            double a = pow(2, c % scales), t = (i - j - c / scales) / a;
            double ricker = 2 / sqrt(3 * sqrt(acos(-1))) * (1 - t * t) * exp(-t * t / 2);
            s[j] += row(n, n->q, h, i)[c] * ricker / sqrt(D);
        }
    }
}

/* GRAPE, llama-mha-grape-a with the query's gate; the tensors are omega and u. */
static void grape_a(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim;
    const double *u = n->in.param[1] + (size_t)h * D;
    double gate = log1p(exp(dot(u, row(n, n->q, h, i), D) / sqrt(dot(u, u, D)) / sqrt(D)));
    double by = slope(n->in.shape->heads, h) * log1p(exp(n->in.param[0][h])) * gate;
    for (int j = 0; j <= i; j++) s[j] += plain(n, h, i, j) - by * (i - j);
}

/* stickbreaking-attention, sb_ref.py: z, log(1 - sigmoid(z)) summed over the keys between, and the rest for
   the token. */
static void stick_breaking(const NaiveScores *n, int h, int i, double *s) {
    double left = 0;
    for (int j = i - 1; j >= 0; j--) {
        double z = plain(n, h, i, j);
        s[j] += log(sigmoid(z)) + left;
        left += log(sigmoid(-z));
    }
    s[i] += left;
}

/* FourierEmbedding of the authors: cosines and sines times coefficients, ones for the rest; rotate_half. */
static void fope(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim, H = n->in.shape->heads, m = 0, c;
    double w[1024], turned[2][1024];
    while (m < D / 2 && pow(option(n, "base"), -2.0 * m / D) >= 2 * acos(-1) / n->in.shape->train_length)
        w[m] = pow(option(n, "base"), -2.0 * m / D), m++;
    c = m < D / 4 ? m : D / 4;
    double *drawn = NEW(n->arena, 2 * H * m * c, double);
    Random rng = random_stream(0, "fope", "coefficients");
    for (int at = 0; at < 2 * H * m * c; at++)
        drawn[at] = option(n, "learned") != 0
                        ? n->in.param[at / (H * m * c)][at % (H * m * c)]
                        : option(n, "gain") * sqrt(2.0 / (m * c + H * c)) * random_normal(&rng) +
                              (at / c % m == at % c * (int)ceil((double)m / c));
    for (int j = 0; j <= i; j++) {
        for (int key = 0; key < 2; key++) {
            const double *x = key ? row(n, n->k, h, j) : row(n, n->q, h, i);
            for (int e = 0; e < D / 2; e++) {
                double cosine = e >= c, sine = e >= c;
                for (int f = 0; f < m && e < c; f++) {
                    cosine += cos((key ? j : i) * w[f]) * drawn[(h * m + f) * c + e];
                    sine += sin((key ? j : i) * w[f]) * drawn[((H + h) * m + f) * c + e];
                }
                turned[key][e] = x[e] * cosine - x[D / 2 + e] * sine;
                turned[key][D / 2 + e] = x[D / 2 + e] * cosine + x[e] * sine;
            }
        }
        s[j] += dot(turned[0], turned[1], D) / sqrt(D);
    }
}

/* DAPE's Kerple_DAPEV2: two convolutions of three keys with zero padding, tril before the first; the tensors
   are f's, by tap, then p and a. */
static void dape_v2(const NaiveScores *n, int h, int i, double *s) {
    enum { UNITS = 32 };
    int H = n->in.shape->heads, T = n->in.length;
    const double *const *param = n->in.param;
    double *seen = NEW(n->arena, (T + 2) * 2 * H, double), *unit = NEW(n->arena, (T + 2) * UNITS, double);
    for (int j = 0; j <= i; j++)
        for (int g = 0; g < H; g++) {
            seen[(j + 1) * 2 * H + g] = plain(n, g, i, j);
            seen[(j + 1) * 2 * H + H + g] = -param[4][g] * log1p(param[5][g] * (i - j));
        }
    for (int j = 0; j < T && j <= i + 1; j++)
        for (int k = 0; k < UNITS; k++) {
            double z = param[1][k];
            for (int tap = 0; tap < 3; tap++)
                z += dot(param[0] + (size_t)(tap * UNITS + k) * 2 * H, seen + (size_t)(j + tap) * 2 * H,
                         2 * H);
            unit[(j + 1) * UNITS + k] = z > 0 ? z : 0.01 * z;
        }
    for (int j = 0; j <= i; j++) {
        s[j] += seen[(j + 1) * 2 * H + h] + seen[(j + 1) * 2 * H + H + h] + param[3][h];
        for (int tap = 0; tap < 3; tap++)
            s[j] += dot(param[2] + (size_t)(tap * H + h) * UNITS, unit + (size_t)(j + tap) * UNITS, UNITS);
    }
}

/* Gopalakrishnan et al. 2025: complex numbers with the lengths softplus(q) and softplus(k), the angle of a
   key plus that of the tensor; the real part of the product with the conjugate. */
static void pope(const NaiveScores *n, int h, int i, double *s) {
    int D = n->in.shape->head_dim;
    for (int j = 0; j <= i; j++)
        for (int c = 0; c < D; c++) {
            double w = pow(option(n, "base"), -(double)c / D);
            double lengths = log1p(exp(row(n, n->q, h, i)[c])) * log1p(exp(row(n, n->k, h, j)[c]));
            double turn = fmin(fmax(n->in.param[0][h * D + c], -2 * acos(-1)), 0);
            s[j] += lengths * cos((j - i) * w + turn) / sqrt(D);
        }
}

static const struct {
    const char *method;
    void (*scores)(const NaiveScores *, int h, int i, double *s);
    void (*values)(const NaiveScores *, int h, int d, double *value);
} formulas[] = {
    {"rerope", rerope, NULL},   {"shaw", shaw, shaw_values}, {"transformer_xl", transformer_xl, NULL},
    {"fox", fox, NULL},         {"fire", fire, NULL},        {"cope", cope, NULL},
    {"dape", dape, NULL},       {"dape_v2", dape_v2, NULL},  {"self_extend", self_extend, NULL},
    {"fope", fope, NULL},       {"wavelet", wavelet, NULL},  {"stick_breaking", stick_breaking, NULL},
    {"grape_a", grape_a, NULL}, {"pope", pope, NULL},
};

bool naive_scores_known(const char *method) {
    for (int f = 0; f < COUNT_OF(formulas); f++)
        if (strcmp(formulas[f].method, method) == 0) return true;
    return false;
}

void naive_scores(const NaiveScores *n, int h, int i, double *s) {
    memset(s, 0, ((size_t)i + 1) * sizeof *s);
    for (int f = 0; f < COUNT_OF(formulas); f++)
        if (strcmp(formulas[f].method, n->in.position->method->name) == 0) formulas[f].scores(n, h, i, s);
}

void naive_value_at(const NaiveScores *n, int h, int d, double *value) {
    for (int f = 0; f < COUNT_OF(formulas); f++)
        if (strcmp(formulas[f].method, n->in.position->method->name) == 0 && formulas[f].values)
            formulas[f].values(n, h, d, value);
}
