/* naive_attention: scores are computed term by term into arrays [H,T,T]; the backward pass goes through the
 * terms in reverse.
 */
#include "naive_attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "attention/attention.h"

/* The arrays of one sequence: values [H,T,D], queries and keys [H,T,E] (E = D, or m D with widening), scores
 * [H,T,T]. */
typedef struct NaiveCore {
    int H, T, D, E, C, n[2], horizon, window, sinks, last;
    bool active;                        /* the method acts */
    double temperature, root, *stretch; /* root: of D; stretch: query scales [T] */
    double *q, *k, *v, *far_q, *far_k, *sink_q;
    double *input_q, *input_k; /* [H,T,D] before the transform, scaled */
    float *r[2];               /* [H,n,D] */
    double *pair, *gates;      /* [H,T,T] or NULL, [H,T] */
    double *before, *s, *p;    /* [H,T,T]: S before and after the change (the same without one), P */
    double *nothing;           /* [H,T]: the probability of the sink logit */
    bool *seen;                /* [T,T] which keys a query sees */
} NaiveCore;
typedef NaiveCore Core;

static const PositionRole roles[2] = {POS_KEY, POS_VALUE};

static double *array(const NaiveAttention *a, size_t count) {
    return NEW(a->arena, count, double);
}

static bool meant(int layers, bool active) {
    return layers == ATTENTION_LAYERS_ALL || (layers == ATTENTION_LAYERS_POSITION && active) ||
           (layers == ATTENTION_LAYERS_NOPE && !active);
}

static double stretch_of(const AttentionOptions *o, int train_length, int i) {
    if (o->scale == ATTENTION_SCALE_LOG_N)
        return fmax(1, log1p(i) / log(train_length < 2 ? 2 : train_length));
    if (o->scale == ATTENTION_SCALE_LLAMA4)
        return 1 + o->scale_coefficient * log1p((double)((i + 1) / o->scale_floor));
    return 1;
}

/* Part 0, 1 or 2 of qkv, in rows of `row` >= D numbers */
static double *part_of(const NaiveAttention *a, const Core *c, const double *qkv, int part, int row) {
    double *x = array(a, (size_t)c->H * c->T * row);
    for (int h = 0; h < c->H; h++)
        for (int t = 0; t < c->T; t++)
            for (int e = 0; e < c->D; e++)
                x[(h * c->T + t) * row + e] = qkv[(size_t)t * 3 * c->C + part * c->C + h * c->D + e];
    return x;
}

/* Scales and then rotates the vectors of every head (sign 1), or reverses both. */
static void turn_all(const NaiveAttention *a, const Core *c, PositionRole role, double *x, int last,
                     int sign) {
    const double *input = role == POS_QUERY || role == POS_QUERY_FAR ? c->input_q : c->input_k;
    bool query = role == POS_QUERY || role == POS_QUERY_FAR;
    for (int h = 0; h < c->H; h++) {
        double *head = x + (size_t)h * c->T * c->E;
        for (int i = 0; query && sign > 0 && i < c->T * c->E; i++) head[i] *= c->stretch[i / c->E];
        if (c->active)
            naive_position_transform(a->position, a->layer, a->sequence, role, h, head,
                                     input + (size_t)h * c->T * c->D, last, sign);
        for (int i = 0; query && sign < 0 && i < c->T * c->E; i++) head[i] *= c->stretch[i / c->E];
    }
}

static double dot(const double *x, const double *y, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

static double dot_float(const double *x, const float *y, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += x[i] * y[i];
    return sum;
}

/* The position of query i for key j, and the pair of vectors whose product is computed. */
static int distance(const Core *c, int i, int j) {
    return (c->window && j < c->sinks && i > c->last ? c->last : i) - j;
}

static const double *query_for(const Core *c, int h, int i, int j) {
    bool far = c->horizon && distance(c, i, j) >= c->horizon;
    const double *q = far ? c->far_q : c->window && j < c->sinks ? c->sink_q : c->q;
    return q + (size_t)(h * c->T + i) * c->E;
}

static const double *key_for(const Core *c, int h, int i, int j) {
    bool far = c->horizon && distance(c, i, j) >= c->horizon;
    return (far ? c->far_k : c->k) + (size_t)(h * c->T + j) * c->E;
}

static size_t vector_at(const Core *c, int which, int h, int d) {
    return (size_t)(h * c->n[which] + (d < c->n[which] ? d : c->n[which] - 1)) * c->D;
}

/* The queries that are multiplied with relative vectors: never the far ones. */
static const double *vector_query(const Core *c, int h, int i, int j) {
    return (c->window && j < c->sinks ? c->sink_q : c->q) + (size_t)(h * c->T + i) * c->D;
}

/* The block of all rows in float, for the hook; the number of columns is T rounded up to 16. */
static PositionScores block_of(const NaiveAttention *a, const Core *c, const double *s) {
    int columns = (c->T + 15) / 16 * 16;
    const float **q = NEW(a->arena, c->H, const float *), **k = NEW(a->arena, c->H, const float *);
    float **dq = NEW(a->arena, c->H, float *), **dk = NEW(a->arena, c->H, float *);
    float *rows = NEW(a->arena, (size_t)c->H * c->T * columns, float);
    float *bias = NEW(a->arena, (size_t)c->H * c->T, float);
    for (int i = 0; i < c->H * c->T; i++) bias[i] = (float)a->bias[i];
    for (int h = 0; h < c->H; h++) {
        size_t size = (size_t)c->T * c->D;
        float *queries = NEW(a->arena, size, float), *keys = NEW(a->arena, size, float);
        for (size_t i = 0; i < size; i++) queries[i] = (float)c->q[h * size + i];
        for (size_t i = 0; i < size; i++) keys[i] = (float)c->k[h * size + i];
        q[h] = queries, dq[h] = NEW(a->arena, size, float);
        k[h] = keys, dk[h] = NEW(a->arena, size, float);
        for (int i = 0; i < c->T; i++)
            for (int j = 0; j < columns; j++)
                rows[((size_t)h * c->T + i) * columns + j] = j <= i && c->seen[i * c->T + j]
                                                                 ? (float)s[((size_t)h * c->T + i) * c->T + j]
                                                                 : POS_UNSEEN;
    }
    return (PositionScores){.rows = c->T,
                            .columns = columns,
                            .q = q,
                            .dq = dq,
                            .k = k,
                            .dk = dk,
                            .stride = c->D,
                            .s = rows,
                            .work = NEW(a->arena, (size_t)c->H * c->T * columns, float),
                            .bias = bias,
                            .dbias = array(a, (size_t)c->H * c->T)};
}

static int compare(const void *x, const void *y) {
    double a = *(const double *)x, b = *(const double *)y;
    return (a < b) - (a > b);
}

/* For row i of head h, the keys that are visible and among the k highest. */
static void choose(const NaiveAttention *a, const Core *c, const double *s, int i, bool *chosen) {
    int k = (int)a->model->options.attention.top_k, count = 0, room = k;
    double *order = array(a, c->T);
    for (int j = 0; j <= i; j++)
        if (chosen[j] = c->seen[i * c->T + j], chosen[j]) order[count++] = s[j];
    if (!k || count <= k) return;
    qsort(order, (size_t)count, sizeof *order, compare);
    for (int j = 0; j <= i; j++) room -= chosen[j] && s[j] > order[k - 1];
    for (int j = 0; j <= i; j++)
        if (chosen[j] && s[j] <= order[k - 1]) chosen[j] = s[j] == order[k - 1] && room-- > 0;
}

static Core *make_core(const NaiveAttention *a, const double *qkv, const double *x) {
    const PositionMethod *m = a->model->position.method;
    const PositionShape *shape = &a->model->shape;
    const AttentionOptions *o = &a->model->options.attention;
    Core *c = NEW(a->arena, 1, Core);
    c->H = shape->heads, c->T = a->T, c->D = shape->head_dim, c->C = shape->width;
    c->E = naive_position_row(a->position, a->layer);
    c->active = attention_has_position(o, a->layer);
    c->temperature = o->temperature > 0 ? o->temperature : 1;
    if (o->window && o->window < c->T && meant(o->window_layers, c->active))
        c->window = (int)o->window, c->sinks = (int)o->sinks;
    c->last = c->window + c->sinks - 1;
    c->root = sqrt(c->D);
    c->stretch = array(a, c->T);
    for (int i = 0; i < c->T; i++)
        c->stretch[i] = meant(o->scale_layers, c->active) ? stretch_of(o, shape->train_length, i) : 1;
    c->q = part_of(a, c, qkv, 0, c->E), c->k = part_of(a, c, qkv, 1, c->E);
    c->sink_q = part_of(a, c, qkv, 0, c->E), c->v = part_of(a, c, qkv, 2, c->D);
    c->input_q = part_of(a, c, qkv, 0, c->D), c->input_k = part_of(a, c, qkv, 1, c->D);
    for (int i = 0; i < c->H * c->T * c->D; i++) c->input_q[i] *= c->stretch[i / c->D % c->T];
    turn_all(a, c, POS_QUERY, c->q, c->T, 1);
    turn_all(a, c, POS_KEY, c->k, c->T, 1);
    if (c->window) turn_all(a, c, POS_QUERY, c->sink_q, c->last, 1);
    size_t square = (size_t)c->T * c->T, pairs = (size_t)c->H * square;
    c->gates = array(a, (size_t)c->H * c->T), c->seen = NEW(a->arena, square, bool);
    c->before = array(a, pairs), c->p = array(a, pairs), c->nothing = array(a, (size_t)c->H * c->T);
    c->s = c->active && m->scores ? array(a, pairs) : c->before;
    if (c->active && m->horizon) {
        c->horizon = m->horizon(shape, a->context->options);
        c->far_q = part_of(a, c, qkv, 0, c->E), c->far_k = part_of(a, c, qkv, 1, c->E);
        turn_all(a, c, POS_QUERY_FAR, c->far_q, c->T, 1);
        turn_all(a, c, POS_KEY_FAR, c->far_k, c->T, 1);
    }
    for (int w = 0; w < 2 && c->active && m->vectors; w++) {
        c->n[w] = m->vector_count ? m->vector_count(shape, a->context->options, roles[w], c->T) : 0;
        c->r[w] = NEW(a->arena, (size_t)c->H * c->n[w] * c->D, float);
        if (c->n[w]) m->vectors(a->context, roles[w], c->r[w]);
    }
    if (c->active && m->pair_bias) {
        float *pair = NEW(a->arena, square, float);
        c->pair = array(a, pairs);
        for (int h = 0; h < c->H; h++) {
            m->pair_bias(a->context, pair, h, 0, c->T);
            for (size_t i = 0; i < square; i++) c->pair[h * square + i] = pair[i];
        }
    }
    if (c->active && m->gate) {
        float *copy = NEW(a->arena, (size_t)c->T * c->C, float), *gates = NEW(a->arena, c->H * c->T, float);
        for (int i = 0; i < c->T * c->C; i++) copy[i] = (float)x[i];
        m->gate(a->context, copy, gates);
        for (int i = 0; i < c->H * c->T; i++) c->gates[i] = gates[i];
    }
    return c;
}

static void make_scores(const NaiveAttention *a, Core *c) {
    const PositionMethod *m = a->model->position.method;
    for (int h = 0; h < c->H; h++)
        for (int i = 0; i < c->T; i++) {
            double gates = 0; /* sum over keys j + 1 to i */
            for (int j = i; j >= 0; j--) {
                size_t at = ((size_t)h * c->T + i) * c->T + j;
                int d = distance(c, i, j);
                double product = dot(query_for(c, h, i, j), key_for(c, h, i, j), c->E);
                if (c->n[0])
                    product += dot_float(vector_query(c, h, i, j), c->r[0] + vector_at(c, 0, h, d), c->D);
                double bias = c->active ? a->bias[h * c->T + d] : 0;
                c->seen[i * c->T + j] = !c->window || j < c->sinks || j > i - c->window;
                c->before[at] = product / c->root + bias + (c->pair ? c->pair[at] : 0) + gates;
                gates += c->gates[h * c->T + j];
            }
        }
    if (!c->active || !m->scores) return;
    PositionScores block = block_of(a, c, c->before);
    m->scores(a->context, &block);
    for (int row = 0; row < c->H * c->T; row++)
        for (int j = 0; j <= row % c->T; j++)
            c->s[(size_t)row * c->T + j] = block.s[(size_t)row * block.columns + j];
}

/* The entropy of the softmax of factor * s over the chosen keys decides about a further factor (arXiv
   2410.01104). */
static double adapted(const double *s, const bool *chosen, int i, double factor) {
    double sum = 0, entropy = 0, most = -INFINITY;
    for (int j = 0; j <= i; j++)
        if (chosen[j]) most = fmax(most, factor * s[j]);
    for (int j = 0; j <= i; j++) sum += chosen[j] ? exp(factor * s[j] - most) : 0;
    for (int j = 0; j <= i; j++) {
        double p = chosen[j] ? exp(factor * s[j] - most) / sum : 0;
        if (p > 0) entropy -= p * log(p);
    }
    double fit = -0.037 * pow(entropy, 4) + 0.481 * pow(entropy, 3) - 2.3 * entropy * entropy +
                 4.917 * entropy - 1.791;
    return entropy > 0.5 ? factor * fmax(fit, 1) : factor;
}

static Core *forward(const NaiveAttention *a, const double *qkv, const double *x) {
    Core *c = make_core(a, qkv, x);
    make_scores(a, c);
    bool *chosen = NEW(a->arena, c->T, bool);
    for (int row = 0; row < c->H * c->T; row++) {
        const double *s = c->s + (size_t)row * c->T;
        double *p = c->p + (size_t)row * c->T, most = -INFINITY, sum = 0;
        int i = row % c->T;
        choose(a, c, s, i, chosen);
        for (int j = 0; j <= i; j++)
            if (chosen[j]) most = fmax(most, s[j]);
        double factor = c->temperature;
        if (a->model->options.attention.adaptive_temperature) factor = adapted(s, chosen, i, factor);
        for (int j = 0; j <= i; j++) sum += p[j] = chosen[j] ? exp(factor * (s[j] - most)) : 0;
        if (a->sink) sum += c->nothing[row] = exp(a->sink[row / c->T] - factor * most);
        for (int j = 0; j <= i; j++) p[j] /= sum;
        c->nothing[row] /= sum;
    }
    return c;
}

/* The contribution of key j to the output of query i at coordinate e. */
static double value_of(const Core *c, int h, int i, int j, int e) {
    double value = c->v[(size_t)(h * c->T + j) * c->D + e];
    return c->n[1] ? value + c->r[1][vector_at(c, 1, h, distance(c, i, j)) + e] : value;
}

const NaiveCore *naive_attend(const NaiveAttention *a, double *mixed, const double *qkv, const double *x) {
    const Core *c = forward(a, qkv, x);
    for (int h = 0; h < c->H; h++)
        for (int i = 0; i < c->T; i++)
            for (int j = 0; j <= i; j++) {
                double p = c->p[((size_t)h * c->T + i) * c->T + j];
                if (p == 0) continue; /* not visible or not among the k highest */
                for (int e = 0; e < c->D; e++)
                    mixed[(size_t)i * c->C + h * c->D + e] += p * value_of(c, h, i, j, e);
            }
    return c;
}

/* ---- backward ---- */

typedef struct Gradient {
    double *q, *k, *v, *far_q, *far_k, *sink_q, *ds, *gates;
    float *r[2], *pair;
} Gradient;

static Gradient gradient_new(const NaiveAttention *a, const Core *c) {
    size_t vectors = (size_t)c->H * c->T * c->E, square = (size_t)c->T * c->T;
    Gradient g = {.q = array(a, vectors), .k = array(a, vectors), .v = array(a, (size_t)c->H * c->T * c->D)};
    g.far_q = array(a, vectors), g.far_k = array(a, vectors), g.sink_q = array(a, vectors);
    g.ds = array(a, c->H * square), g.gates = array(a, (size_t)c->H * c->T);
    g.pair = NEW(a->arena, square, float);
    for (int w = 0; w < 2; w++) g.r[w] = NEW(a->arena, (size_t)c->H * c->n[w] * c->D, float);
    return g;
}

/* Computes dV, the gradient of the values' vectors, of the sink logits, and that at the scores. */
static void values_backward(const NaiveAttention *a, const Core *c, Gradient *g, const double *dmixed) {
    for (int row = 0; row < c->H * c->T; row++) {
        int h = row / c->T, i = row % c->T;
        const double *p = c->p + (size_t)row * c->T, *dout = dmixed + (size_t)i * c->C + h * c->D;
        double *ds = g->ds + (size_t)row * c->T, mean = 0;
        for (int j = 0; j <= i; j++) {
            if (p[j] == 0) continue; /* then ds is zero as well */
            for (int e = 0; e < c->D; e++) {
                ds[j] += dout[e] * value_of(c, h, i, j, e);
                g->v[(size_t)(h * c->T + j) * c->D + e] += dout[e] * p[j];
                if (c->n[1]) g->r[1][vector_at(c, 1, h, distance(c, i, j)) + e] += (float)(dout[e] * p[j]);
            }
            mean += p[j] * ds[j];
        }
        for (int j = 0; j <= i; j++) ds[j] = p[j] * (ds[j] - mean) * c->temperature;
        if (a->sink) a->dsink[h] -= c->nothing[row] * mean;
    }
}

/* Turns ds from the gradient at the changed scores into that before the change. */
static void change_backward(const NaiveAttention *a, const Core *c, Gradient *g) {
    PositionScores block = block_of(a, c, c->before);
    block.ds = NEW(a->arena, (size_t)c->H * c->T * block.columns, float);
    for (int row = 0; row < c->H * c->T; row++)
        for (int j = 0; j <= row % c->T; j++)
            block.ds[(size_t)row * block.columns + j] = (float)g->ds[(size_t)row * c->T + j];
    a->model->position.method->scores_backward(a->context, &block);
    for (int row = 0; row < c->H * c->T; row++)
        for (int j = 0; j <= row % c->T; j++)
            g->ds[(size_t)row * c->T + j] =
                c->seen[row % c->T * c->T + j] ? block.ds[(size_t)row * block.columns + j] : 0;
    for (int i = 0; i < c->H * c->T; i++) a->dbias[i] += block.dbias[i];
    for (int i = 0; i < c->H * c->T * c->D; i++) {
        g->q[i] += block.dq[i / (c->T * c->D)][i % (c->T * c->D)];
        g->k[i] += block.dk[i / (c->T * c->D)][i % (c->T * c->D)];
    }
}

static void scores_backward(const NaiveAttention *a, const Core *c, Gradient *g) {
    for (int row = 0; row < c->H * c->T; row++) {
        int h = row / c->T, i = row % c->T;
        double before = 0; /* sum of ds of keys 0 to j - 1: their scores contain the gate of key j */
        for (int j = 0; j <= i; j++) {
            double ds = g->ds[(size_t)row * c->T + j], share = ds / c->root;
            g->gates[h * c->T + j] += before;
            if (ds == 0) continue;
            before += ds;
            int d = distance(c, i, j);
            bool far = c->horizon && d >= c->horizon, sink = c->window && j < c->sinks;
            size_t qi = (size_t)row * c->E, kj = (size_t)(h * c->T + j) * c->E;
            const double *q = query_for(c, h, i, j), *k = key_for(c, h, i, j);
            const double *vq = vector_query(c, h, i, j);
            double *near_q = sink ? g->sink_q : g->q, *dq = far ? g->far_q : near_q,
                   *dk = far ? g->far_k : g->k;
            for (int e = 0; e < c->E; e++) {
                dq[qi + e] += share * k[e];
                dk[kj + e] += share * q[e];
                if (!c->n[0]) continue;
                near_q[qi + e] += share * c->r[0][vector_at(c, 0, h, d) + e];
                g->r[0][vector_at(c, 0, h, d) + e] += (float)(share * vq[e]);
            }
            if (c->active) a->dbias[h * c->T + d] += ds;
        }
    }
}

static void hooks_backward(const NaiveAttention *a, const Core *c, Gradient *g, double *dx, const double *x) {
    const PositionMethod *m = a->model->position.method;
    size_t square = (size_t)c->T * c->T, inputs = (size_t)c->T * c->C;
    for (int w = 0; w < 2; w++)
        if (c->n[w] && m->vectors_backward) m->vectors_backward(a->context, roles[w], g->r[w]);
    for (int h = 0; m->pair_bias_backward && h < c->H; h++) {
        for (size_t i = 0; i < square; i++) g->pair[i] = (float)g->ds[h * square + i];
        m->pair_bias_backward(a->context, g->pair, h, 0, c->T);
    }
    if (!m->gate) return;
    float *copy = NEW(a->arena, inputs, float), *change = NEW(a->arena, inputs, float);
    float *dgates = NEW(a->arena, c->H * c->T, float);
    for (size_t i = 0; i < inputs; i++) copy[i] = (float)x[i];
    for (int i = 0; i < c->H * c->T; i++) dgates[i] = (float)g->gates[i];
    m->gate_backward(a->context, copy, dgates, change);
    for (size_t i = 0; i < inputs; i++) dx[i] += change[i];
}

void naive_attend_backward(const NaiveAttention *a, const NaiveCore *c, double *dqkv, double *dx,
                           const double *dmixed, const double *x) {
    Gradient g = gradient_new(a, c);
    values_backward(a, c, &g, dmixed);
    if (c->active && a->model->position.method->scores) change_backward(a, c, &g);
    scores_backward(a, c, &g);
    if (c->active) hooks_backward(a, c, &g, dx, x);
    turn_all(a, c, POS_QUERY, g.q, c->T, -1);
    turn_all(a, c, POS_KEY, g.k, c->T, -1);
    if (c->window) turn_all(a, c, POS_QUERY, g.sink_q, c->last, -1);
    if (c->horizon) {
        turn_all(a, c, POS_QUERY_FAR, g.far_q, c->T, -1);
        turn_all(a, c, POS_KEY_FAR, g.far_k, c->T, -1);
    }
    for (int t = 0; t < c->T; t++)
        for (int i = 0; i < c->C; i++) {
            size_t row = (size_t)(i / c->D * c->T + t), at = row * c->E + i % c->D;
            double *to = dqkv + (size_t)t * 3 * c->C + i;
            to[0] += g.q[at] + g.sink_q[at] + g.far_q[at];
            to[c->C] += g.k[at] + g.far_k[at];
            to[2 * c->C] += g.v[row * c->D + i % c->D];
        }
}
