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
 * Speed: what f makes of B depends on the distance alone and is computed once for ROWS queries, its gradient
 * from sums along diagonals. Per pair are left 128 H operations forward and 256 H backward; attention
 * computes scores again in its backward pass, and f its units a second time: 576 H in training, beside none's
 * 14 D H. Some 100 instructions for adding, choosing and moving come to that. At the rate of multiplications
 * alone, and 4 instructions a cycle, the floor in training is 1.2 times none at T = 128 and 1.6 times at 512
 * for the model of `poslab bench` (width 128, 8 heads of 16), evaluating 1.1 and 1.4 times.
 */
#include "position/position.h"

#include <math.h>
#include <string.h>

enum { UNITS = 32, ROWS = 32, STRETCH = 128, WINDOW = STRETCH + ROWS, PLACE = WINDOW + 16, HEADS = 128 };

typedef enum Bias { BIAS_KERPLE, BIAS_ALIBI } Bias;
static const char *const bias_names[] = {"kerple", "alibi", NULL};

typedef struct Options {
    int bias;
} Options;

static const OptionField fields[] = {
    {"bias", OPTION_CHOICE, offsetof(Options, bias), .default_value = BIAS_KERPLE, .choices = bias_names,
     .help = "the static bias that is corrected"},
};

enum { W1, B1, W2, B2, P, A };

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->heads <= HEADS) return true;
    return error_set(err, EXIT_USAGE, "dape works with at most %d heads, got %d", HEADS, shape->heads);
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

static void init(const PositionShape *shape, const void *options, int index, float *value, Random *rng) {
    int H = shape->heads;
    const int counts[] = {UNITS * 2 * H, UNITS, H * UNITS, H, H, H};
    double into = 1 / sqrt(2 * H), out = 1 / sqrt(UNITS);
    const double low[] = {-into, -into, -out, -out, 0, 0}, high[] = {into, into, out, out, 2, 1};
    (void)options;
    for (int i = 0; i < counts[index]; i++)
        value[i] = (float)(low[index] + (high[index] - low[index]) * random_uniform(rng));
}

static void project(const PositionShape *shape, const void *options, int index, float *value) {
    (void)options;
    for (int h = 0; (index == P || index == A) && h < shape->heads; h++)
        if (value[h] < 0.01f) value[h] = 0.01f;
}

static void distance_bias(const PositionContext *context, float *bias) {
    int heads = context->shape->heads;
    bool kerple = ((const Options *)context->options)->bias == BIAS_KERPLE;
    for (int h = 0; h < heads; h++) {
        double p = kerple ? context->param[P][h] : position_slope(h, heads, 8),
               a = kerple ? context->param[A][h] : 1;
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

/* Keys first .. first + STRETCH - 1 as up to ROWS queries see them. What f makes of the biases depends on the
   distance alone, so that it is computed for a window of distances: place x has distance reach - x, and the
   keys of query i begin at place last - i, where last = first + reach is the last query. */
typedef struct Stretch {
    int first, last, reach;
    float bias[HEADS * PLACE];    /* [H,WINDOW]: B, zero beyond the diagonal; backward the gradient at it */
    float shift[UNITS * PLACE];   /* [32,WINDOW]: b1 + W1 [0; B] */
    float dshift[UNITS * PLACE];  /* the gradient at it */
    int keys, columns;            /* of one query: `keys` places up to the diagonal, zeros up to `columns` */
    float content[HEADS * PLACE]; /* [H,STRETCH]: A; backward f's gradient at it */
    float units[UNITS * PLACE];   /* behind the ReLU */
    float dunits[UNITS * PLACE];
    float out[HEADS * PLACE]; /* f; backward the gradient at it */
} Stretch;

/* Row r of head h in the block. */
static size_t row_of(const PositionScores *b, int h, int r) {
    return ((size_t)h * b->rows + r) * b->columns;
}

static void window_begin(const PositionContext *context, const PositionScores *b, Stretch *s, int first,
                         int last) {
    int H = context->shape->heads;
    s->first = first, s->last = last, s->reach = last - first;
    for (int h = 0; h < H; h++) {
        const float *at = b->bias + (size_t)h * context->length;
        for (int x = 0; x < WINDOW; x++) s->bias[h * PLACE + x] = x <= s->reach ? at[s->reach - x] : 0;
    }
    for (int k = 0; k < UNITS; k++)
        for (int x = 0; x < WINDOW; x++) s->shift[k * PLACE + x] = context->param[B1][k];
    position_product(s->shift, PLACE, context->param[W1] + H, 2 * H, s->bias, PLACE, UNITS, WINDOW, H,
                     POS_ADD);
}

/* The units of query i, which is row r. */
static bool forward(const PositionContext *context, const PositionScores *b, Stretch *s, int r) {
    int H = context->shape->heads, i = b->first + r, start = s->last - i, keys = i + 1 - s->first;
    if (keys <= 0) return false;
    s->keys = keys < STRETCH ? keys : STRETCH;
    s->columns = (s->keys + 15) / 16 * 16;
    for (int h = 0; h < H; h++) {
        const float *score = b->s + row_of(b, h, r) + s->first, *bias = s->bias + h * PLACE + start;
        float *content = s->content + h * PLACE;
        for (int j = 0; j < s->keys; j++) content[j] = score[j] - bias[j];
        for (int j = s->keys; j < s->columns; j++) content[j] = 0;
    }
    position_product(s->units, PLACE, context->param[W1], 2 * H, s->content, PLACE, UNITS, s->columns, H, 0);
    for (int k = 0; k < UNITS; k++) {
        float *units = s->units + k * PLACE;
        const float *shift = s->shift + k * PLACE + start;
        for (int j = 0; j < s->columns; j++) {
            float before = units[j] + shift[j];
            float leak = 0.01f * before;
            units[j] = before > leak ? before : leak;
        }
    }
    return true;
}

static void stretch_scores(const PositionContext *context, const PositionScores *b, Stretch *s, int top,
                           int bottom) {
    int H = context->shape->heads;
    for (int r = top; r < bottom; r++) {
        if (!forward(context, b, s, r)) continue;
        position_product(s->out, PLACE, context->param[W2], UNITS, s->units, PLACE, H, s->columns, UNITS, 0);
        for (int h = 0; h < H; h++) {
            float *score = b->s + row_of(b, h, r) + s->first, shift = context->param[B2][h];
            const float *out = s->out + h * PLACE;
            for (int j = 0; j < s->keys; j++) score[j] += out[j] + shift;
        }
    }
}

/* Gradients of f's tensors from one query, in s->content those of its A, in s->dshift those of the window. */
static void backward(const PositionContext *context, Stretch *s, int start) {
    int H = context->shape->heads, columns = s->columns;
    position_product(context->grad[W2], UNITS, s->out, PLACE, s->units, PLACE, H, UNITS, columns,
                     POS_ADD | POS_TRANSPOSE_B);
    position_product(s->dunits, PLACE, context->param[W2], UNITS, s->out, PLACE, UNITS, columns, H,
                     POS_TRANSPOSE_A);
    for (int k = 0; k < UNITS; k++) {
        const float *units = s->units + k * PLACE;
        float *dunits = s->dunits + k * PLACE, *dshift = s->dshift + k * PLACE + start;
        float leak[STRETCH]; /* two numbers that are there to choose from: a product would be a branch */
        for (int j = 0; j < columns; j++) leak[j] = 0.01f * dunits[j];
        for (int j = 0; j < columns; j++) dunits[j] = units[j] > 0 ? dunits[j] : leak[j];
        for (int j = 0; j < columns; j++) dshift[j] += dunits[j];
    }
    position_product(context->grad[W1], 2 * H, s->dunits, PLACE, s->content, PLACE, UNITS, H, columns,
                     POS_ADD | POS_TRANSPOSE_B);
    position_product(s->content, PLACE, context->param[W1], 2 * H, s->dunits, PLACE, H, columns, UNITS,
                     POS_TRANSPOSE_A);
}

/* From the window to b1, W1 and B. A = s - B: what comes to A goes off B. */
static void window_end(const PositionContext *context, const PositionScores *b, Stretch *s) {
    int H = context->shape->heads;
    const float *weight = context->param[W1];
    float turned[HEADS * UNITS];
    for (int k = 0; k < UNITS; k++) {
        const float *dshift = s->dshift + k * PLACE;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int x = 0; x < WINDOW; x++) sum += dshift[x];
        context->grad[B1][k] += sum;
        for (int h = 0; h < H; h++)
            turned[h * UNITS + k] = weight[(2 * k + 1) * H + h] - weight[2 * k * H + h];
    }
    position_product(context->grad[W1] + H, 2 * H, s->dshift, PLACE, s->bias, PLACE, UNITS, H, WINDOW,
                     POS_ADD | POS_TRANSPOSE_B);
    position_product(s->bias, PLACE, turned, UNITS, s->dshift, PLACE, H, WINDOW, UNITS, 0);
    for (int h = 0; h < H; h++) {
        double *dbias = b->dbias + (size_t)h * context->length;
        for (int x = 0; x < WINDOW && x <= s->reach; x++)
            dbias[s->reach - x] += (double)s->bias[h * PLACE + x];
    }
}

static void stretch_backward(const PositionContext *context, const PositionScores *b, Stretch *s, int top,
                             int bottom) {
    int H = context->shape->heads;
    memset(s->dshift, 0, sizeof s->dshift);
    for (int r = top; r < bottom; r++) {
        if (!forward(context, b, s, r)) continue;
        for (int h = 0; h < H; h++) {
            const float *ds = b->ds + row_of(b, h, r) + s->first;
            float *out = s->out + h * PLACE, sum = 0;
            memcpy(out, ds, (size_t)s->keys * sizeof *out);
            memset(out + s->keys, 0, (size_t)(s->columns - s->keys) * sizeof *out);
#pragma omp simd reduction(+ : sum)
            for (int j = 0; j < s->keys; j++) sum += ds[j];
            context->grad[B2][h] += sum;
        }
        backward(context, s, s->last - b->first - r);
        for (int h = 0; h < H; h++) {
            float *ds = b->ds + row_of(b, h, r) + s->first;
            for (int j = 0; j < s->keys; j++) ds[j] += s->content[h * PLACE + j];
        }
    }
    window_end(context, b, s);
}

static void each_stretch(const PositionContext *context, const PositionScores *b,
                         void (*work)(const PositionContext *context, const PositionScores *b, Stretch *s,
                                      int top, int bottom)) {
    Stretch s;
    for (int top = 0; top < b->rows; top += ROWS) {
        int bottom = top + ROWS < b->rows ? top + ROWS : b->rows, last = b->first + bottom - 1;
        for (int first = 0; first <= last; first += STRETCH) {
            window_begin(context, b, &s, first, last);
            work(context, b, &s, top, bottom);
        }
    }
}

static void scores(const PositionContext *context, const PositionScores *b) {
    each_stretch(context, b, stretch_scores);
}

static void scores_backward(const PositionContext *context, const PositionScores *b) {
    each_stretch(context, b, stretch_backward);
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
