/* attention_tiles: one head in tiles of ROWS queries by up to COLUMNS keys, with a running softmax (see
 * attention.h). A window leaves out the tiles that no query of a tile row sees; sinks have a tile of their
 * own, the first one, since queries stand elsewhere to them.
 */
#include <math.h>
#include <string.h>

#include "attention/internal.h"
#include "math/nn_ops.h"
#include "math/gemm.h"

/* ---- which keys ---- */

static int smaller(int x, int y) {
    return x < y ? x : y;
}

static int larger(int x, int y) {
    return x > y ? x : y;
}

/* The run of the bias that belongs to query i and the tile's keys; NULL where there is none. But for sinks,
   that of the next query begins one number before it. */
static const float *tile_run(const Attention *a, const Tile *t, int i) {
    if (!a->run || !a->active) return NULL;
    const float *run = a->run + (size_t)t->h * (a->length + 2 * ROWS) + ROWS;
    return run + (a->length - 1 - tile_position(a, t, i) + t->j0);
}

/* ---- scores ---- */

void tile_products(const Attention *a, float *s, const float *run, const float *left, const float *panels,
                   const Tile *t, int from, int to) {
    for (int j = from; j < to; j += PANEL)
        tile_nn(s + j, COLUMNS, run ? run + j : NULL, -1, left, a->wide,
                panels + (size_t)(t->j0 + j) * a->wide, PANEL, ROWS, PANEL, a->wide);
}

static const Pair *queries(const Attention *a, const Tile *t) {
    return t->sinks && a->turns_sinks && a->active ? &a->at.sink : &a->at.near;
}

/* How many of the first keys of the tile are beyond the horizon of query i. */
static int beyond(const Attention *a, const Tile *t, int i) {
    if (!a->use || !a->use->horizon) return 0;
    return larger(0, smaller(t->columns, tile_position(a, t, i) - a->use->horizon - t->j0 + 1));
}

/* Columns of a tile: before *mixed, all keys are beyond the horizon of every query; from *near on, none is
   beyond that of any. */
static void split_panels(const Attention *a, const Tile *t, int *mixed, int *near) {
    *mixed = beyond(a, t, t->i0) / PANEL * PANEL;
    *near = round_to(beyond(a, t, t->i0 + ROWS - 1), PANEL);
}

void tile_scores(Attention *a, const Tile *t) {
    size_t row = (size_t)t->i0 * a->wide;
    const float *run = t->sinks ? NULL : tile_run(a, t, t->i0);
    int mixed, near;
    split_panels(a, t, &mixed, &near);
    tile_products(a, a->s, run, queries(a, t)->q + row, a->at.near.k_panels, t, mixed, t->columns);
    if (near > 0) {
        const Pair *far = &a->at.far;
        tile_products(a, a->s, run, far->q + row, far->k_panels, t, 0, mixed);
        tile_products(a, a->use->s_far, run, far->q + row, far->k_panels, t, mixed, near);
        for (int r = 0; r < ROWS; r++) {
            int place = r * COLUMNS + mixed, count = beyond(a, t, t->i0 + r) - mixed;
            memcpy(a->s + place, a->use->s_far + place, (size_t)count * sizeof *a->s);
        }
    }
    for (int r = 0; t->sinks && r < ROWS && t->i0 + r < a->length; r++)
        if ((run = tile_run(a, t, t->i0 + r))) ops_add(a->s + r * COLUMNS, run, (size_t)t->columns);
    if (a->use) terms_add(a, t);
}

/* The highest of a row of raw scores, of which `valid` keys count: behind them it becomes -infinity up to a
   whole vector. *end is the number of columns that are left, a multiple of the vector length. */
static inline float highest_score(float *s, int valid, int *end) {
    Vec top = vec_all(-INFINITY);
    int columns = *end = round_to(valid, TILE_LANES);
    for (int j = valid; j < columns; j++) s[j] = -INFINITY;
    for (int j = 0; j < columns; j += TILE_LANES) top = vec_max(vec_load(s + j), top);
    return vec_top(top);
}

void tile_dropout(const Attention *a, const AttentionDropout *dropout, float *row, int sequence, int h, int i,
                  int j0, int valid) {
    uint64_t place = (uint64_t)((dropout->first_sequence + sequence) * a->heads + h);
    ops_dropout(row, (size_t)valid, dropout->p, dropout->key,
                (place * (uint64_t)a->length + (uint64_t)i) * (uint64_t)a->length + (uint64_t)j0);
}

/* ---- forward ---- */

/* Of a row of a tile: its columns up to `end` (a multiple of the vector length, 0 where it sees no key) are
   scores or -infinity, and what they become relative to. */
typedef struct Extent {
    int valid, end;
    float highest;
} Extent;

/* All rows before their exponentials: no row waits for the maximum of its own. */
static void find_highest(const Attention *a, const Tile *t, int rows, const float *top, Extent *extent) {
    for (int r = 0; r < rows; r++) {
        float *s = a->s + r * COLUMNS;
        Extent *e = &extent[r];
        int lo, valid;
        *e = (Extent){.highest = top[r]};
        if (!tile_seen(a, t, r, &lo, &valid)) continue;
        for (int j = 0; j < lo; j++) s[j] = -INFINITY;
        e->valid = valid;
        e->highest = highest_score(s, valid, &e->end) * a->scale;
        if (!(e->highest > top[r])) e->highest = top[r];
    }
}

/* One tile row of the forward pass: o[ROWS,wide] for queries i0.., and their lse. */
static void forward_rows(Attention *a, float *o, float *lse, int sequence, int h, int i0,
                         const AttentionDropout *dropout) {
    Extent extent[ROWS];
    Vec sum[ROWS];
    float top[ROWS], scale = a->scale;
    int rows = a->length - i0 < ROWS ? a->length - i0 : ROWS;
    bool first = true;
    for (int r = 0; r < ROWS; r++) top[r] = -INFINITY, sum[r] = vec_all(0);
    if (a->use) terms_row(a, h, i0, false);
    for (Tile t = {.h = h, .i0 = i0}; tile_next(a, &t); first = false) {
        tile_scores(a, &t);
        find_highest(a, &t, rows, top, extent);
        for (int r = 0; r < rows; r++) {
            float *s = a->s + r * COLUMNS, highest = extent[r].highest;
            int end = extent[r].end;
            Vec total = vec_all(0);
            for (int j = 0; j < end; j += TILE_LANES) {
                Vec p = vec_exp(vec_load(s + j) * scale - highest);
                total += p;
                vec_store(s + j, p);
            }
            for (int j = end; j < t.columns; j++) s[j] = 0;
            if (dropout->p > 0) tile_dropout(a, dropout, s, sequence, h, i0 + r, t.j0, extent[r].valid);
            if (!first && highest > top[r]) { /* what was summed so far was relative to a lower maximum */
                float shrink = expf(top[r] - highest);
                sum[r] *= shrink;
                for (int i = 0; i < a->wide; i++) o[(size_t)r * a->wide + i] *= shrink;
            }
            top[r] = highest;
            sum[r] += total;
        }
        tile_nn(o, a->wide, first ? NULL : o, a->wide, a->s, COLUMNS, a->at.v + (size_t)t.j0 * a->wide,
                a->wide, ROWS, a->wide, t.columns);
        if (a->use && a->use->vectors[AT_VALUES].count) vectors_mix(a, AT_VALUES, &t, o, a->s);
    }
    for (int r = 0; r < rows; r++) {
        float total = vec_sum(sum[r]), factor = 1 / total;
        for (int i = 0; i < a->wide; i++) o[(size_t)r * a->wide + i] *= factor;
        if (lse) lse[i0 + r] = top[r] + logf(total);
    }
}

void tiles_forward(Attention *a, float *lse, int sequence, int h, const AttentionDropout *dropout) {
    for (int i0 = 0; i0 < a->length; i0 += ROWS)
        forward_rows(a, a->at.o + (size_t)i0 * a->wide, lse, sequence, h, i0, dropout);
}

/* ---- backward ---- */

/* One tile of the backward pass: from S and dP in a->s and a->ds to P (dropped out) and the gradient at raw
   scores there. */
static void backward_tile(Attention *a, const float *lse, int sequence, const Tile *t,
                          const AttentionDropout *dropout) {
    bool summing = a->diagonal && a->active;
    float diagonals[ROWS + COLUMNS] = {0}; /* place u belongs to d = i0 + ROWS - 1 - j0 - u */
    double *sums = a->diagonal + (size_t)t->h * a->length;
    for (int r = 0; r < ROWS; r++) {
        float *s = a->s + r * COLUMNS, *ds = a->ds + r * COLUMNS, *diagonal = diagonals + ROWS - 1 - r;
        int i = t->i0 + r, end = 0, lo, valid;
        if (i < a->length && tile_seen(a, t, r, &lo, &valid)) {
            end = round_to(valid, TILE_LANES);
            for (int j = 0; j < lo; j++) s[j] = -INFINITY;
            for (int j = valid; j < end; j++) s[j] = -INFINITY;
            if (dropout->p > 0) tile_dropout(a, dropout, ds, sequence, t->h, i, t->j0, valid);
            float scale = a->scale, total = lse[i], delta = a->at.delta[i];
            for (int j = 0; j < end; j += TILE_LANES) {
                Vec p = vec_exp(vec_load(s + j) * scale - total);
                Vec g = p * (vec_load(ds + j) - delta);
                vec_store(s + j, p);
                vec_store(ds + j, g * scale);
                if (summing) vec_store(diagonal + j, vec_load(diagonal + j) + g);
            }
            if (dropout->p > 0) tile_dropout(a, dropout, s, sequence, t->h, i, t->j0, valid);
        }
        for (int j = end; j < t->columns; j++) s[j] = ds[j] = 0;
        if (summing && t->sinks) { /* diagonals bend where queries stand elsewhere */
            for (int j = 0; j < end; j++) {
                int d = tile_position(a, t, i) - j;
                if (d >= 0 && d < a->length) sums[d] += diagonal[j];
                diagonal[j] = 0;
            }
        }
    }
    if (!summing || t->sinks) return;
    for (int u = 0; u < ROWS - 1 + t->columns; u++) {
        int d = t->i0 + ROWS - 1 - t->j0 - u;
        if (d >= 0 && d < a->length) sums[d] += diagonals[u];
    }
}

void tile_learn_values(Attention *a, const Tile *t, const float *dout) {
    float *dv = a->at.dv + (size_t)t->j0 * a->wide;
    tile_tn(dv, a->wide, dv, a->wide, a->s, COLUMNS, dout, a->wide, t->columns, a->wide, ROWS);
    if (a->use && a->use->vectors[AT_VALUES].count) vectors_learn(a, AT_VALUES, t, a->s, dout);
}

/* dk += ds^T q, dq += ds k for the columns [from, to) of a tile; the pair's rows begin with the tile. */
static void learn_pair(const Pair *pair, const float *ds, int from, int to, int wide) {
    size_t key = (size_t)from * wide;
    if (from == to) return;
    tile_tn(pair->dk + key, wide, pair->dk + key, wide, ds + from, COLUMNS, pair->q, wide, to - from, wide,
            ROWS);
    tile_nn(pair->dq, wide, pair->dq, wide, ds + from, COLUMNS, pair->k + key, wide, ROWS, wide, to - from);
}

void tile_learn_scores(Attention *a, const Tile *t) {
    int wide = a->wide, mixed, near;
    size_t row = (size_t)t->i0 * wide, column = (size_t)t->j0 * wide;
    const Pair *seen = queries(a, t), *far = &a->at.far;
    if (a->use) terms_backward(a, t);
    split_panels(a, t, &mixed, &near);
    if (near > 0) { /* of the panels on both sides, the far keys' share of ds moves over */
        const Pair pair = {
            .q = far->q + row, .dq = far->dq + row, .k = far->k + column, .dk = far->dk + column};
        for (int r = 0; r < ROWS; r++) {
            float *ds = a->ds + r * COLUMNS, *to = a->use->s_far + r * COLUMNS;
            int end = beyond(a, t, t->i0 + r);
            memcpy(to + mixed, ds + mixed, (size_t)(end - mixed) * sizeof *ds);
            memset(to + end, 0, (size_t)(near - end) * sizeof *ds);
            memset(ds + mixed, 0, (size_t)(end - mixed) * sizeof *ds);
        }
        learn_pair(&pair, a->ds, 0, mixed, wide);
        learn_pair(&pair, a->use->s_far, mixed, near, wide);
    }
    const Pair pair = {
        .q = seen->q + row, .dq = seen->dq + row, .k = a->at.near.k + column, .dk = a->at.near.dk + column};
    learn_pair(&pair, a->ds, mixed, t->columns, wide);
}

void tiles_backward(Attention *a, const float *lse, int sequence, int h, const AttentionDropout *dropout) {
    for (int i0 = 0; i0 < a->length; i0 += ROWS) {
        const float *dout = a->at.o + (size_t)i0 * a->wide;
        if (a->use) terms_row(a, h, i0, true);
        for (Tile t = {.h = h, .i0 = i0}; tile_next(a, &t);) {
            tile_scores(a, &t);
            tile_products(a, a->ds, NULL, dout, a->at.v_panels, &t, 0, t.columns);
            if (a->use && a->use->vectors[AT_VALUES].count) vectors_score(a, AT_VALUES, &t, a->ds, dout);
            backward_tile(a, lse, sequence, &t, dropout);
            tile_learn_values(a, &t, dout);
            tile_learn_scores(a, &t);
        }
        if (a->use) terms_row_end(a, h, i0);
    }
}
