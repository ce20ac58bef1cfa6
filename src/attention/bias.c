/* bias: terms that a method adds to scores besides a distance bias: relative vectors, pair biases and gates;
 * also the memory of the far pair. Methods without any of these have no BiasTerms.
 *
 * A pair bias is computed once per pass for all heads if [H,T,T] fits PAIR_FLOATS, otherwise for each row of
 * tiles; its gradient is summed in the same way. For gates, the sums c_t of the gates up to t are kept in
 * double, and a tile adds (c_i - c_i0) - (c_j - c_i0): near the diagonal both terms are small. The gradient
 * at c_t is the sum of row t of dS minus that of column t, and the gradient of gate l is the sum of those for
 * t >= l. (In exact arithmetic rows sum to zero; in floats their remainders would accumulate.)
 */
#include <string.h>

#include "attention/internal.h"

enum { PAIR_FLOATS = 1 << 21 };

bool bias_new(BiasTerms *terms, const Attention *a, Arena *arena) {
    const PositionMethod *m = a->method;
    size_t H = (size_t)a->heads, T = (size_t)a->length;
    if (!m->horizon && !m->pair_bias && !m->vectors && !m->gate) return false;
    *terms = (BiasTerms){.pair_fits = H * T * T <= PAIR_FLOATS};
    if (m->horizon) {
        terms->horizon = m->horizon(a->context->shape, a->context->options);
        if (terms->horizon < 1) BUG("%s has a horizon of %d", m->name, terms->horizon);
        terms->s_far = NEW(arena, TILE_ROWS * TILE_COLUMNS, float);
    }
    if (m->vectors) {
        relative_new(&terms->vectors[RELATIVE_SCORES], a, POS_KEY, arena);
        relative_new(&terms->vectors[RELATIVE_VALUES], a, POS_VALUE, arena);
        terms->skew = NEW(arena, TILE_ROWS * TILE_SKEW, float);
    }
    if (m->pair_bias) {
        size_t size = terms->pair_fits ? H * T * T : (size_t)TILE_ROWS * T;
        terms->pair = NEW(arena, size, float);
        if (a->training && m->pair_bias_backward) terms->dpair = NEW(arena, size, float);
    }
    if (m->gate) {
        terms->gates = NEW(arena, H * T, float);
        if (a->training) terms->dgates = NEW(arena, H * T, float);
    }
    return true;
}

static const PositionRole vector_roles[RELATIVE_ROLES] = {POS_KEY, POS_VALUE};

void bias_begin(Attention *a) {
    BiasTerms *terms = &a->terms;
    size_t H = (size_t)a->heads, T = (size_t)a->length;
    for (int i = 0; i < RELATIVE_ROLES; i++) {
        RelativeVectors *v = &terms->vectors[i];
        if (!v->count) continue;
        a->method->vectors(a->context, vector_roles[i], v->given);
        if (v->dgiven) memset(v->dgiven, 0, H * (size_t)v->count * (size_t)a->size * sizeof(float));
    }
    if (!terms->pair || !terms->pair_fits) return;
    for (int h = 0; h < a->heads; h++)
        a->method->pair_bias(a->context, terms->pair + (size_t)h * T * T, h, 0, a->length);
    if (terms->dpair) memset(terms->dpair, 0, H * T * T * sizeof(float));
}

void bias_end(Attention *a) {
    const BiasTerms *terms = &a->terms;
    for (int i = 0; i < RELATIVE_ROLES; i++)
        if (terms->vectors[i].dgiven)
            a->method->vectors_backward(a->context, vector_roles[i], terms->vectors[i].dgiven);
    for (int h = 0; terms->dpair && terms->pair_fits && h < a->heads; h++)
        a->method->pair_bias_backward(a->context, terms->dpair + (size_t)h * a->length * a->length, h, 0,
                                      a->length);
}

/* ---- one sequence, one head ---- */

void bias_sequence(Attention *a, const float *x) {
    if (a->terms.gates) a->method->gate(a->context, x, a->terms.gates);
}

void bias_sequence_end(Attention *a, const float *x, float *dx) {
    if (a->terms.gates) a->method->gate_backward(a->context, x, a->terms.dgates, dx);
}

void bias_head(Attention *a, int h, bool backward) {
    BiasTerms *terms = &a->terms;
    for (int i = 0; i < RELATIVE_ROLES; i++) relative_load(a, i, h, backward);
    if (!terms->gates) return;
    const float *gates = terms->gates + (size_t)h * a->length;
    double sum = 0;
    for (int t = 0; t < a->length; t++) a->current.sums[t] = sum += gates[t];
    if (backward) memset(a->current.dsums, 0, (size_t)a->length * sizeof(double));
}

void bias_head_end(Attention *a, int h) {
    BiasTerms *terms = &a->terms;
    for (int i = 0; i < RELATIVE_ROLES; i++) relative_return_gradients(a, i, h);
    if (!terms->gates) return;
    float *dgates = terms->dgates + (size_t)h * a->length;
    double sum = 0;
    for (int t = a->length - 1; t >= 0; t--) dgates[t] = (float)(sum += a->current.dsums[t]);
}

/* ---- one tile row ---- */

void bias_row(Attention *a, int h, int i0, bool backward) {
    BiasTerms *terms = &a->terms;
    int rows = attention_min(a->length - i0, TILE_ROWS);
    if (!terms->pair || terms->pair_fits) return;
    a->method->pair_bias(a->context, terms->pair, h, i0, rows);
    if (backward && terms->dpair) memset(terms->dpair, 0, (size_t)TILE_ROWS * a->length * sizeof(float));
}

void bias_row_end(Attention *a, int h, int i0) {
    const BiasTerms *terms = &a->terms;
    int rows = attention_min(a->length - i0, TILE_ROWS);
    if (terms->dpair && !terms->pair_fits)
        a->method->pair_bias_backward(a->context, terms->dpair, h, i0, rows);
}

/* ---- one tile ---- */

/* The pair bias, or its gradient, of row r and the tile's keys. */
static float *pair_at(const Attention *a, float *pair, const Tile *t, int r) {
    size_t row = a->terms.pair_fits ? (size_t)t->h * a->length + (size_t)(t->i0 + r) : (size_t)r;
    return pair + row * a->length + t->j0;
}

/* The number of the tile's keys below the length of the sequence. */
static int existing(const Attention *a, const Tile *t) {
    return attention_min(a->length - t->j0, t->columns);
}

void bias_add(Attention *a, const Tile *t) {
    const BiasTerms *terms = &a->terms;
    int rows = attention_min(a->length - t->i0, TILE_ROWS), keys = existing(a, t);
    if (terms->vectors[RELATIVE_SCORES].count)
        relative_add_scores(a, RELATIVE_SCORES, t, a->s, pack_queries(a, t)->q + (size_t)t->i0 * a->wide);
    for (int r = 0; terms->pair && r < rows; r++) {
        const float *pair = pair_at(a, terms->pair, t, r);
        float *s = a->s + r * TILE_COLUMNS;
        int seen = attention_min(t->i0 + r - t->j0 + 1, keys);
        for (int j = 0; j < seen; j++) s[j] += pair[j] * a->root;
    }
    if (!terms->gates) return;
    float key[TILE_COLUMNS];
    double origin = a->current.sums[t->i0];
    for (int j = 0; j < keys; j++) key[j] = (float)(a->current.sums[t->j0 + j] - origin) * a->root;
    for (int r = 0; r < rows; r++) {
        float query = (float)(a->current.sums[t->i0 + r] - origin) * a->root, *s = a->s + r * TILE_COLUMNS;
        for (int j = 0; j < keys; j++) s[j] += query - key[j];
    }
}

void bias_backward(Attention *a, const Tile *t) {
    const BiasTerms *terms = &a->terms;
    int rows = attention_min(a->length - t->i0, TILE_ROWS), keys = existing(a, t);
    if (terms->vectors[RELATIVE_SCORES].count) {
        const PackedPair *pair = pack_queries(a, t);
        size_t row = (size_t)t->i0 * a->wide;
        relative_gradient(a, RELATIVE_SCORES, t, a->ds, pair->q + row);
        relative_add_values(a, RELATIVE_SCORES, t, pair->dq + row, a->ds);
    }
    for (int r = 0; terms->dpair && r < rows; r++) {
        float *dpair = pair_at(a, terms->dpair, t, r);
        const float *ds = a->ds + r * TILE_COLUMNS;
        for (int j = 0; j < keys; j++) dpair[j] += ds[j] * a->root;
    }
    if (!terms->gates) return;
    float sums[TILE_COLUMNS] = {0};
    for (int r = 0; r < rows; r++) {
        const float *ds = a->ds + r * TILE_COLUMNS;
        float row = 0;
#pragma omp simd reduction(+ : row)
        for (int j = 0; j < keys; j++) {
            sums[j] += ds[j];
            row += ds[j];
        }
        a->current.dsums[t->i0 + r] += (double)row * (double)a->root;
    }
    for (int j = 0; j < keys; j++) a->current.dsums[t->j0 + j] -= (double)sums[j] * (double)a->root;
}
