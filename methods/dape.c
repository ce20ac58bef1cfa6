/* DAPE: data-adaptive positional encoding.
 *
 * Zheng et al., "DAPE: data-adaptive positional encoding for length extrapolation", 2024, arXiv 2405.14722,
 * section 3 (code: github.com/chuanyang-Zheng/DAPE, DAPE.py). A static bias B is corrected by a perceptron
 * that sees, for each pair, the scaled scores and the biases of all heads:
 *
 *     S = A + B + f([A; B]),     f: 2H -> 32 -> H with leaky ReLU (0.01), the same at all pairs (i, j)
 *
 * `bias` chooses B: "kerple", -p_h ln(1 + a_h d) with learned p and a, which the paper finds best of those
 * by distance, or "alibi", -m_h d. As in the code all tensors are the layer's own, f starts as torch's linear
 * layers do, uniform in +-1/sqrt(inputs), p uniform in (0, 2), a in (0, 1), both kept at 0.01 or more. With
 * f = 0 DAPE is its bias.
 *
 * Speed: per pair f costs 2 (2H 32 + 32 H) = 192 H operations forward and twice as many backward, beside the
 * 4 D H (D = 16: 64 H) of scores and values: at H = 8, D = 16 the floor is four times none's attention, at
 * the rate of small products. Pairs are worked on STRETCH at a time, so that the 32 units stay in the cache.
 */
#include "position.h"

#include <math.h>
#include <string.h>

enum { UNITS = 32, STRETCH = 256, HEADS = 128 };

typedef enum Bias { BIAS_KERPLE, BIAS_ALIBI } Bias;
static const char *const bias_names[] = {"kerple", "alibi", NULL};

typedef struct Options {
    int bias;
} Options;

static const Field fields[] = {
    {"bias", FIELD_CHOICE, offsetof(Options, bias), .standard = BIAS_KERPLE, .choices = bias_names,
     .help = "the static bias that is corrected"},
};

enum { W1, B1, W2, B2, P, A };

static bool check(const PositionShape *shape, const void *options, Err *err) {
    (void)options;
    if (shape->heads <= HEADS) return true;
    return err_set(err, EXIT_USAGE, "dape works with at most %d heads, got %d", HEADS, shape->heads);
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int H = shape->heads;
    tensors[W1] = (PositionTensor){.name = "in_weight", .rank = 2, .dims = {UNITS, 2 * H}, .per_layer = true};
    tensors[B1] = (PositionTensor){.name = "in_bias", .rank = 1, .dims = {UNITS}, .per_layer = true};
    tensors[W2] = (PositionTensor){.name = "out_weight", .rank = 2, .dims = {H, UNITS}, .per_layer = true};
    tensors[B2] = (PositionTensor){.name = "out_bias", .rank = 1, .dims = {H}, .per_layer = true};
    tensors[P] = (PositionTensor){.name = "p", .rank = 1, .dims = {H}, .per_layer = true};
    tensors[A] = (PositionTensor){.name = "a", .rank = 1, .dims = {H}, .per_layer = true};
    return ((const Options *)options)->bias == BIAS_KERPLE ? 6 : 4;
}

static void init(const PositionShape *shape, const void *options, int index, float *value, Rng *rng) {
    int H = shape->heads;
    const int counts[] = {UNITS * 2 * H, UNITS, H * UNITS, H, H, H};
    double into = 1 / sqrt(2 * H), out = 1 / sqrt(UNITS);
    const double low[] = {-into, -into, -out, -out, 0, 0}, high[] = {into, into, out, out, 2, 1};
    (void)options;
    for (int i = 0; i < counts[index]; i++)
        value[i] = (float)(low[index] + (high[index] - low[index]) * rng_uniform(rng));
}

static void project(const PositionShape *shape, const void *options, int index, float *value) {
    (void)options;
    for (int h = 0; (index == P || index == A) && h < shape->heads; h++)
        if (value[h] < 0.01f) value[h] = 0.01f;
}

/* ALiBi's slope of head h, for any number of heads (see alibi.c). */
static double slope(int h, int heads) {
    int power = 1;
    while (2 * power <= heads) power *= 2;
    return h < power ? exp2(-8.0 * (h + 1) / power) : exp2(-8.0 * (2 * (h - power) + 1) / (2 * power));
}

static void distance_bias(const PositionContext *context, float *bias) {
    int heads = context->shape->heads;
    bool kerple = ((const Options *)context->options)->bias == BIAS_KERPLE;
    for (int h = 0; h < heads; h++) {
        double p = kerple ? context->param[P][h] : slope(h, heads), a = kerple ? context->param[A][h] : 1;
        for (int d = 0; d < context->length; d++) *bias++ = (float)(kerple ? -p * log1p(a * d) : -p * d);
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    if (((const Options *)context->options)->bias != BIAS_KERPLE) return;
    for (int h = 0; h < context->shape->heads; h++) {
        double p = context->param[P][h], a = context->param[A][h], dp = 0, da = 0;
        for (int d = 0; d < context->length; d++, dbias++) {
            dp -= *dbias * log1p(a * d);
            da -= *dbias * p * d / (1 + a * d);
        }
        context->grad[P][h] += (float)dp;
        context->grad[A][h] += (float)da;
    }
}

/* Some keys of one row of all heads: what f sees and computes, in `columns` of STRETCH places, zeros behind
   the keys. */
typedef struct Stretch {
    int columns;
    float in[2 * HEADS * STRETCH]; /* [2H,STRETCH]: A, then B; backward its gradient */
    float units[UNITS * STRETCH];  /* before the ReLU; backward their gradient */
    float after[UNITS * STRETCH];
    float out[HEADS * STRETCH]; /* f; backward the gradient at it */
} Stretch;

/* Row r of head h in the block, and the bias of its keys: key j has bias[i - j]. */
static size_t row_of(const PositionScores *b, int h, int r) {
    return ((size_t)h * b->rows + r) * b->columns;
}

static void forward(const PositionContext *context, const PositionScores *b, Stretch *s, int r, int j0,
                    int keys) {
    int H = context->shape->heads, i = b->first + r, columns = s->columns = (keys + 15) / 16 * 16;
    for (int h = 0; h < H; h++) {
        const float *score = b->s + row_of(b, h, r) + j0;
        const float *bias = b->bias + (size_t)h * context->length + (i - j0);
        float *seen = s->in + (size_t)h * STRETCH, *fixed = s->in + (size_t)(H + h) * STRETCH;
        for (int j = 0; j < keys; j++) fixed[j] = bias[-j], seen[j] = score[j] - fixed[j];
        for (int j = keys; j < columns; j++) fixed[j] = seen[j] = 0;
    }
    position_product(s->units, STRETCH, context->param[W1], 2 * H, s->in, STRETCH, UNITS, columns, 2 * H, 0);
    for (int k = 0; k < UNITS; k++) {
        float *units = s->units + k * STRETCH, *after = s->after + k * STRETCH, shift = context->param[B1][k];
        for (int j = 0; j < columns; j++) units[j] += shift, after[j] = 0.01f * units[j];
        /* The ReLU is a selection of two numbers that are there: a product in it would be a branch. */
        for (int j = 0; j < columns; j++) after[j] = units[j] > 0 ? units[j] : after[j];
    }
}

static void scores(const PositionContext *context, const PositionScores *b) {
    int H = context->shape->heads;
    Stretch s = {0};
    for (int r = 0; r < b->rows; r++)
        for (int j0 = 0; j0 <= b->first + r; j0 += STRETCH) {
            int keys = b->first + r + 1 - j0 < STRETCH ? b->first + r + 1 - j0 : STRETCH;
            forward(context, b, &s, r, j0, keys);
            position_product(s.out, STRETCH, context->param[W2], UNITS, s.after, STRETCH, H, s.columns, UNITS,
                             0);
            for (int h = 0; h < H; h++) {
                float *score = b->s + row_of(b, h, r) + j0, shift = context->param[B2][h];
                const float *out = s.out + (size_t)h * STRETCH;
                for (int j = 0; j < keys; j++) score[j] += out[j] + shift;
            }
        }
}

/* Gradients of f's tensors, and in s->in those of what f sees. */
static void backward(const PositionContext *context, Stretch *s) {
    int H = context->shape->heads, columns = s->columns;
    position_product(context->grad[W2], UNITS, s->out, STRETCH, s->after, STRETCH, H, UNITS, columns,
                     POS_ADD | POS_TURN_B);
    position_product(s->after, STRETCH, context->param[W2], UNITS, s->out, STRETCH, UNITS, columns, H,
                     POS_TURN_A);
    for (int k = 0; k < UNITS; k++) {
        float *units = s->units + k * STRETCH, sum = 0;
        const float *after = s->after + k * STRETCH;
        float leak[STRETCH];
        for (int j = 0; j < columns; j++) leak[j] = 0.01f * after[j];
        for (int j = 0; j < columns; j++) units[j] = units[j] > 0 ? after[j] : leak[j];
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < columns; j++) sum += units[j];
        context->grad[B1][k] += sum;
    }
    position_product(context->grad[W1], 2 * H, s->units, STRETCH, s->in, STRETCH, UNITS, 2 * H, columns,
                     POS_ADD | POS_TURN_B);
    position_product(s->in, STRETCH, context->param[W1], 2 * H, s->units, STRETCH, 2 * H, columns, UNITS,
                     POS_TURN_A);
}

static void scores_backward(const PositionContext *context, const PositionScores *b) {
    int H = context->shape->heads;
    Stretch s = {0};
    for (int r = 0; r < b->rows; r++)
        for (int j0 = 0; j0 <= b->first + r; j0 += STRETCH) {
            int i = b->first + r, keys = i + 1 - j0 < STRETCH ? i + 1 - j0 : STRETCH;
            forward(context, b, &s, r, j0, keys);
            for (int h = 0; h < H; h++) {
                const float *ds = b->ds + row_of(b, h, r) + j0;
                float *out = s.out + (size_t)h * STRETCH, sum = 0;
                memcpy(out, ds, (size_t)keys * sizeof *out);
                memset(out + keys, 0, (size_t)(s.columns - keys) * sizeof *out);
#pragma omp simd reduction(+ : sum)
                for (int j = 0; j < keys; j++) sum += ds[j];
                context->grad[B2][h] += sum;
            }
            backward(context, &s);
            for (int h = 0; h < H; h++) { /* s = A + B came in: f's share of A's, and of B's less A's */
                float *ds = b->ds + row_of(b, h, r) + j0;
                double *dbias = b->dbias + (size_t)h * context->length + (i - j0);
                const float *seen = s.in + (size_t)h * STRETCH, *fixed = s.in + (size_t)(H + h) * STRETCH;
                for (int j = 0; j < keys; j++) ds[j] += seen[j];
                for (int j = 0; j < keys; j++) dbias[-j] += (double)(fixed[j] - seen[j]);
            }
        }
}

const PositionMethod method_dape = {
    .name = "dape",
    .label = "DAPE",
    .citation = "Zheng et al. 2024, arXiv 2405.14722, section 3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    .layout = layout,
    .init = init,
    .project = project,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
    .scores = scores,
    .scores_backward = scores_backward,
};
