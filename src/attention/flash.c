/* flash: one head in tiles of TILE_ROWS queries by up to TILE_COLUMNS keys, with a running softmax.
 *
 * The loop over tiles omits those outside the window (attention_tile_next). Sinks have their own tile, the
 * first one, because queries have other positions for them. Every row of scores is relative to the maximum so
 * far; a higher one rescales the sums. The formulas are in attention/attention.h.
 */
#include <math.h>
#include <string.h>

#include "attention/internal.h"
#include "math/nn_ops.h"
#include "math/gemm.h"

/* ---- which keys ---- */

/* The distance biases of query i and the tile's keys; NULL without a bias. Except for sinks, those of the
   next query start one number earlier. */
static const float *tile_run(const Attention *a, const Tile *t, int i) {
    if (!a->run || !a->active) return NULL;
    const float *run = a->run + (size_t)t->h * (a->length + 2 * TILE_ROWS) + TILE_ROWS;
    return run + (a->length - 1 - attention_tile_position(a, t, i) + t->j0);
}

/* ---- scores ---- */

void flash_products(float *s, const float *run, const float *left, const float *panels, int wide,
                    const Tile *t, int from, int to) {
    for (int j = from; j < to; j += TILE_PANEL)
        gemm_nn(s + j, TILE_COLUMNS, run ? run + j : NULL, -1, left, wide,
                panels + (size_t)(t->j0 + j) * wide, TILE_PANEL, TILE_ROWS, TILE_PANEL, wide);
}

/* The number of the tile's first keys that are beyond the horizon of query i. */
static int beyond(const Attention *a, const Tile *t, int i) {
    if (!a->use || !a->use->horizon) return 0;
    return attention_max(
        0, attention_min(t->columns, attention_tile_position(a, t, i) - a->use->horizon - t->j0 + 1));
}

/* Divides the columns of a tile: keys before *mixed are beyond the horizon of every query, keys from *near on
   are beyond that of no query. */
static void split_panels(const Attention *a, const Tile *t, int *mixed, int *near) {
    *mixed = beyond(a, t, t->i0) / TILE_PANEL * TILE_PANEL;
    *near = attention_round_up(beyond(a, t, t->i0 + TILE_ROWS - 1), TILE_PANEL);
}

void flash_scores(Attention *a, const Tile *t) {
    int wide = a->key_wide, mixed, near;
    size_t row = (size_t)t->i0 * wide;
    const float *run = t->sinks ? NULL : tile_run(a, t, t->i0);
    split_panels(a, t, &mixed, &near);
    flash_products(a->s, run, pack_queries(a, t)->q + row, a->current.near.k_panels, wide, t, mixed,
                   t->columns);
    if (near > 0) {
        const PackedPair *far = &a->current.far;
        flash_products(a->s, run, far->q + row, far->k_panels, wide, t, 0, mixed);
        flash_products(a->use->s_far, run, far->q + row, far->k_panels, wide, t, mixed, near);
        for (int r = 0; r < TILE_ROWS; r++) {
            int index = r * TILE_COLUMNS + mixed, count = beyond(a, t, t->i0 + r) - mixed;
            memcpy(a->s + index, a->use->s_far + index, (size_t)count * sizeof *a->s);
        }
    }
    for (int r = 0; t->sinks && r < TILE_ROWS && t->i0 + r < a->length; r++)
        if ((run = tile_run(a, t, t->i0 + r))) nn_ops_add(a->s + r * TILE_COLUMNS, run, (size_t)t->columns);
    if (a->use) bias_add(a, t);
}

/* The highest of the first `valid` raw scores of a row. The scores after them, up to a whole vector, become
   -infinity; *end is `valid` rounded up to a multiple of the vector length. */
static inline float highest_score(float *s, int valid, int *end) {
    SimdFloat even = simd_broadcast(-INFINITY), odd = even;
    int columns = *end = attention_round_up(valid, SIMD_LANES), j = 0;
    for (int i = valid; i < columns; i++) s[i] = -INFINITY;
    for (; j + 2 * SIMD_LANES <= columns; j += 2 * SIMD_LANES) {
        even = simd_max(simd_load(s + j), even);
        odd = simd_max(simd_load(s + j + SIMD_LANES), odd);
    }
    if (j < columns) even = simd_max(simd_load(s + j), even);
    return simd_reduce_max(simd_max(even, odd));
}

void flash_dropout(const Attention *a, const AttentionDropout *dropout, float *row, int sequence, int h,
                   int i, int j0, int valid) {
    uint64_t index = (uint64_t)((dropout->first_sequence + sequence) * a->heads + h);
    nn_ops_dropout(row, (size_t)valid, dropout->p, dropout->key,
                   (index * (uint64_t)a->length + (uint64_t)i) * (uint64_t)a->length + (uint64_t)j0);
}

/* ---- forward ---- */

/* A row of a tile: its columns up to `end` (a multiple of the vector length; 0 if the row sees no key) are
   scores or -infinity; their exponentials are relative to a maximum. */
typedef struct Extent {
    int valid, end;
    float highest;
} Extent;

/* Finds the maxima of all rows before any exponential, so that no row waits for its own maximum. */
static void find_highest(const Attention *a, const Tile *t, int rows, const float *top, Extent *extent) {
    for (int r = 0; r < rows; r++) {
        float *s = a->s + r * TILE_COLUMNS;
        Extent *e = &extent[r];
        int lo, valid;
        *e = (Extent){.highest = top[r]};
        if (!attention_tile_visible(a, t, r, &lo, &valid)) continue;
        for (int j = 0; j < lo; j++) s[j] = -INFINITY;
        e->valid = valid;
        e->highest = highest_score(s, valid, &e->end) * a->scale;
        if (!(e->highest > top[r])) e->highest = top[r];
    }
}

/* One tile row of the forward pass: computes o[TILE_ROWS,wide] for the queries from i0 on, and their lse. */
static void forward_rows(Attention *a, float *o, float *lse, int sequence, int h, int i0,
                         const AttentionDropout *dropout) {
    Extent extent[TILE_ROWS];
    SimdFloat sum[TILE_ROWS];
    float top[TILE_ROWS], scale = a->scale, logit;
    bool sink = sink_logit_of(a, h, &logit);
    int rows = attention_min(a->length - i0, TILE_ROWS);
    bool first = true;
    for (int r = 0; r < TILE_ROWS; r++) top[r] = -INFINITY, sum[r] = simd_broadcast(0);
    if (a->use) bias_row(a, h, i0, false);
    for (Tile t = {.h = h, .i0 = i0}; attention_tile_next(a, &t); first = false) {
        flash_scores(a, &t);
        find_highest(a, &t, rows, top, extent);
        for (int r = 0; r < rows; r++) {
            float *s = a->s + r * TILE_COLUMNS, highest = extent[r].highest;
            int end = extent[r].end;
            SimdFloat total = simd_broadcast(0);
            for (int j = 0; j < end; j += SIMD_LANES) {
                SimdFloat p = simd_exp(simd_load(s + j) * scale - highest);
                total += p;
                simd_store(s + j, p);
            }
            for (int j = end; j < t.columns; j++) s[j] = 0;
            if (dropout->p > 0) flash_dropout(a, dropout, s, sequence, h, i0 + r, t.j0, extent[r].valid);
            if (!first && highest > top[r]) { /* the sums so far are relative to a lower maximum */
                float shrink = expf(top[r] - highest);
                sum[r] *= shrink;
                for (int i = 0; i < a->wide; i++) o[(size_t)r * a->wide + i] *= shrink;
            }
            top[r] = highest;
            sum[r] += total;
        }
        gemm_nn(o, a->wide, first ? NULL : o, a->wide, a->s, TILE_COLUMNS,
                a->current.v + (size_t)t.j0 * a->wide, a->wide, TILE_ROWS, a->wide, t.columns);
        if (a->use && a->use->vectors[RELATIVE_VALUES].count)
            relative_add_values(a, RELATIVE_VALUES, &t, o, a->s);
    }
    for (int r = 0; r < rows; r++) {
        float total = simd_reduce_sum(sum[r]), factor = 1 / total;
        if (sink) factor = sink_logit_close_row(logit, &top[r], &total);
        for (int i = 0; i < a->wide; i++) o[(size_t)r * a->wide + i] *= factor;
        if (lse) lse[i0 + r] = top[r] + logf(total);
    }
}

void flash_forward(Attention *a, float *lse, int sequence, int h, const AttentionDropout *dropout) {
    for (int i0 = attention_first_row(a); i0 < a->length; i0 += TILE_ROWS)
        forward_rows(a, a->current.o + (size_t)i0 * a->wide, lse, sequence, h, i0, dropout);
}

/* ---- backward ---- */

/* One tile of the backward pass: turns S and dP in a->s and a->ds into P (after dropout) and the gradient at
   raw scores. */
static void backward_tile(Attention *a, const float *lse, int sequence, const Tile *t,
                          const AttentionDropout *dropout) {
    bool summing = a->diagonal && a->active;
    float diagonals[TILE_ROWS + TILE_COLUMNS] = {
        0}; /* element u is of distance i0 + TILE_ROWS - 1 - j0 - u */
    double *sums = a->diagonal + (size_t)t->h * a->length;
    for (int r = 0; r < TILE_ROWS; r++) {
        float *s = a->s + r * TILE_COLUMNS, *ds = a->ds + r * TILE_COLUMNS,
              *diagonal = diagonals + TILE_ROWS - 1 - r;
        int i = t->i0 + r, end = 0, lo, valid;
        if (i < a->length && attention_tile_visible(a, t, r, &lo, &valid)) {
            end = attention_round_up(valid, SIMD_LANES);
            for (int j = 0; j < lo; j++) s[j] = -INFINITY;
            for (int j = valid; j < end; j++) s[j] = -INFINITY;
            if (dropout->p > 0) flash_dropout(a, dropout, ds, sequence, t->h, i, t->j0, valid);
            float scale = a->scale, total = lse[i], delta = a->current.delta[i];
            for (int j = 0; j < end; j += SIMD_LANES) {
                SimdFloat p = simd_exp(simd_load(s + j) * scale - total);
                SimdFloat g = p * (simd_load(ds + j) - delta);
                simd_store(s + j, p);
                simd_store(ds + j, g * scale);
                if (summing) simd_store(diagonal + j, simd_load(diagonal + j) + g);
            }
            if (dropout->p > 0) flash_dropout(a, dropout, s, sequence, t->h, i, t->j0, valid);
        }
        for (int j = end; j < t->columns; j++) s[j] = ds[j] = 0;
        if (summing &&
            t->sinks) { /* with other query positions, distances are not constant along diagonals */
            for (int j = 0; j < end; j++) {
                int d = attention_tile_position(a, t, i) - j;
                if (d >= 0 && d < a->length) sums[d] += diagonal[j];
                diagonal[j] = 0;
            }
        }
    }
    if (!summing || t->sinks) return;
    for (int u = 0; u < TILE_ROWS - 1 + t->columns; u++) {
        int d = t->i0 + TILE_ROWS - 1 - t->j0 - u;
        if (d >= 0 && d < a->length) sums[d] += diagonals[u];
    }
}

void flash_value_gradients(Attention *a, const Tile *t, const float *dout) {
    float *dv = a->current.dv + (size_t)t->j0 * a->wide;
    gemm_tn(dv, a->wide, dv, a->wide, a->s, TILE_COLUMNS, dout, a->wide, t->columns, a->wide, TILE_ROWS);
    if (a->use && a->use->vectors[RELATIVE_VALUES].count)
        relative_gradient(a, RELATIVE_VALUES, t, a->s, dout);
}

/* dk += ds^T q, dq += ds k for the columns [from, to) of a tile; the pair's rows start at the tile. */
static void learn_pair(const PackedPair *pair, const float *ds, int from, int to, int wide) {
    size_t key = (size_t)from * wide;
    if (from == to) return;
    gemm_tn(pair->dk + key, wide, pair->dk + key, wide, ds + from, TILE_COLUMNS, pair->q, wide, to - from,
            wide, TILE_ROWS);
    gemm_nn(pair->dq, wide, pair->dq, wide, ds + from, TILE_COLUMNS, pair->k + key, wide, TILE_ROWS, wide,
            to - from);
}

void flash_score_gradients(Attention *a, const Tile *t) {
    int wide = a->key_wide, mixed, near;
    size_t row = (size_t)t->i0 * wide, column = (size_t)t->j0 * wide;
    const PackedPair *seen = pack_queries(a, t), *far = &a->current.far;
    if (a->use) bias_backward(a, t);
    split_panels(a, t, &mixed, &near);
    if (near > 0) { /* in panels with near and far keys, moves the part of ds of far keys to s_far */
        const PackedPair pair = {
            .q = far->q + row, .dq = far->dq + row, .k = far->k + column, .dk = far->dk + column};
        for (int r = 0; r < TILE_ROWS; r++) {
            float *ds = a->ds + r * TILE_COLUMNS, *to = a->use->s_far + r * TILE_COLUMNS;
            int end = beyond(a, t, t->i0 + r);
            memcpy(to + mixed, ds + mixed, (size_t)(end - mixed) * sizeof *ds);
            memset(to + end, 0, (size_t)(near - end) * sizeof *ds);
            memset(ds + mixed, 0, (size_t)(end - mixed) * sizeof *ds);
        }
        learn_pair(&pair, a->ds, 0, mixed, wide);
        learn_pair(&pair, a->use->s_far, mixed, near, wide);
    }
    const PackedPair pair = {.q = seen->q + row,
                             .dq = seen->dq + row,
                             .k = a->current.near.k + column,
                             .dk = a->current.near.dk + column};
    learn_pair(&pair, a->ds, mixed, t->columns, wide);
}

void flash_backward(Attention *a, const float *lse, int sequence, int h, const AttentionDropout *dropout) {
    for (int i0 = attention_first_row(a); i0 < a->length; i0 += TILE_ROWS) {
        const float *dout = a->current.o + (size_t)i0 * a->wide;
        if (a->use) bias_row(a, h, i0, true);
        for (Tile t = {.h = h, .i0 = i0}; attention_tile_next(a, &t);) {
            flash_scores(a, &t);
            flash_products(a->ds, NULL, dout, a->current.v_panels, a->wide, &t, 0, t.columns);
            if (a->use && a->use->vectors[RELATIVE_VALUES].count)
                relative_add_scores(a, RELATIVE_VALUES, &t, a->ds, dout);
            backward_tile(a, lse, sequence, &t, dropout);
            flash_value_gradients(a, &t, dout);
            flash_score_gradients(a, &t);
        }
        if (a->use) bias_row_end(a, h, i0);
    }
}
