#include "position/perceptron.h"

#include <math.h>
#include <string.h>

enum { UNITS = PERCEPTRON_UNITS };

int perceptron_layout(PositionTensor tensors[], int inputs, int units, int heads, bool per_layer) {
    const PositionTensor layout[PERCEPTRON_TENSORS] = {
        [PERCEPTRON_IN_WEIGHT] = {.name = "in_weight",
                                  .rank = inputs == 1 ? 1 : 2,
                                  .dims = {units, inputs == 1 ? 0 : inputs},
                                  .per_layer = per_layer},
        [PERCEPTRON_IN_BIAS] = {.name = "in_bias", .rank = 1, .dims = {units}, .per_layer = per_layer},
        [PERCEPTRON_OUT_WEIGHT] = {.name = "out_weight",
                                   .rank = 2,
                                   .dims = {heads, units},
                                   .per_layer = per_layer},
        [PERCEPTRON_OUT_BIAS] =
            {.name = "out_bias", .rank = 1, .dims = {heads}, .per_layer = per_layer, .inert = true},
    };
    memcpy(tensors, layout, sizeof layout);
    return PERCEPTRON_TENSORS;
}

void perceptron_init(int inputs, int units, int heads, int index, float *value, Random *rng) {
    const int counts[] = {units * inputs, units, heads * units, heads};
    double bound = 1 / sqrt(index < PERCEPTRON_OUT_WEIGHT ? inputs : units);
    for (int i = 0; i < counts[index]; i++) value[i] = (float)(bound * (2 * random_uniform(rng) - 1));
}

/* ---- scores ----
 *
 * Scores are processed in blocks of at most ROWS queries and KEYS keys. The part of the first layer that
 * reads the distance biases depends only on the distance: it is computed once per block, for a window of
 * all its distances, and its gradient is summed along diagonals. The rest takes 128 H operations forward
 * and 256 H backward for each pair. The units are computed twice, because attention recomputes scores in
 * its backward pass: 576 H operations in training, and about 100 instructions for additions, selections and
 * moves.
 */

enum { ROWS = 32, KEYS = 128, WINDOW = KEYS + ROWS, STRIDE = WINDOW + 16, MAX_HEADS = PERCEPTRON_MAX_HEADS };

/* A block has keys first_key .. first_key + KEYS - 1 and queries up to last_query. Index x of the window
   has the distance reach - x; the keys of query i begin at index last_query - i. */
typedef struct Block {
    int first_key, last_query, reach;
    float bias[MAX_HEADS * STRIDE]; /* [H,WINDOW]: B, zero beyond the diagonal; backward: its gradient */
    float shift[UNITS * STRIDE];    /* [UNITS,WINDOW]: in_bias + in_weight [0; B] */
    float dshift[UNITS * STRIDE];   /* the gradient of shift */
    int keys, columns; /* of one query: keys up to the diagonal; keys with zeros added up to `columns` */
    float content[MAX_HEADS * STRIDE]; /* [H,KEYS]: A; backward: the gradient of A that f adds */
    float units[UNITS * STRIDE];       /* [UNITS,KEYS]: output of the leaky ReLU */
    float dunits[UNITS * STRIDE];
    float out[MAX_HEADS * STRIDE]; /* [H,KEYS]: f; backward: its gradient */
} Block;

/* The offset of row r of head h in the scores. */
static size_t row_of(const PositionScores *b, int h, int r) {
    return ((size_t)h * b->rows + r) * b->columns;
}

static void window_begin(const PositionContext *context, const PositionScores *b, Block *s, int first_key,
                         int last_query) {
    int H = context->shape->heads;
    s->first_key = first_key, s->last_query = last_query, s->reach = last_query - first_key;
    for (int h = 0; h < H; h++) {
        const float *at = b->bias + (size_t)h * context->length;
        for (int x = 0; x < WINDOW; x++) s->bias[h * STRIDE + x] = x <= s->reach ? at[s->reach - x] : 0;
    }
    for (int k = 0; k < UNITS; k++)
        for (int x = 0; x < WINDOW; x++) s->shift[k * STRIDE + x] = context->param[PERCEPTRON_IN_BIAS][k];
    position_product(s->shift, STRIDE, context->param[PERCEPTRON_IN_WEIGHT] + H, 2 * H, s->bias, STRIDE,
                     UNITS, WINDOW, H, POS_ADD);
}

/* Computes the units of row r; returns false if the query sees no key of the block. */
static bool units_forward(const PositionContext *context, const PositionScores *b, Block *s, int r) {
    int H = context->shape->heads, i = b->first + r, start = s->last_query - i, keys = i + 1 - s->first_key;
    if (keys <= 0) return false;
    s->keys = keys < KEYS ? keys : KEYS;
    s->columns = (s->keys + 15) / 16 * 16;
    for (int h = 0; h < H; h++) {
        const float *score = b->s + row_of(b, h, r) + s->first_key, *bias = s->bias + h * STRIDE + start;
        float *content = s->content + h * STRIDE;
        for (int j = 0; j < s->keys; j++) content[j] = score[j] - bias[j];
        for (int j = s->keys; j < s->columns; j++) content[j] = 0;
    }
    position_product(s->units, STRIDE, context->param[PERCEPTRON_IN_WEIGHT], 2 * H, s->content, STRIDE, UNITS,
                     s->columns, H, 0);
    for (int k = 0; k < UNITS; k++) {
        float *units = s->units + k * STRIDE;
        const float *shift = s->shift + k * STRIDE + start;
        for (int j = 0; j < s->columns; j++) {
            float before = units[j] + shift[j];
            float leak = 0.01f * before;
            units[j] = before > leak ? before : leak;
        }
    }
    return true;
}

static void block_forward(const PositionContext *context, const PositionScores *b, Block *s, int top,
                          int bottom) {
    int H = context->shape->heads;
    for (int r = top; r < bottom; r++) {
        if (!units_forward(context, b, s, r)) continue;
        position_product(s->out, STRIDE, context->param[PERCEPTRON_OUT_WEIGHT], UNITS, s->units, STRIDE, H,
                         s->columns, UNITS, 0);
        for (int h = 0; h < H; h++) {
            float *score = b->s + row_of(b, h, r) + s->first_key,
                  shift = context->param[PERCEPTRON_OUT_BIAS][h];
            const float *out = s->out + h * STRIDE;
            for (int j = 0; j < s->keys; j++) score[j] += out[j] + shift;
        }
    }
}

/* One query: adds the gradients of the weights, writes the gradient of A to s->content, and adds to
   s->dshift. */
static void query_backward(const PositionContext *context, Block *s, int start) {
    int H = context->shape->heads, columns = s->columns;
    position_product(context->grad[PERCEPTRON_OUT_WEIGHT], UNITS, s->out, STRIDE, s->units, STRIDE, H, UNITS,
                     columns, POS_ADD | POS_TRANSPOSE_B);
    position_product(s->dunits, STRIDE, context->param[PERCEPTRON_OUT_WEIGHT], UNITS, s->out, STRIDE, UNITS,
                     columns, H, POS_TRANSPOSE_A);
    for (int k = 0; k < UNITS; k++) {
        const float *units = s->units + k * STRIDE;
        float *dunits = s->dunits + k * STRIDE, *dshift = s->dshift + k * STRIDE + start;
        /* computed for all keys before the selection, so that the compiler makes no branch */
        float leak[KEYS];
        for (int j = 0; j < columns; j++) leak[j] = 0.01f * dunits[j];
        for (int j = 0; j < columns; j++) dunits[j] = units[j] > 0 ? dunits[j] : leak[j];
        for (int j = 0; j < columns; j++) dshift[j] += dunits[j];
    }
    position_product(context->grad[PERCEPTRON_IN_WEIGHT], 2 * H, s->dunits, STRIDE, s->content, STRIDE, UNITS,
                     H, columns, POS_ADD | POS_TRANSPOSE_B);
    position_product(s->content, STRIDE, context->param[PERCEPTRON_IN_WEIGHT], 2 * H, s->dunits, STRIDE, H,
                     columns, UNITS, POS_TRANSPOSE_A);
}

/* Adds the gradient of the window to the first layer and to B. A = S - B, so the gradient of A is
   subtracted from that of B. */
static void window_backward(const PositionContext *context, const PositionScores *b, Block *s) {
    int H = context->shape->heads;
    const float *weight = context->param[PERCEPTRON_IN_WEIGHT];
    float turned[MAX_HEADS * UNITS];
    for (int k = 0; k < UNITS; k++) {
        const float *dshift = s->dshift + k * STRIDE;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int x = 0; x < WINDOW; x++) sum += dshift[x];
        context->grad[PERCEPTRON_IN_BIAS][k] += sum;
        for (int h = 0; h < H; h++)
            turned[h * UNITS + k] = weight[(2 * k + 1) * H + h] - weight[2 * k * H + h];
    }
    position_product(context->grad[PERCEPTRON_IN_WEIGHT] + H, 2 * H, s->dshift, STRIDE, s->bias, STRIDE,
                     UNITS, H, WINDOW, POS_ADD | POS_TRANSPOSE_B);
    position_product(s->bias, STRIDE, turned, UNITS, s->dshift, STRIDE, H, WINDOW, UNITS, 0);
    for (int h = 0; h < H; h++) {
        double *dbias = b->dbias + (size_t)h * context->length;
        for (int x = 0; x < WINDOW && x <= s->reach; x++)
            dbias[s->reach - x] += (double)s->bias[h * STRIDE + x];
    }
}

static void block_backward(const PositionContext *context, const PositionScores *b, Block *s, int top,
                           int bottom) {
    int H = context->shape->heads;
    memset(s->dshift, 0, sizeof s->dshift);
    for (int r = top; r < bottom; r++) {
        if (!units_forward(context, b, s, r)) continue;
        for (int h = 0; h < H; h++) {
            const float *ds = b->ds + row_of(b, h, r) + s->first_key;
            float *out = s->out + h * STRIDE, sum = 0;
            memcpy(out, ds, (size_t)s->keys * sizeof *out);
            memset(out + s->keys, 0, (size_t)(s->columns - s->keys) * sizeof *out);
#pragma omp simd reduction(+ : sum)
            for (int j = 0; j < s->keys; j++) sum += ds[j];
            context->grad[PERCEPTRON_OUT_BIAS][h] += sum;
        }
        query_backward(context, s, s->last_query - b->first - r);
        for (int h = 0; h < H; h++) {
            float *ds = b->ds + row_of(b, h, r) + s->first_key;
            for (int j = 0; j < s->keys; j++) ds[j] += s->content[h * STRIDE + j];
        }
    }
    window_backward(context, b, s);
}

static void each_block(const PositionContext *context, const PositionScores *b,
                       void (*work)(const PositionContext *context, const PositionScores *b, Block *s,
                                    int top, int bottom)) {
    Block s;
    for (int top = 0; top < b->rows; top += ROWS) {
        int bottom = top + ROWS < b->rows ? top + ROWS : b->rows, last_query = b->first + bottom - 1;
        for (int first_key = 0; first_key <= last_query; first_key += KEYS) {
            window_begin(context, b, &s, first_key, last_query);
            work(context, b, &s, top, bottom);
        }
    }
}

void perceptron_scores(const PositionContext *context, const PositionScores *block) {
    each_block(context, block, block_forward);
}

void perceptron_scores_backward(const PositionContext *context, const PositionScores *block) {
    each_block(context, block, block_backward);
}

/* ---- ratio ----
 *
 * A perceptron with one input is piecewise linear: between neighbouring kinks -b/w of its units, f_h(x) =
 * slope_h x + height_h. In a row, x decreases with j, so each piece is a run of consecutive keys. The bias
 * costs one multiplication and one addition for each pair and head; the perceptron itself is computed for
 * only UNITS + 1 pieces per call. Its gradient follows from the sums of dB and of x dB over each run.
 */

enum { PIECES = UNITS + 1, DISTANCES = 512 };

/* The pieces of f_h, from the largest x to the smallest. */
typedef struct Pieces {
    double kink[UNITS]; /* in descending order: piece p ends at kink p */
    int unit[UNITS];    /* the unit of this kink */
    double slope[PIECES], height[PIECES];
    unsigned active[PIECES]; /* bit k: the input of unit k's ReLU is positive */
} Pieces;

static Pieces pieces_of(const PositionContext *context, int h) {
    const float *w = context->param[PERCEPTRON_IN_WEIGHT], *b = context->param[PERCEPTRON_IN_BIAS];
    const float *out = context->param[PERCEPTRON_OUT_WEIGHT] + (size_t)h * UNITS;
    Pieces f = {0};
    unsigned active = 0;
    for (int k = 0; k < UNITS; k++) {
        double kink = w[k] != 0 ? -(double)b[k] / w[k] : -INFINITY;
        int index = k;
        for (; index > 0 && f.kink[index - 1] < kink; index--)
            f.kink[index] = f.kink[index - 1], f.unit[index] = f.unit[index - 1];
        f.kink[index] = kink, f.unit[index] = k;
        if (w[k] > 0 || (w[k] == 0 && b[k] > 0)) active |= 1U << k; /* for x = infinity */
    }
    for (int p = 0; p < PIECES; p++) {
        f.active[p] = active;
        f.slope[p] = 0, f.height[p] = context->param[PERCEPTRON_OUT_BIAS][h];
        for (int k = 0; k < UNITS; k++) {
            if (!(active >> k & 1)) continue;
            f.slope[p] += (double)out[k] * w[k];
            f.height[p] += (double)out[k] * b[k];
        }
        if (p < UNITS && w[f.unit[p]] != 0) active ^= 1U << f.unit[p];
    }
    return f;
}

/* Numerators of the distances `farthest` .. 0, at most DISTANCES, which belong to consecutive keys of a
   row: index m has the distance farthest - m. */
typedef struct Numerators {
    int farthest, count;
    float value[DISTANCES], derivative[DISTANCES];
} Numerators;

static void numerators_begin(const PositionContext *context, const PerceptronRatio *ratio, Numerators *s,
                             int farthest) {
    s->farthest = farthest;
    s->count = farthest + 1 < DISTANCES ? farthest + 1 : DISTANCES;
    for (int m = 0; m < s->count; m++) {
        double derivative = 0;
        s->value[m] = (float)ratio->numerator(context, farthest - m, &derivative);
        s->derivative[m] = (float)derivative;
    }
}

/* The index of key 0 of query i; 0 if its distance is above `farthest`. */
static int first_index(const Numerators *s, int i) {
    return s->farthest > i ? s->farthest - i : 0;
}

/* The first index from m on whose numerator is at most `level`; s->count if there is none. */
static int run_end(const Numerators *s, int m, double level) {
    int end = s->count;
    if (m >= end || s->value[end - 1] > level) return end;
    while (m < end) {
        int middle = m + (end - m) / 2;
        if (s->value[middle] > level)
            m = middle + 1;
        else
            end = middle;
    }
    return m;
}

void perceptron_ratio(const PositionContext *context, const PerceptronRatio *ratio, float *bias, int head,
                      int first, int rows) {
    Pieces f = pieces_of(context, head);
    Numerators s;
    for (int farthest = first + rows - 1; farthest >= 0; farthest -= DISTANCES) {
        numerators_begin(context, ratio, &s, farthest);
        for (int r = 0; r < rows; r++) {
            int i = first + r, m = first_index(&s, i);
            double unused[2], norm = ratio->denominator(context, i, unused);
            float *to = bias + (size_t)r * context->length + (i - farthest);
            for (int p = 0; p < PIECES && m < s.count; p++) {
                int stop = p < UNITS ? run_end(&s, m, f.kink[p] * norm) : s.count;
                float slope = (float)(f.slope[p] / norm), height = (float)f.height[p];
                for (; m < stop; m++) to[m] = slope * s.value[m] + height;
            }
        }
    }
}

/* Sums over the keys of one piece: of the gradients, and of their products with x. */
typedef struct Sums {
    double gradient[PIECES], x[PIECES];
} Sums;

static void pieces_backward(const PositionContext *context, int h, const Pieces *f, const Sums *sums) {
    const float *w = context->param[PERCEPTRON_IN_WEIGHT], *b = context->param[PERCEPTRON_IN_BIAS];
    const float *out = context->param[PERCEPTRON_OUT_WEIGHT] + (size_t)h * UNITS;
    float *const *grad = context->grad;
    for (int p = 0; p < PIECES; p++) {
        grad[PERCEPTRON_OUT_BIAS][h] += (float)sums->gradient[p];
        for (int k = 0; k < UNITS; k++) {
            if (!(f->active[p] >> k & 1)) continue;
            grad[PERCEPTRON_OUT_WEIGHT][h * UNITS + k] +=
                (float)(w[k] * sums->x[p] + b[k] * sums->gradient[p]);
            grad[PERCEPTRON_IN_WEIGHT][k] += (float)(out[k] * sums->x[p]);
            grad[PERCEPTRON_IN_BIAS][k] += (float)(out[k] * sums->gradient[p]);
        }
    }
}

void perceptron_ratio_backward(const PositionContext *context, const PerceptronRatio *ratio,
                               const float *dbias, int head, int first, int rows, double gradients[2]) {
    Pieces f = pieces_of(context, head);
    Sums sums = {{0}, {0}};
    Numerators s;
    double sum[2] = {0, 0};
    for (int farthest = first + rows - 1; farthest >= 0; farthest -= DISTANCES) {
        numerators_begin(context, ratio, &s, farthest);
        for (int r = 0; r < rows; r++) {
            int i = first + r, m = first_index(&s, i);
            double by[2] = {0, 0}, norm = ratio->denominator(context, i, by);
            const float *from = dbias + (size_t)r * context->length + (i - farthest);
            for (int p = 0; p < PIECES && m < s.count; p++) {
                int stop = p < UNITS ? run_end(&s, m, f.kink[p] * norm) : s.count;
                float g = 0, by_value = 0, by_derivative = 0;
#pragma omp simd reduction(+ : g, by_value, by_derivative)
                for (int n = m; n < stop; n++) {
                    g += from[n];
                    by_value += from[n] * s.value[n];
                    by_derivative += from[n] * s.derivative[n];
                }
                double x = by_value / norm, slope = f.slope[p] / norm;
                sums.gradient[p] += g, sums.x[p] += x;
                sum[0] += slope * (by_derivative - x * by[0]);
                sum[1] -= slope * x * by[1];
                m = stop;
            }
        }
    }
    gradients[0] += sum[0], gradients[1] += sum[1];
    pieces_backward(context, head, &f, &sums);
}
