/* laws_attention: compares attention with a method that acts on scores to the formulas of the method
 * (naive_scores.c), with softmax and sums of values in plain loops.
 */
#include <math.h>

#include "attention/attention.h"
#include "laws_scores.h"
#include "naive_scores.h"
#include "probe.h"

/* Outputs are sums of T products of float32, for scores up to a few tens; with larger scores, their rounding
   and that of the exponentials grows in proportion. */
#define RESULT_TOLERANCE 2e-5
#define SOME_TENS        50

static float *normal(size_t count, const LawCase *c, const char *name, Arena *arena) {
    float *x = NEW(arena, count, float);
    Random rng = random_stream(c->seed, "attention", name);
    for (size_t i = 0; i < count; i++) x[i] = (float)random_normal(&rng);
    return x;
}

/* Computes out[T,C] by formulas, and the size of the largest score, from qkv[T,3C]. */
static double *expected(const LawCase *c, const Probe *p, int T, const float *qkv, const float *x,
                        double *score, Arena *arena) {
    int H = p->shape.heads, D = p->shape.head_dim, C = p->shape.width;
    size_t vectors = (size_t)H * (size_t)T * (size_t)D;
    double *parts[3], *s = NEW(arena, T, double), *out = NEW(arena, T * C, double);
    for (int part = 0; part < 3; part++) {
        parts[part] = NEW(arena, vectors, double);
        for (size_t i = 0; i < vectors; i++) {
            size_t e = i % (size_t)D, t = i / (size_t)D % (size_t)T, h = i / (size_t)D / (size_t)T;
            parts[part][i] = qkv[t * 3 * (size_t)C + (size_t)part * (size_t)C + h * (size_t)D + e];
        }
    }
    NaiveScores n = {.in = {.position = &c->position, .shape = &p->shape, .length = T},
                     .q = parts[0],
                     .k = parts[1],
                     .x = law_widened(x, (size_t)T * (size_t)C, arena),
                     .features = NEW(arena, 1, double *),
                     .arena = arena};
    for (int i = 0; i < p->count; i++) n.in.param[i] = law_widened(p->value[i], p->sizes[i], arena);
    for (int row = 0; row < H * T; row++) {
        int h = row / T, i = row % T;
        double top = -INFINITY, sum = 0, *to = out + (size_t)i * C + h * D;
        naive_scores(&n, h, i, s);
        for (int j = 0; j <= i; j++) top = fmax(top, s[j]), *score = fmax(*score, fabs(s[j]));
        for (int j = 0; j <= i; j++) sum += s[j] = exp(s[j] - top);
        for (int j = 0; j <= i; j++) {
            double value[256] = {0};
            naive_value_at(&n, h, i - j, value);
            for (int e = 0; e < D; e++)
                to[e] += s[j] / sum * (parts[2][((size_t)h * T + j) * D + e] + value[e]);
        }
    }
    return out;
}

/* Attention with the hooks. */
static void attend(const LawCase *c, const Probe *p, float *out, float *lse, const float *qkv, const float *x,
                   Arena *arena) {
    static const AttentionOptions plain;
    PositionContext context = p->context;
    context.shape = &p->shape;
    Attention *attention = attention_new(&c->position, &context, &plain, 0, false, arena);
    attention_begin(attention);
    attention_layer(attention, 0);
    attention_forward(attention, out, lse, qkv, x, 1, (AttentionDropout){0});
}

/* The largest logarithm of a sum of exponentials, relative to that of the number of keys. */
double scores_normalised(const LawCase *c, Arena *arena) {
    int T = 24;
    Probe p = probe_new(c, T, arena);
    size_t rows = (size_t)T * (size_t)p.shape.width, heads = (size_t)p.shape.heads;
    float *out = NEW(arena, rows, float), *lse = NEW(arena, heads * (size_t)T, float), worst = 0;
    attend(c, &p, out, lse, normal(3 * rows, c, "qkv", arena), normal(rows, c, "x", arena), arena);
    for (size_t i = 0; i < heads * (size_t)T; i++) worst = fmaxf(worst, fabsf(lse[i]));
    return (double)worst / log(T);
}

bool scores_formulas_hold(const LawCase *c, int length, Arena *arena, Error *err) {
    if (!naive_scores_known(c->position.method->name)) return true;
    Probe p = probe_new(c, length, arena);
    size_t C = (size_t)p.shape.width, T = (size_t)length;
    const float *qkv = normal(3 * T * C, c, "qkv", arena), *x = normal(T * C, c, "x", arena);
    float *out = NEW(arena, T * C, float);
    attend(c, &p, out, NULL, qkv, x, arena);
    double largest = 0, score = 0;
    const double *wanted = expected(c, &p, length, qkv, x, &score, arena);
    for (size_t i = 0; i < T * C; i++) largest = fmax(largest, fabs(wanted[i]));
    double tolerance = RESULT_TOLERANCE * (1 + largest) * fmax(1, score / SOME_TENS);
    for (size_t i = 0; i < T * C; i++)
        if (!(fabs(out[i] - wanted[i]) <= tolerance))
            return BROKEN(
                err, "attention at position %zu, coordinate %zu gives %.9g, not %.9g (scores up to %.3g)",
                i / C, i % C, (double)out[i], wanted[i], score);
    return true;
}
