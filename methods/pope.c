/* PoPE: polar coordinate position embedding, in which content has no say in the angle.
 *
 * Gopalakrishnan et al., "Decoupling the 'what' and 'where' with polar coordinate positional embeddings",
 * 2025, arXiv 2509.10534 (code by others: github.com/lucidrains/PoPE-pytorch). Every coordinate c of a head
 * becomes a complex number whose length is the content and whose angle is the position alone. With w_c =
 * base^(-c/D), c = 0..D-1, and a learned angle p_hc of each head, in [-2 pi, 0]:
 *
 *     q_c -> softplus(q_c) e^(i t w_c),      k_c -> softplus(k_c) e^(i (s w_c + p_hc))
 *     S[h,t,s] = sum_c softplus(q_c) softplus(k_c) cos((t - s) w_c - p_hc) / sqrt(D)
 *
 * Rotary, in contrast, has D/2 frequencies and an angle to which q and k contribute. All layers share the
 * angles p, which start at 0 or uniform in their range. As in that code, they are limited where they are
 * used: one that has left the range acts as its bound and is not trained any more.
 *
 * Not confirmed: that all layers share the angles, and that they start at 0, is from that code, not from the
 * paper.
 *
 * Speed: four of none's seven products have 2 D numbers instead of D: 22 D operations per pair in training,
 * instead of 14 D; 6 D in evaluation, instead of 4 D. Per coordinate of a row a softplus and 8 operations,
 * backward a softplus, a sigmoid and 15 operations; cosines and sines are a table.
 */
#include "position/position.h"

#include <math.h>

typedef enum Start { START_ZERO, START_UNIFORM } Start;
static const char *const start_names[] = {"zero", "uniform", NULL};

typedef struct Options {
    double base;
    int start;
} Options;

static const OptionField fields[] = {
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e9,
     .help = "base of the frequencies, base^(-c/D) for coordinate c of D"},
    {"start", OPTION_CHOICE, offsetof(Options, start), .default_value = START_ZERO, .choices = start_names,
     .help = "initial angles of keys: 0, or uniform from -2 pi to 0"},
};

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    tensors[0] = (PositionTensor){.name = "angle", .rank = 2, .dims = {shape->heads, shape->head_dim}};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index;
    bool uniform = ((const Options *)context->options)->start == START_UNIFORM;
    for (int i = 0; uniform && i < context->shape->width; i++)
        value[i] = (float)(-2 * M_PI * random_uniform(rng));
}

/* cosines[T,D], sines[T,D] of the angles t w_c */
static void *prepare(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena) {
    int D = shape->head_dim;
    size_t count = (size_t)length * D;
    float *cosines = NEW(arena, 2 * count, float);
    if (!cosines) return NULL;
    float *sines = cosines + count;
    for (int c = 0; c < D; c++) {
        double w = pow(((const Options *)options)->base, -(double)c / D);
        for (int t = 0; t < length; t++) {
            cosines[(size_t)t * D + c] = (float)cos(position_at(positions, t) * w);
            sines[(size_t)t * D + c] = (float)sin(position_at(positions, t) * w);
        }
    }
    return cosines;
}

/* Whether the angle is in its range; NaN is. */
static bool trained(float angle) {
    return !(angle > 0 || angle < (float)(-2 * M_PI));
}

/* Up to 64 coordinates of all rows: `turn` is the angle that the current head adds to keys. */
enum { STRETCH = 64 };

typedef struct Stretch {
    int first, count;
    float turn_cosine[STRETCH], turn_sine[STRETCH];
} Stretch;

static Stretch stretch_at(const PositionContext *context, PositionRole role, int first) {
    int D = context->shape->head_dim;
    const float *angle = context->param[0] + (size_t)context->head * D + first;
    Stretch s = {.first = first, .count = D - first < STRETCH ? D - first : STRETCH};
    for (int c = 0; c < s.count; c++) { /* cos and sin are 1 and 0 at both bounds */
        bool turned = role == POS_KEY && trained(angle[c]);
        s.turn_cosine[c] = turned ? (float)cos(angle[c]) : 1;
        s.turn_sine[c] = turned ? (float)sin(angle[c]) : 0;
    }
    return s;
}

/* The cosines and sines of the angles in row t. */
static void angles(const PositionContext *context, const Stretch *s, int t, float *cosine, float *sine) {
    size_t D = (size_t)context->shape->head_dim, at = t * D + s->first;
    const float *cosines = (const float *)context->tables + at, *sines = cosines + context->length * D;
    for (int c = 0; c < s->count; c++) {
        cosine[c] = cosines[c] * s->turn_cosine[c] - sines[c] * s->turn_sine[c];
        sine[c] = sines[c] * s->turn_cosine[c] + cosines[c] * s->turn_sine[c];
    }
}

static void transform(const PositionContext *context, PositionRole role, float *x, int stride) {
    int D = context->shape->head_dim;
    float length[STRETCH], cosine[STRETCH], sine[STRETCH];
    for (int first = 0; first < D; first += STRETCH) {
        Stretch s = stretch_at(context, role, first);
        for (int t = 0; t < context->length; t++) {
            float *real = x + (size_t)t * stride + first, *imaginary = real + D;
            angles(context, &s, t, cosine, sine);
            position_softplus(length, real, s.count);
            for (int c = 0; c < s.count; c++) {
                real[c] = length[c] * cosine[c];
                imaginary[c] = length[c] * sine[c];
            }
        }
    }
}

/* With the gradients da and db of the real and the imaginary part of l e^(i a), l = softplus(x): dx = (da cos
   a + db sin a) sigmoid(x), and that of the angle of a key is l (db cos a - da sin a). */
static void transform_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride) {
    int D = context->shape->head_dim;
    float length[STRETCH], slope[STRETCH], cosine[STRETCH], sine[STRETCH];
    for (int first = 0; first < D; first += STRETCH) {
        Stretch s = stretch_at(context, role, first);
        double sums[STRETCH] = {0};
        for (int t = 0; t < context->length; t++) {
            const float *from = x + (size_t)t * stride + first;
            float *da = dx + (size_t)t * stride + first, *db = da + D;
            angles(context, &s, t, cosine, sine);
            position_softplus(length, from, s.count);
            position_sigmoid(slope, from, s.count);
            for (int c = 0; c < s.count; c++) {
                sums[c] += length[c] * (db[c] * cosine[c] - da[c] * sine[c]);
                da[c] = (da[c] * cosine[c] + db[c] * sine[c]) * slope[c];
            }
        }
        size_t at = (size_t)context->head * D + first;
        for (int c = 0; role == POS_KEY && c < s.count; c++)
            if (trained(context->param[0][at + c])) context->grad[0][at + c] += (float)sums[c];
    }
}

const PositionMethod method_pope = {
    .name = "pope",
    .label = "PoPE",
    .citation = "Gopalakrishnan et al. 2025, arXiv 2509.10534",
    .unconfirmed =
        "that all layers share the learned angles, and that they start at 0, is from code by others",
    .also = "polar",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .prepare = prepare,
    .transform = transform,
    .transform_backward = transform_backward,
    .widening = 2,
};
