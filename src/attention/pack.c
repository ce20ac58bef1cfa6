/* pack: copies q, k and v of one head of one sequence into padded arrays and applies the method's transforms.
 *
 * Gradients take the reverse path: through the backward transforms, into dqkv. A head can be packed more than
 * once: as the near pair, as the far pair, and with the query positions that sinks use.
 */
#include <math.h>
#include <string.h>

#include "attention/internal.h"
#include "math/nn_ops.h"

static PackedPair pair_new(const Attention *a, Arena *arena) {
    size_t packed = (size_t)a->padded * a->widened;
    PackedPair pair = {0};
    float **buffers[] = {&pair.q, &pair.k, &pair.k_panels, &pair.dq, &pair.dk};
    for (int i = 0; i < (a->training ? 5 : 3); i++) *buffers[i] = NEW(arena, packed, float);
    return pair;
}

PackedHead pack_new(const Attention *a, Arena *arena) {
    size_t packed = (size_t)a->padded * a->wide, length = (size_t)a->length;
    size_t queries = (size_t)a->padded * a->widened;
    const RelativeVectors *vectors = a->terms.vectors;
    PackedHead head = {.near = pair_new(a, arena)};
    if (a->method->horizon) head.far = pair_new(a, arena);
    if (a->moves_sinks) head.sink.q = NEW(arena, queries, float);
    if (a->moves_sinks && a->training) head.sink.dq = NEW(arena, queries, float);
    head.v = NEW(arena, packed, float), head.o = NEW(arena, packed, float);
    for (int i = 0; i < RELATIVE_ROLES; i++) {
        size_t rows = (size_t)(vectors[i].near + TILE_PANEL) * a->wide;
        if (!vectors[i].count) continue;
        head.rows[i] = NEW(arena, rows, float), head.panels[i] = NEW(arena, rows, float);
        if (a->training && a->method->vectors_backward) head.drows[i] = NEW(arena, rows, float);
    }
    if (a->method->gate) head.sums = NEW(arena, length, double);
    if (!a->training) return head;
    if (a->method->gate) head.dsums = NEW(arena, length, double);
    head.dv = NEW(arena, packed, float), head.v_panels = NEW(arena, packed, float);
    head.delta = NEW(arena, a->padded, float);
    return head;
}

void pack_select(Attention *a, int h) {
    if (a->kept) a->current = a->kept[h];
}

static inline void copy_row(float *to, const float *from, int size) {
    int i = 0;
    for (; i + SIMD_LANES <= size; i += SIMD_LANES) simd_store(to + i, simd_load(from + i));
    for (; i < size; i++) to[i] = from[i];
}

/* Copies D numbers of each row of qkv to rows of `wide` numbers. */
static void pack_rows(const Attention *a, float *packed, int wide, const float *from) {
    for (int t = 0; t < a->length; t++, packed += wide, from += 3 * a->width) copy_row(packed, from, a->size);
}

void pack_unpack(const Attention *a, float *to, int stride, const float *packed, int wide, int first) {
    packed += (size_t)first * wide;
    for (int t = first; t < a->length; t++, packed += wide, to += stride) copy_row(to, packed, a->size);
}

void pack_panels(float *panels, const float *packed, int wide, int count) {
    for (int t = 0; t < count; t += TILE_PANEL, panels += (size_t)wide * TILE_PANEL)
        for (int i = 0; i < wide; i += SIMD_LANES)
            for (int j = 0; j < TILE_PANEL; j += SIMD_LANES)
                simd_transpose_copy(panels + i * TILE_PANEL + j, TILE_PANEL,
                                    packed + (size_t)(t + j) * wide + i, (size_t)wide);
}

/* The factors of head h, where each head learns its own. */
static void select_scale(Attention *a, int h) {
    const float *learnt = a->learnt[ATTENTION_SCALES], *powers = a->learnt[ATTENTION_SCALE_POWERS];
    int scale = a->options->scale;
    bool from_one = scale == ATTENTION_SCALE_LOG_LEARNED || scale == ATTENTION_SCALE_ASENTMAX;
    float base = from_one ? 1 : 0;
    if (!a->query_scale || !learnt) return;
    for (int t = 0; t < a->length && powers; t++) a->basis[t] = powf(a->logs[t], powers[h]);
    for (int t = 0; t < a->length; t++) a->query_scales[t] = base + learnt[h] * a->basis[t];
}

/* da = sum over i of basis_i dq_i . q_i: dq is the gradient of the scaled queries, q are those of qkv. */
static void scale_backward(const Attention *a, const float *dq, const float *qkv, int h) {
    if (!a->query_scale || !a->dlearnt[ATTENTION_SCALES]) return;
    double sum = 0;
    const float *q = qkv + (size_t)h * a->size;
    for (int t = 0; t < a->length; t++, q += 3 * a->width, dq += a->key_wide)
        for (int i = 0; i < a->size; i++) sum += (double)a->basis[t] * dq[i] * q[i];
    a->dlearnt[ATTENTION_SCALES][h] += (float)sum;
}

/* The same for the power b: the derivative of a l^b is a l^b ln l. */
static void power_backward(const Attention *a, const float *dq, const float *qkv, int h) {
    float *gradient = a->dlearnt[ATTENTION_SCALE_POWERS];
    if (!a->query_scale || !gradient) return;
    double sum = 0;
    const float *q = qkv + (size_t)h * a->size;
    for (int t = 0; t < a->length; t++, q += 3 * a->width, dq += a->key_wide) {
        double row = 0;
        for (int i = 0; i < a->size; i++) row += (double)dq[i] * q[i];
        sum += row * (double)a->basis[t] * log((double)a->logs[t]);
    }
    gradient[h] += (float)(sum * (double)a->learnt[ATTENTION_SCALES][h]);
}

static void query_scale(const Attention *a, float *x) {
    if (!a->query_scale) return;
    for (int t = 0; t < a->length; t++)
        for (int i = 0; i < a->size; i++) x[(size_t)t * a->key_wide + i] *= a->query_scale[t];
}

/* Packs the head's queries, multiplied by the query scales; applied before transforms, so vectors that a
   transform adds are not scaled. */
static void queries_pack(const Attention *a, float *packed, const float *from) {
    pack_rows(a, packed, a->key_wide, from);
    query_scale(a, packed);
}

/* Whether the current head has, besides the near pair, queries at the positions that sinks use, and a far
   pair. */
static bool has_sink_queries(const Attention *a) {
    return a->sinks && a->moves_sinks && a->active;
}

const PackedPair *pack_queries(const Attention *a, const Tile *tile) {
    return tile->sinks && has_sink_queries(a) ? &a->current.sink : &a->current.near;
}

static bool has_far(const Attention *a) {
    return a->use && a->use->horizon;
}

/* If only some layers widen q and k, rows of the last layer are left where this one has its padding. */
static void clear_padding(Attention *a) {
    size_t bytes = (size_t)a->padded * a->key_wide * sizeof(float);
    if (!a->method->widening || !a->options->nope_every) return;
    memset(a->current.near.q, 0, bytes);
    memset(a->current.near.k, 0, bytes);
}

void pack_load(Attention *a, const float *qkv, int h, bool values) {
    const float *from = qkv + (size_t)h * a->size;
    const PositionMethod *m = a->method;
    PositionContext context = attention_context(a, h);
    select_scale(a, h);
    clear_padding(a);
    queries_pack(a, a->current.near.q, from);
    pack_rows(a, a->current.near.k, a->key_wide, from + a->width);
    pack_rows(a, a->current.v, a->wide, from + 2 * a->width);
    if (m->transform && a->active) {
        m->transform(&context, POS_QUERY, a->current.near.q, a->key_wide);
        m->transform(&context, POS_KEY, a->current.near.k, a->key_wide);
    }
    if (m->transform && has_far(a)) {
        const PackedPair *far = &a->current.far;
        queries_pack(a, far->q, from);
        pack_rows(a, far->k, a->key_wide, from + a->width);
        m->transform(&context, POS_QUERY_FAR, far->q, a->key_wide);
        m->transform(&context, POS_KEY_FAR, far->k, a->key_wide);
        pack_panels(far->k_panels, far->k, a->key_wide, a->padded);
    }
    if (m->transform && has_sink_queries(a)) {
        context.tables = a->sink_tables;
        queries_pack(a, a->current.sink.q, from);
        m->transform(&context, POS_QUERY, a->current.sink.q, a->key_wide);
    }
    pack_panels(a->current.near.k_panels, a->current.near.k, a->key_wide, a->padded);
    if (values) pack_panels(a->current.v_panels, a->current.v, a->wide, a->padded);
}

void pack_clear_gradients(Attention *a) {
    size_t bytes = (size_t)a->padded * a->key_wide * sizeof(float);
    memset(a->current.near.dq, 0, bytes);
    memset(a->current.near.dk, 0, bytes);
    memset(a->current.dv, 0, (size_t)a->padded * a->wide * sizeof(float));
    if (has_far(a)) {
        memset(a->current.far.dq, 0, bytes);
        memset(a->current.far.dk, 0, bytes);
    }
    if (has_sink_queries(a)) memset(a->current.sink.dq, 0, bytes);
}

/* Gradients of a pair at q and k after the transform become those before it. A method with parameters,
   features or widening also gets the input of the transform, which replaces its output in the pair. */
static void transform_back(Attention *a, const PositionContext *context, PositionRole query, PositionRole key,
                           const PackedPair *pair, const float *from) {
    const PositionMethod *m = a->method;
    bool input = m->layout || m->features || m->widening;
    if (input) {
        queries_pack(a, pair->q, from);
        if (pair->k) pack_rows(a, pair->k, a->key_wide, from + a->width);
    }
    m->transform_backward(context, query, input ? pair->q : NULL, pair->dq, a->key_wide);
    if (pair->k) m->transform_backward(context, key, input ? pair->k : NULL, pair->dk, a->key_wide);
}

void pack_return_gradients(Attention *a, float *dqkv, const float *qkv, int h) {
    const PositionMethod *m = a->method;
    const float *from = qkv + (size_t)h * a->size;
    size_t count = (size_t)a->length * a->key_wide;
    PositionContext context = attention_context(a, h);
    select_scale(a, h); /* with all heads kept, those of another head are selected */
    if (m->transform && a->active) transform_back(a, &context, POS_QUERY, POS_KEY, &a->current.near, from);
    if (has_far(a)) {
        const PackedPair *far = &a->current.far;
        transform_back(a, &context, POS_QUERY_FAR, POS_KEY_FAR, far, from);
        nn_ops_add(a->current.near.dq, far->dq, count);
        nn_ops_add(a->current.near.dk, far->dk, count);
    }
    if (has_sink_queries(a)) {
        context.tables = a->sink_tables;
        transform_back(a, &context, POS_QUERY, POS_KEY, &a->current.sink, from);
        nn_ops_add(a->current.near.dq, a->current.sink.dq, count);
    }
    scale_backward(a, a->current.near.dq, qkv, h);
    power_backward(a, a->current.near.dq, qkv, h);
    query_scale(a, a->current.near.dq);
    float *to = dqkv + (size_t)h * a->size;
    pack_unpack(a, to, 3 * a->width, a->current.near.dq, a->key_wide, 0);
    pack_unpack(a, to + a->width, 3 * a->width, a->current.near.dk, a->key_wide, 0);
    pack_unpack(a, to + 2 * a->width, 3 * a->width, a->current.dv, a->wide, 0);
}
