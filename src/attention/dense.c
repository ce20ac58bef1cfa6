/* dense: attention with complete rows of scores of all heads, TILE_ROWS queries at a time.
 *
 * Used for methods that change scores (PositionScores), for exact top-k and an adaptive temperature. Tiles
 * are computed as in attention/flash.c and copied into the rows; the softmax is computed per row. The memory
 * is a few times H TILE_ROWS T numbers plus all heads of one sequence. The backward pass recomputes the rows
 * with the same bits as the forward pass, so that top-k selects the same keys.
 */
#include <math.h>
#include <string.h>

#include "attention/internal.h"
#include "math/gemm.h"

void dense_new(Attention *a, Arena *arena) {
    size_t block = ((size_t)a->heads + 1) * TILE_ROWS * (size_t)a->padded;
    a->kept = NEW(arena, a->heads, PackedHead);
    for (int h = 0; h < a->heads; h++) {
        PackedHead head = pack_new(a, arena);
        if (a->kept) a->kept[h] = head;
    }
    a->block = NEW(arena, block, float);
    a->order = NEW(arena, a->padded, float);
    a->q_rows = NEW(arena, a->heads, float *), a->dq_rows = NEW(arena, a->heads, float *);
    a->k_rows = NEW(arena, a->heads, float *), a->dk_rows = NEW(arena, a->heads, float *);
    if (!a->training) return;
    a->dblock = NEW(arena, block, float);
    if (a->method->scores) a->before = NEW(arena, block, float);
}

/* The rows of the queries from `first` on: row r of head h starts at (h * rows + r) * columns. */
typedef struct Block {
    int first, rows, columns;
} Block;

static Block block_at(const Attention *a, int first) {
    return (Block){first, attention_min(a->length - first, TILE_ROWS), first + TILE_ROWS};
}

static float *row_of(const Block *b, float *block, int h, int r) {
    return block + ((size_t)h * b->rows + r) * b->columns;
}

static PositionScores hook_block(const Attention *a, const Block *b) {
    size_t row = (size_t)b->first * a->key_wide;
    for (int h = 0; h < a->heads; h++) {
        a->q_rows[h] = a->kept[h].near.q + row, a->k_rows[h] = a->kept[h].near.k;
        if (a->training) a->dq_rows[h] = a->kept[h].near.dq + row, a->dk_rows[h] = a->kept[h].near.dk;
    }
    return (PositionScores){.first = b->first,
                            .rows = b->rows,
                            .columns = b->columns,
                            .q = (const float *const *)a->q_rows,
                            .k = (const float *const *)a->k_rows,
                            .stride = a->key_wide,
                            .s = a->block,
                            .bias = a->bias};
}

/* Copies the visible part of the tile from the rows to s, times `factor`; the rest of s is zero, since tiles
   may share columns. */
static void take_tile(const Attention *a, const Block *b, const Tile *t, float *s, float *block,
                      float factor) {
    for (int r = 0; r < TILE_ROWS; r++, s += TILE_COLUMNS) {
        int lo, valid;
        memset(s, 0, (size_t)t->columns * sizeof *s);
        if (r >= b->rows || !attention_tile_visible(a, t, r, &lo, &valid)) continue;
        const float *from = row_of(b, block, t->h, r) + t->j0;
        for (int j = lo; j < valid; j++) s[j] = from[j] * factor;
    }
}

/* Scores of all heads with their biases, before temperature, into a->block. */
static void fill_scores(Attention *a, const Block *b, bool backward) {
    float unscale = 1 / a->temperature;
    for (size_t i = 0; i < (size_t)a->heads * b->rows * b->columns; i++) a->block[i] = POS_UNSEEN;
    for (int h = 0; h < a->heads; h++) {
        pack_select(a, h);
        if (a->use) bias_row(a, h, b->first, backward);
        for (Tile t = {.h = h, .i0 = b->first}; attention_tile_next(a, &t);) {
            flash_scores(a, &t);
            for (int r = 0; r < b->rows; r++) {
                int lo, valid;
                if (!attention_tile_visible(a, &t, r, &lo, &valid)) continue;
                const float *s = a->s + r * TILE_COLUMNS;
                float *to = row_of(b, a->block, h, r) + t.j0;
                for (int j = lo; j < valid; j++) to[j] = s[j] * a->scale * unscale;
            }
        }
    }
}

static bool changes(const Attention *a) {
    return a->method->scores && a->active;
}

/* ---- softmax ---- */

/* The k-th largest of x[n], n >= k; reorders x (Hoare's selection). */
static float kth_largest(float *x, int n, int k) {
    int low = 0, high = n - 1;
    while (low < high) {
        float pivot = x[low + (high - low) / 2];
        int i = low, j = high;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i > j) break;
            float swap = x[i];
            x[i++] = x[j], x[j--] = swap;
        }
        if (k - 1 <= j) {
            high = j;
        } else if (k - 1 >= i) {
            low = i;
        } else {
            break;
        }
    }
    return x[k - 1];
}

/* Sets scores that query i does not use to -infinity: those after the diagonal, outside the window, and not
   among the k highest. */
static void hide(Attention *a, float *row, int i, int columns) {
    int lo = i - a->window + 1, seen = 0, k = (int)a->options->top_k;
    for (int j = i + 1; j < columns; j++) row[j] = -INFINITY;
    for (int j = a->sinks; a->window && j < lo; j++) row[j] = -INFINITY;
    if (!k || k > i) return;
    for (int j = 0; j <= i; j++)
        if (!a->window || j < a->sinks || j >= lo) a->order[seen++] = row[j];
    if (seen <= k) return;
    float least = kth_largest(a->order, seen, k);
    int ties_left = k;
    for (int j = 0; j <= i; j++) ties_left -= row[j] > least;
    for (int j = 0; j <= i; j++)
        if (row[j] < least || (row[j] == least && ties_left-- <= 0)) row[j] = -INFINITY;
}

/* ---- forward ---- */

/* The factor of adaptive_temperature, from the entropy of the softmax of row * temperature, whose maximum is
   `highest` * temperature. Scores of -infinity have no share of it. */
static float adaptive_factor(const float *row, int columns, float highest, float temperature) {
    SimdFloat total = simd_broadcast(0), weighted = simd_broadcast(0), least = simd_broadcast(-1e4F);
    for (int j = 0; j < columns; j += SIMD_LANES) {
        SimdFloat below = simd_max((simd_load(row + j) - highest) * temperature, least), p = simd_exp(below);
        total += p;
        weighted += p * below;
    }
    double sum = (double)simd_reduce_sum(total), h = log(sum) - (double)simd_reduce_sum(weighted) / sum;
    double factor = -1.791 + h * (4.917 + h * (-2.3 + h * (0.481 + h * -0.037)));
    return h > 0.5 && factor > 1 ? (float)factor : 1;
}

/* Turns the scores of a row of head h into probabilities and returns its lse. */
static float softmax(const Attention *a, int h, float *row, int columns) {
    float temperature = a->temperature, logit;
    SimdFloat top = simd_broadcast(-INFINITY), total = simd_broadcast(0);
    for (int j = 0; j < columns; j += SIMD_LANES) top = simd_max(simd_load(row + j), top);
    float highest = simd_reduce_max(top);
    if (a->options->adaptive_temperature) temperature *= adaptive_factor(row, columns, highest, temperature);
    for (int j = 0; j < columns; j += SIMD_LANES) {
        SimdFloat p = simd_exp((simd_load(row + j) - highest) * temperature);
        total += p;
        simd_store(row + j, p);
    }
    float sum = simd_reduce_sum(total), factor = 1 / sum, lse = highest * temperature + logf(sum);
    if (sink_logit_of(a, h, &logit)) {
        float closed = highest * temperature;
        factor = sink_logit_close_row(logit, &closed, &sum);
        lse = closed + logf(sum);
    }
    for (int j = 0; j < columns; j += SIMD_LANES) simd_store(row + j, simd_load(row + j) * factor);
    return lse;
}

static void forward_block(Attention *a, const Block *b, float *lse, int sequence,
                          const AttentionDropout *dropout) {
    fill_scores(a, b, false);
    PositionScores hook = hook_block(a, b);
    PositionContext context = attention_context(a, 0);
    if (changes(a)) a->method->scores(&context, &hook);
    for (int h = 0; h < a->heads; h++) {
        for (int r = 0; r < b->rows; r++) {
            float *row = row_of(b, a->block, h, r);
            int i = b->first + r;
            hide(a, row, i, b->columns);
            float value = softmax(a, h, row, b->columns);
            if (lse) lse[(size_t)h * a->length + i] = value;
            if (dropout->p > 0) flash_dropout(a, dropout, row, sequence, h, i, 0, i + 1);
        }
    }
    for (int h = 0; h < a->heads; h++) {
        pack_select(a, h);
        float *o = a->current.o + (size_t)b->first * a->wide;
        gemm_nn(o, a->wide, NULL, 0, row_of(b, a->block, h, 0), b->columns, a->current.v, a->wide, TILE_ROWS,
                a->wide, b->columns);
        if (!a->use || !a->use->vectors[RELATIVE_VALUES].count) continue;
        for (Tile t = {.h = h, .i0 = b->first}; attention_tile_next(a, &t);) {
            take_tile(a, b, &t, a->s, a->block, 1);
            relative_add_values(a, RELATIVE_VALUES, &t, o, a->s);
        }
    }
}

void dense_forward(Attention *a, float *out, float *lse, int sequence, const AttentionDropout *dropout) {
    for (int i0 = attention_first_row(a); i0 < a->length; i0 += TILE_ROWS) {
        Block b = block_at(a, i0);
        forward_block(a, &b, lse, sequence, dropout);
    }
    for (int h = 0; h < a->heads; h++)
        pack_unpack(a, out + (size_t)h * a->size, a->width, a->kept[h].o, a->wide, a->cached);
}

/* ---- backward ---- */

/* Turns scores in a->block and dP in a->dblock into probabilities (after dropout) and the gradient at the
   scores. */
static void backward_rows(Attention *a, const Block *b, int h, const float *lse, int sequence,
                          const AttentionDropout *dropout) {
    float temperature = a->temperature;
    for (int r = 0; r < b->rows; r++) {
        float *row = row_of(b, a->block, h, r), *drow = row_of(b, a->dblock, h, r);
        int i = b->first + r;
        hide(a, row, i, b->columns);
        if (dropout->p > 0) flash_dropout(a, dropout, drow, sequence, h, i, 0, i + 1);
        for (int j = 0; j < b->columns; j += SIMD_LANES) {
            SimdFloat p = simd_exp(simd_load(row + j) * temperature - lse[(size_t)h * a->length + i]);
            simd_store(row + j, p);
            simd_store(drow + j, p * (simd_load(drow + j) - a->current.delta[i]) * temperature);
        }
        if (dropout->p > 0) flash_dropout(a, dropout, row, sequence, h, i, 0, i + 1);
    }
}

static void learn_values(Attention *a, const Block *b, int h, const float *lse, int sequence,
                         const AttentionDropout *dropout) {
    const float *dout = a->current.o + (size_t)b->first * a->wide;
    for (int r = 0; r < b->rows; r++)
        memset(row_of(b, a->dblock, h, r), 0, (size_t)b->columns * sizeof(float));
    for (Tile t = {.h = h, .i0 = b->first}; attention_tile_next(a, &t);) {
        flash_products(a->ds, NULL, dout, a->current.v_panels, a->wide, &t, 0, t.columns);
        if (a->use && a->use->vectors[RELATIVE_VALUES].count)
            relative_add_scores(a, RELATIVE_VALUES, &t, a->ds, dout);
        for (int r = 0; r < b->rows; r++) {
            int lo, valid;
            if (attention_tile_visible(a, &t, r, &lo, &valid))
                memcpy(row_of(b, a->dblock, h, r) + t.j0 + lo, a->ds + r * TILE_COLUMNS + lo,
                       (size_t)(valid - lo) * sizeof(float));
        }
    }
    backward_rows(a, b, h, lse, sequence, dropout);
    for (Tile t = {.h = h, .i0 = b->first}; attention_tile_next(a, &t);) {
        take_tile(a, b, &t, a->s, a->block, 1);
        flash_value_gradients(a, &t, dout);
    }
}

static void learn_scores(Attention *a, const Block *b, int h) {
    bool summing = a->diagonal && a->active;
    if (a->use) bias_row(a, h, b->first, true);
    for (Tile t = {.h = h, .i0 = b->first}; attention_tile_next(a, &t);) {
        take_tile(a, b, &t, a->ds, a->dblock, 1 / a->root);
        for (int r = 0; summing && r < b->rows; r++) {
            int lo, valid, p = attention_tile_position(a, &t, b->first + r);
            const float *from = row_of(b, a->dblock, h, r) + t.j0;
            double *sums = a->diagonal + (size_t)h * a->length;
            if (!attention_tile_visible(a, &t, r, &lo, &valid)) continue;
            for (int j = lo; j < valid; j++) sums[p - t.j0 - j] += (double)from[j];
        }
        flash_score_gradients(a, &t);
    }
    if (a->use) bias_row_end(a, h, b->first);
}

void dense_backward(Attention *a, const float *lse, int sequence, const AttentionDropout *dropout) {
    PositionContext context = attention_context(a, 0);
    for (int i0 = attention_first_row(a); i0 < a->length; i0 += TILE_ROWS) {
        Block b = block_at(a, i0);
        fill_scores(a, &b, true);
        PositionScores hook = hook_block(a, &b);
        if (changes(a)) {
            memcpy(a->before, a->block, (size_t)a->heads * b.rows * b.columns * sizeof *a->block);
            a->method->scores(&context, &hook);
        }
        for (int h = 0; h < a->heads; h++) {
            pack_select(a, h);
            learn_values(a, &b, h, lse, sequence, dropout);
        }
        if (changes(a)) {
            hook.s = a->before, hook.ds = a->dblock, hook.dbias = a->diagonal;
            hook.dq = (float *const *)a->dq_rows, hook.dk = (float *const *)a->dk_rows;
            hook.work = a->block; /* the probabilities are used no more */
            a->method->scores_backward(&context, &hook);
        }
        for (int h = 0; h < a->heads; h++) {
            pack_select(a, h);
            learn_scores(a, &b, h);
        }
    }
}
