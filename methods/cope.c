/* CoPE: contextual position encoding.
 *
 * Golovneva, Wang, Weston and Sukhbaatar, "Contextual position encoding: learning to count what's important",
 * 2024, arXiv 2405.18719, section 4 and the listing of its appendix. Positions are counted by content: with
 * the scaled scores s_ij (as in the listing, gates are computed from scores divided by sqrt(D)),
 *
 *     g_ij = sigmoid(s_ij),   p_ij = min(g_ij + ... + g_ii, n - 1),   S_ij = s_ij + q_i . e[p_ij]
 *
 * where e is interpolated linearly between the vectors of integer positions. q . e is not divided by sqrt(D),
 * as in the listing (later code of the authors, projects/cope of github.com/facebookresearch/RAM, divides it
 * by default). The vectors e [n,D] start at zero; heads share them, layers have their own. n = 64 is DAPE's
 * choice; the authors' code uses the length of the text plus one.
 *
 * Speed: q . e for n vectors costs as much as scores with n keys, and its gradients twice that. Each pair and
 * head needs a sigmoid, a running sum and two reads of a table of n numbers; backward two sigmoids, a second
 * running sum and two additions to the table. These are about 45 scalar instructions for each key up to the
 * last vector (about 2 n keys if gates are half open); keys before it cost one addition. Rows of scores are
 * in memory. At 4 instructions per cycle, the minimum training time is 1.2 times that of none at T = 128 and
 * 1.3 times at 512 for the model of `poslab bench` (width 128, 8 heads of 16, n = 64).
 */
#include "position/position.h"

#include <math.h>
#include <string.h>

typedef struct Options {
    int64_t positions;
} Options;

enum { MOST = 1024 };

static const OptionField fields[] = {
    {"positions", OPTION_INT, offsetof(Options, positions), .default_value = 64, .low = 2, .high = MOST,
     .help = "n: number of learned vectors; larger positions share the last"},
};

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    tensors[0] = (PositionTensor){.name = "embedding",
                                  .rank = 2,
                                  .dims = {(int)((const Options *)options)->positions, shape->head_dim},
                                  .per_layer = true};
    return 1;
}

static int count_of(const PositionContext *context) {
    return (int)((const Options *)context->options)->positions;
}

/* SOME rows are processed at a time. Their table has q . e and one more element per row, which is read after
   the last vector with weight zero. The keys of a row are processed from the query back, STRETCH at a time,
   gates in vectors and counts one by one, until the count reaches the last vector, which all earlier keys
   share. */
enum { SOME = 16, STRETCH = 64 };

typedef struct Rows {
    float table[SOME * (MOST + 1)], dtable[SOME * (MOST + 1)]; /* [rows,n + 1] */
    int n, rows;
    float last;
} Rows;

static void begin_rows(const PositionContext *context, const PositionScores *block, int h, int r,
                       Rows *some) {
    int size = context->shape->head_dim, n = some->n = count_of(context);
    some->rows = block->rows - r < SOME ? block->rows - r : SOME;
    some->last = (float)(n - 1);
    position_product(some->table, n + 1, block->q[h] + (size_t)r * block->stride, block->stride,
                     context->param[0], size, some->rows, n, size, POS_TRANSPOSE_B);
    for (float *row = some->table; row < some->table + some->rows * (n + 1); row += n + 1)
        row[n] = row[n - 1];
}

static void row_forward(const float *table, float last, float *s, int keys) {
    float gates[STRETCH], count = 0;
    int end = keys;
    for (; end > 0 && count < last; end -= STRETCH) {
        int begin = end > STRETCH ? end - STRETCH : 0;
        position_sigmoid(gates, s + begin, end - begin);
        for (int j = end - begin - 1; j >= 0; j--) {
            count += gates[j];
            float p = count < last ? count : last;
            int whole = (int)p;
            s[begin + j] += table[whole] + (p - (float)whole) * (table[whole + 1] - table[whole]);
        }
    }
    for (int j = 0; j < end; j++) s[j] += table[(int)last];
}

static void scores(const PositionContext *context, const PositionScores *block) {
    Rows some;
    for (int h = 0; h < context->shape->heads; h++)
        for (int r = 0; r < block->rows; r += SOME) {
            begin_rows(context, block, h, r, &some);
            for (int k = 0; k < some.rows; k++)
                row_forward(some.table + k * (some.n + 1), some.last,
                            block->s + ((size_t)h * block->rows + r + k) * block->columns,
                            block->first + r + k + 1);
        }
}

/* The backward pass of the keys of a stretch, given the count after them. `sum` is the sum of dp before them:
   dg_ij is the sum of dp_il over l <= j. */
static void stretch_backward(const float *table, float *dtable, float last, const float *s, float *ds,
                             int keys, float count, float *sum) {
    float gates[STRETCH], counts[STRETCH] = {0};
    position_sigmoid(gates, s, keys);
    for (int j = keys - 1; j >= 0; j--) counts[j] = count += gates[j];
    for (int j = 0; j < keys; j++) {
        float p = counts[j] < last ? counts[j] : last, d = ds[j];
        int whole = (int)p;
        float share = p - (float)whole;
        dtable[whole] += d * (1 - share);
        dtable[whole + 1] += d * share;
        if (counts[j] < last) *sum += d * (table[whole + 1] - table[whole]);
        ds[j] += *sum * gates[j] * (1 - gates[j]);
    }
}

/* Keys are processed from the first to the query. The count after a stretch is that of the row minus the
   gates up to its end. */
static void row_backward(const float *table, float *dtable, float last, const float *s, float *ds, int keys) {
    float gates[STRETCH], sum = 0, shared = 0;
    double behind = 0; /* sum of the gates after the current stretch */
    int begin = keys;
    while (begin > 0 && behind < (double)last) {
        int some = begin < STRETCH ? begin : STRETCH;
        begin -= some;
        position_sigmoid(gates, s + begin, some);
        for (int k = 0; k < some; k++) behind += gates[k];
    }
#pragma omp simd reduction(+ : shared)
    for (int j = 0; j < begin; j++) shared += ds[j];
    dtable[(int)last] += shared;
    for (int j = begin; j < keys;) {
        int some = (keys - j) % STRETCH ? (keys - j) % STRETCH : STRETCH;
        position_sigmoid(gates, s + j, some);
        for (int k = 0; k < some; k++) behind -= gates[k];
        stretch_backward(table, dtable, last, s + j, ds + j, some, (float)(behind > 0 ? behind : 0), &sum);
        j += some;
    }
}

static void scores_backward(const PositionContext *context, const PositionScores *block) {
    int n = count_of(context), size = context->shape->head_dim, stride = block->stride;
    Rows some;
    for (int h = 0; h < context->shape->heads; h++)
        for (int r = 0; r < block->rows; r += SOME) {
            size_t at = (size_t)r * stride;
            begin_rows(context, block, h, r, &some);
            memset(some.dtable, 0, (size_t)(some.rows * (n + 1)) * sizeof *some.dtable);
            for (int k = 0; k < some.rows; k++) {
                size_t row = ((size_t)h * block->rows + r + k) * block->columns;
                float *dtable = some.dtable + k * (n + 1);
                row_backward(some.table + k * (n + 1), dtable, some.last, block->s + row, block->ds + row,
                             block->first + r + k + 1);
                dtable[n - 1] += dtable[n];
            }
            position_product(block->dq[h] + at, stride, some.dtable, n + 1, context->param[0], size,
                             some.rows, size, n, POS_ADD);
            position_product(context->grad[0], size, some.dtable, n + 1, block->q[h] + at, stride, n, size,
                             some.rows, POS_ADD | POS_TRANSPOSE_A);
        }
}

const PositionMethod method_cope = {
    .name = "cope",
    .label = "CoPE",
    .citation = "Golovneva et al. 2024, arXiv 2405.18719, section 4",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .scores = scores,
    .scores_backward = scores_backward,
};
