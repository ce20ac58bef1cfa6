/* FoPE: Fourier position embedding.
 *
 * Hua et al., "Fourier position embedding: enhancing attention's periodic extension for length
 * generalization", 2024, arXiv 2412.17739 (code: FourierEmbedding in the authors' olmo/model.py). It changes
 * rotary in two ways: slow frequencies are dropped, and each pair rotates by a sum of frequencies. Of w_i =
 * base^(-2i/D) the first m are kept, those with L w_i >= 2 pi (L: training length). At position p, pair
 * k < c = min(m, D/4) is mapped by
 *
 *     (a, b) -> (a C_k - b S_k, b C_k + a S_k)
 *     C_k = sum_i cos(p w_i) X[i,k],    S_k = sum_i sin(p w_i) Y[i,k]
 *
 * and every other pair with C = S = 1, as in the code; in the text these pairs do not change. The
 * coefficients of a head are X = I + Z, and Y likewise, where I[i,k] = 1 if i = k ceil(m / c), and Z is
 * normal with deviation gain sqrt(2 / (m c + H c)) (xavier_normal_ of [H,m,c]). As in the authors'
 * configuration they are not trained: they are drawn once, the same in all runs. Option `learned` trains
 * them. A pair is a coordinate and the one D/2 after it.
 *
 * Speed: 4 m c operations per row of queries and of keys, with m and c at most D/2 and D/4, and rotary's 3 D,
 * forward and backward each; `learned` has at least 4 m c more backward. The sums depend on head and position
 * alone: computed once per pass, they would cost 4 m c T H in all.
 */
#include "position/rotary.h"

#include <math.h>
#include <string.h>

typedef struct Options {
    double base, gain;
    bool learned;
} Options;

static const OptionField fields[] = {
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e9,
     .help = "base of the frequencies, base^(-2i/D)"},
    {"gain", OPTION_REAL, offsetof(Options, gain), .default_value = 0.3, .low = 0.01, .high = 10,
     .help = "scale of the random part of the coefficients (the paper: 0.3 to 0.6)"},
    {"learned", OPTION_BOOL, offsetof(Options, learned), .default_value = 0,
     .help = "train the coefficients"},
};

enum { COSINES, SINES, MOST_SIZE = 1024 };

static double frequency(const PositionShape *shape, const void *options, int i) {
    return pow(((const Options *)options)->base, -2.0 * i / shape->head_dim);
}

/* m and c */
typedef struct Sizes {
    int kept, columns;
} Sizes;

static Sizes sizes_of(const PositionShape *shape, const void *options) {
    int m = 0;
    while (m < shape->head_dim / 2 && shape->train_length * frequency(shape, options, m) >= 2 * M_PI) m++;
    return (Sizes){m, m < shape->head_dim / 4 ? m : shape->head_dim / 4};
}

static bool check(const PositionShape *shape, const void *options, Error *err) {
    int D = shape->head_dim;
    if (D % 2 || D < 4 || D > MOST_SIZE)
        return error_set(err, EXIT_USAGE, "needs an even head size from 4 to %d, got %d", MOST_SIZE, D);
    if (sizes_of(shape, options).kept) return true;
    return error_set(err, EXIT_USAGE, "needs a training length of at least 7, one turn of the fastest pair");
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    Sizes s = sizes_of(shape, options);
    PositionTensor tensor = {.rank = 2, .dims = {shape->heads * s.kept, s.columns}};
    if (!((const Options *)options)->learned) return 0;
    tensors[COSINES] = tensors[SINES] = tensor;
    tensors[COSINES].name = "cosines", tensors[SINES].name = "sines";
    return 2;
}

/* Draws the coefficients [H,m,c] of the cosines, or of the sines. */
static void draw(const PositionShape *shape, const void *options, float *value, Random *rng) {
    Sizes s = sizes_of(shape, options);
    int step = (s.kept + s.columns - 1) / s.columns;
    double deviation =
        ((const Options *)options)->gain * sqrt(2.0 / (s.kept * s.columns + shape->heads * s.columns));
    for (int h = 0; h < shape->heads; h++)
        for (int i = 0; i < s.kept; i++)
            for (int k = 0; k < s.columns; k++)
                *value++ = (float)(deviation * random_normal(rng) + (i == k * step));
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    (void)index;
    draw(context->shape, context->options, value, rng);
}

/* Tables: cosines[T,m], sines[T,m]; then the coefficients [2,H,m,c] if they are fixed. */
static void *prepare(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena) {
    Sizes s = sizes_of(shape, options);
    size_t waves = (size_t)length * s.kept, count = (size_t)shape->heads * s.kept * s.columns;
    int draws = ((const Options *)options)->learned ? 0 : 2;
    float *tables = NEW(arena, 2 * waves + draws * count, float);
    if (!tables) return NULL;
    for (int t = 0; t < length; t++)
        for (int i = 0; i < s.kept; i++) {
            double angle = position_at(positions, t) * frequency(shape, options, i);
            tables[(size_t)t * s.kept + i] = (float)cos(angle);
            tables[waves + (size_t)t * s.kept + i] = (float)sin(angle);
        }
    Random rng = random_stream(0, "fope", "coefficients");
    for (int n = 0; n < draws; n++) draw(shape, options, tables + 2 * waves + n * count, &rng);
    return tables;
}

/* cos(p w_i) or sin(p w_i) of row t; `which`: COSINES or SINES */
static const float *waves_of(const PositionContext *context, Sizes s, int which, int t) {
    return (const float *)context->tables + ((size_t)which * context->length + t) * s.kept;
}

/* The coefficients [m,c] of the current head. */
static const float *coefficients(const PositionContext *context, Sizes s, int which) {
    size_t one = (size_t)s.kept * s.columns;
    if (((const Options *)context->options)->learned) return context->param[which] + context->head * one;
    return waves_of(context, s, 2, 0) + ((size_t)which * context->shape->heads + context->head) * one;
}

/* C[D/2] or S[D/2] of row t. */
static void sum_waves(const PositionContext *context, Sizes s, int which, int t, float *sums) {
    const float *waves = waves_of(context, s, which, t), *by = coefficients(context, s, which);
    memset(sums, 0, (size_t)s.columns * sizeof *sums);
    for (int i = 0; i < s.kept; i++, by += s.columns)
        for (int k = 0; k < s.columns; k++) sums[k] += waves[i] * by[k];
    for (int k = s.columns; k < context->shape->head_dim / 2; k++) sums[k] = 1;
}

/* direction: 1, or -1 for the transposed map. */
static void turn(const PositionContext *context, float *x, int stride, float direction) {
    Sizes s = sizes_of(context->shape, context->options);
    int half = context->shape->head_dim / 2;
    float C[MOST_SIZE / 2], S[MOST_SIZE / 2];
    for (int t = 0; t < context->length; t++, x += stride) {
        sum_waves(context, s, COSINES, t, C);
        sum_waves(context, s, SINES, t, S);
        for (int k = 0; k < half; k++) {
            float a = x[k], b = x[half + k], by = direction * S[k];
            x[k] = a * C[k] - b * by;
            x[half + k] = b * C[k] + a * by;
        }
    }
}

static void transform(const PositionContext *context, PositionRole role, float *x, int stride) {
    (void)role;
    turn(context, x, stride, 1);
}

/* dX[i,k] = sum_t cos(p w_i) dC_k, dC = a da + b db; dY[i,k] likewise with sines and dS = a db - b da. */
static void add_gradients(const PositionContext *context, const float *x, const float *dx, int stride) {
    Sizes s = sizes_of(context->shape, context->options);
    int half = context->shape->head_dim / 2;
    size_t at = (size_t)context->head * s.kept * s.columns;
    for (int t = 0; t < context->length; t++, x += stride, dx += stride)
        for (int i = 0; i < s.kept; i++) {
            float cosine = waves_of(context, s, COSINES, t)[i], sine = waves_of(context, s, SINES, t)[i];
            float *dcosines = context->grad[COSINES] + at + (size_t)i * s.columns,
                  *dsines = context->grad[SINES] + at + (size_t)i * s.columns;
            for (int k = 0; k < s.columns; k++) {
                dcosines[k] += cosine * (x[k] * dx[k] + x[half + k] * dx[half + k]);
                dsines[k] += sine * (x[k] * dx[half + k] - x[half + k] * dx[k]);
            }
        }
}

static void transform_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride) {
    (void)role;
    if (((const Options *)context->options)->learned) add_gradients(context, x, dx, stride);
    turn(context, dx, stride, -1);
}

const PositionMethod method_fope = {
    .name = "fope",
    .label = "FoPE",
    .citation = "Hua et al. 2024, arXiv 2412.17739",
    .claims = POS_PREFIX_STABLE | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .prepare = prepare,
    .transform = transform,
    .transform_backward = transform_backward,
};
