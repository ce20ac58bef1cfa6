/* relative: relative vectors r[d], added to scores as q_i . r[i - j] and to outputs as sum_j P[i,j] r[i - j].
 *
 * In a tile the distance decreases by one from key to key and increases by one from query to query. The
 * products of TILE_ROWS queries with the vectors of all distances in the tile, in decreasing order, form a
 * matrix; row r of the tile needs row r of that matrix, read from column TILE_ROWS - 1 - r on. TILE_SKEW =
 * TILE_ROWS + TILE_COLUMNS columns suffice for a tile of TILE_COLUMNS keys. For gradients and for values a
 * tile is copied to this skewed layout, padded with zeros, and multiplied. At distances beyond the last
 * vector a row has one product for all keys. Sinks, whose distances differ, are few and computed one by one.
 */
#include <string.h>

#include "attention/internal.h"
#include "math/gemm.h"

void relative_new(RelativeVectors *v, const Attention *a, PositionRole role, Arena *arena) {
    const PositionMethod *m = a->method;
    v->count = m->vector_count ? m->vector_count(a->context->shape, a->context->options, role, a->length) : 0;
    if (v->count == 0) return;
    if (v->count < 0 || v->count > a->length)
        BUG("%s has %d vectors for %d positions", m->name, v->count, a->length);
    v->near = attention_round_up(v->count, TILE_PANEL);
    size_t given = (size_t)a->heads * v->count * a->size;
    v->given = NEW(arena, given, float);
    if (a->training && m->vectors_backward) v->dgiven = NEW(arena, given, float);
}

/* The index of the vector in row x. */
static int vector_of(const RelativeVectors *v, int x) {
    int d = v->near - 1 - x;
    return d < v->count ? d : v->count - 1;
}

void relative_load(Attention *a, int role, int h, bool backward) {
    const RelativeVectors *v = &a->terms.vectors[role];
    if (!v->count) return;
    const float *given = v->given + (size_t)h * v->count * a->size;
    for (int x = 0; x < v->near; x++)
        memcpy(a->current.rows[role] + (size_t)x * a->wide, given + (size_t)vector_of(v, x) * a->size,
               (size_t)a->size * sizeof *given);
    pack_panels(a->current.panels[role], a->current.rows[role], a->wide, v->near + TILE_PANEL);
    if (backward && v->dgiven)
        memset(a->current.drows[role], 0,
               (size_t)(v->near + TILE_PANEL) * a->wide * sizeof *a->current.drows[role]);
}

void relative_return_gradients(Attention *a, int role, int h) {
    const RelativeVectors *v = &a->terms.vectors[role];
    if (!v->dgiven) return;
    float *dgiven = v->dgiven + (size_t)h * v->count * a->size;
    for (int x = 0; x < v->near; x++)
        for (int i = 0; i < a->size; i++)
            dgiven[(size_t)vector_of(v, x) * a->size + i] += a->current.drows[role][(size_t)x * a->wide + i];
}

/* The skewed columns of a tile: `span` in all; the first `far` are before row `x` of the vectors. */
typedef struct Skew {
    int far, span, x;
} Skew;

static Skew skew_of(const RelativeVectors *v, const Tile *t) {
    int ahead = t->i0 + TILE_ROWS - t->j0 - v->near; /* number of the tile's distances beyond near */
    Skew k = {.far = ahead > 0 ? ahead : 0, .span = t->columns + TILE_ROWS, .x = ahead < 0 ? -ahead : 0};
    if (k.far > k.span) k.far = k.span;
    return k;
}

static float product(const float *x, const float *y, int count) {
    SimdFloat sum = simd_broadcast(0);
    for (int i = 0; i < count; i += SIMD_LANES) sum += simd_load(x + i) * simd_load(y + i);
    return simd_reduce_sum(sum);
}

/* Row of the vectors at distance d. */
static size_t row_at(const Attention *a, const RelativeVectors *v, int d) {
    return (size_t)(d < v->near ? v->near - 1 - d : 0) * a->wide;
}

void relative_add_scores(Attention *a, int role, const Tile *t, float *s, const float *left) {
    const RelativeVectors *v = &a->terms.vectors[role];
    Skew k = skew_of(v, t);
    float *skew = a->use->skew;
    int rows = attention_min(a->length - t->i0, TILE_ROWS);
    if (t->sinks) {
        for (int r = 0; r < rows; r++) {
            int p = attention_tile_position(a, t, t->i0 + r);
            for (int j = 0; j < a->sinks && j <= p; j++)
                s[r * TILE_COLUMNS + j] +=
                    product(left + (size_t)r * a->wide, a->current.rows[role] + row_at(a, v, p - j), a->wide);
        }
        return;
    }
    for (int e = k.far; e < k.span; e += TILE_PANEL)
        gemm_nn(skew + e, TILE_SKEW, NULL, 0, left, a->wide,
                a->current.panels[role] + (size_t)(k.x + e - k.far) * a->wide, TILE_PANEL, TILE_ROWS,
                TILE_PANEL, a->wide);
    for (int r = 0; r < rows; r++) {
        const float *run = skew + r * TILE_SKEW + TILE_ROWS - 1 - r;
        if (k.far > 0) {
            SimdFloat beyond =
                simd_broadcast(product(left + (size_t)r * a->wide, a->current.rows[role], a->wide));
            for (int e = 0; e < k.far; e += SIMD_LANES) simd_store(skew + r * TILE_SKEW + e, beyond);
        }
        for (int j = 0; j < t->columns; j += SIMD_LANES)
            simd_store(s + r * TILE_COLUMNS + j, simd_load(s + r * TILE_COLUMNS + j) + simd_load(run + j));
    }
}

/* Copies the tile p into skewed columns, zero elsewhere; far[r] is the sum of the columns before `far`. */
static void skew_fill(const Attention *a, const Skew *k, const Tile *t, const float *p,
                      float far[TILE_ROWS]) {
    for (int r = 0; r < TILE_ROWS; r++) {
        float *skew = a->use->skew + r * TILE_SKEW;
        SimdFloat sum = simd_broadcast(0);
        memset(skew, 0, (size_t)(TILE_ROWS - 1 - r) * sizeof *skew);
        memcpy(skew + TILE_ROWS - 1 - r, p + r * TILE_COLUMNS, (size_t)t->columns * sizeof *skew);
        memset(skew + TILE_ROWS - 1 - r + t->columns, 0, (size_t)(r + 1) * sizeof *skew);
        for (int e = 0; e < k->far; e += SIMD_LANES) sum += simd_load(skew + e);
        far[r] = simd_reduce_sum(sum);
    }
}

static void add_times(float *y, float factor, const float *x, int count) {
    for (int i = 0; i < count; i += SIMD_LANES)
        simd_store(y + i, simd_load(y + i) + simd_load(x + i) * factor);
}

void relative_add_values(Attention *a, int role, const Tile *t, float *o, const float *p) {
    const RelativeVectors *v = &a->terms.vectors[role];
    int wide = a->wide;
    float far[TILE_ROWS];
    Skew k = skew_of(v, t);
    if (t->sinks) {
        for (int r = 0; r < TILE_ROWS; r++)
            for (int j = 0; j < a->sinks; j++)
                if (p[r * TILE_COLUMNS + j] != 0)
                    add_times(o + (size_t)r * wide, p[r * TILE_COLUMNS + j],
                              a->current.rows[role] +
                                  row_at(a, v, attention_tile_position(a, t, t->i0 + r) - j),
                              wide);
        return;
    }
    skew_fill(a, &k, t, p, far);
    for (int r = 0; k.far > 0 && r < TILE_ROWS; r++)
        add_times(o + (size_t)r * wide, far[r], a->current.rows[role], wide);
    if (k.far < k.span)
        gemm_nn(o, wide, o, wide, a->use->skew + k.far, TILE_SKEW, a->current.rows[role] + (size_t)k.x * wide,
                wide, TILE_ROWS, wide, k.span - k.far);
}

void relative_gradient(Attention *a, int role, const Tile *t, const float *p, const float *left) {
    const RelativeVectors *v = &a->terms.vectors[role];
    int wide = a->wide;
    float far[TILE_ROWS];
    Skew k = skew_of(v, t);
    if (!v->dgiven) return;
    if (t->sinks) {
        for (int r = 0; r < TILE_ROWS; r++)
            for (int j = 0; j < a->sinks; j++)
                if (p[r * TILE_COLUMNS + j] != 0)
                    add_times(a->current.drows[role] +
                                  row_at(a, v, attention_tile_position(a, t, t->i0 + r) - j),
                              p[r * TILE_COLUMNS + j], left + (size_t)r * wide, wide);
        return;
    }
    skew_fill(a, &k, t, p, far);
    for (int r = 0; k.far > 0 && r < TILE_ROWS; r++)
        add_times(a->current.drows[role], far[r], left + (size_t)r * wide, wide);
    float *near = a->current.drows[role] + (size_t)k.x * wide;
    if (k.far < k.span)
        gemm_tn(near, wide, near, wide, a->use->skew + k.far, TILE_SKEW, left, wide, k.span - k.far, wide,
                TILE_ROWS);
}
