/* laws_scores: hooks are called on random queries, keys, inputs and scores; outputs are between canaries. */
#include "laws_scores.h"

#include <math.h>
#include <string.h>

#include "probe.h"
#include "base/error.h"
#include "base/arena.h"
#include "position/position.h"

enum { FAR_QUERY, FAR_KEY, PAIR_BIAS, KEY_VECTORS, VALUE_VECTORS, GATES, BIASES, ROWS_OF_SCORES, OUTPUTS };
static const char *const hooks[OUTPUTS] = {"transform of far q", "transform of far k",
                                           "pair_bias",          "vectors of keys",
                                           "vectors of values",  "gate",
                                           "distance_bias",      "scores"};
enum { MOST_PAIR_ROWS = 140, MOST_ROWS = 40 };

/* The inputs and outputs of the hooks. */
typedef struct Scene {
    Probe p;
    PositionContext context;
    int T, H, D, C, columns, pair_rows, rows, first; /* of the rows of scores */
    float *q, *k, *x, *s;                            /* [T,D] of head 0, [T,C]; [H,rows,columns] */
    float *heads;                                    /* [H,rows,D]: queries of the rows of scores */
    float *dq, *dk, *dx, *ds, *dheads;
    int vectors[2];
    float *out[OUTPUTS];  /* each between canaries */
    float *here[OUTPUTS]; /* outputs before a step */
    size_t count[OUTPUTS];
} Scene;

static float *random_array(size_t count, const LawCase *c, const char *name, Arena *arena) {
    float *x = NEW(arena, count + 1, float);
    Random rng = random_stream(c->seed, "scene", name);
    for (size_t i = 0; i < count; i++) x[i] = (float)random_normal(&rng);
    return x;
}

static bool seen(const Scene *z, size_t at) { /* for the rows of scores */
    return (int)(at % (size_t)z->columns) <= z->first + (int)(at / (size_t)z->columns % (size_t)z->rows);
}

static Scene scene_new(const LawCase *c, int length, bool last_rows, Arena *arena) {
    Scene z = {.p = probe_new(c, length, arena), .T = length};
    const PositionMethod *m = z.p.method;
    z.H = z.p.shape.heads, z.D = z.p.shape.head_dim, z.C = z.p.shape.width;
    size_t T = (size_t)length, H = (size_t)z.H, D = (size_t)z.D;
    z.columns = (length + 15) / 16 * 16;
    z.pair_rows = length < MOST_PAIR_ROWS ? length : MOST_PAIR_ROWS;
    z.rows = length < MOST_ROWS ? length : MOST_ROWS;
    z.first = last_rows ? length - z.rows : 0;
    if (m->vector_count) {
        z.vectors[0] = m->vector_count(&z.p.shape, c->position.options, POS_KEY, length);
        z.vectors[1] = m->vector_count(&z.p.shape, c->position.options, POS_VALUE, length);
    }
    if (m->horizon) z.count[FAR_QUERY] = z.count[FAR_KEY] = T * D;
    if (m->pair_bias) z.count[PAIR_BIAS] = H * (size_t)z.pair_rows * T;
    z.count[KEY_VECTORS] = H * (size_t)z.vectors[0] * D,
    z.count[VALUE_VECTORS] = H * (size_t)z.vectors[1] * D;
    if (m->gate) z.count[GATES] = H * T;
    if (m->scores && m->distance_bias) z.count[BIASES] = H * T;
    if (m->scores) z.count[ROWS_OF_SCORES] = H * (size_t)z.rows * (size_t)z.columns;
    size_t scores = z.count[ROWS_OF_SCORES], heads = m->scores ? H * (size_t)z.rows * D : 0,
           input = m->gate ? T * (size_t)z.C : 0;
    z.q = random_array(z.count[FAR_QUERY], c, "q", arena),
    z.k = random_array(z.count[FAR_KEY], c, "k", arena);
    z.x = random_array(input, c, "x", arena), z.s = random_array(scores, c, "s", arena);
    z.heads = random_array(heads, c, "heads", arena);
    for (size_t i = 0; i < scores; i++)
        if (!seen(&z, i)) z.s[i] = POS_UNSEEN;
    z.dq = NEW(arena, z.count[FAR_QUERY] + 1, float), z.dk = NEW(arena, z.count[FAR_KEY] + 1, float);
    z.dx = NEW(arena, input + 1, float);
    z.ds = NEW(arena, scores + 1, float), z.dheads = NEW(arena, heads + 1, float);
    for (int o = 0; o < OUTPUTS; o++)
        z.out[o] = guarded_new(arena, z.count[o]), z.here[o] = NEW(arena, z.count[o] + 1, float);
    return z;
}

/* The context; with gradients in p.grad if requested. */
static PositionContext context_of(const Scene *z, bool backward) {
    PositionContext context = z->p.context;
    context.shape = &z->p.shape;
    for (int i = 0; backward && i < z->p.count; i++) context.grad[i] = z->p.grad[i];
    return context;
}

static PositionScores block_of(const Scene *z, float *s, const float **q, float **dq) {
    for (int h = 0; h < z->H; h++) {
        q[h] = z->heads + (size_t)h * z->rows * z->D;
        dq[h] = z->dheads + (size_t)h * z->rows * z->D;
    }
    return (PositionScores){.first = z->first,
                            .rows = z->rows,
                            .columns = z->columns,
                            .q = q,
                            .dq = dq,
                            .stride = z->D,
                            .s = s,
                            .bias = z->count[BIASES] ? z->out[BIASES] : NULL};
}

static bool pair_seen(const Scene *z, size_t at) {
    return (int)(at % (size_t)z->T) <= (int)(at / (size_t)z->T % (size_t)z->pair_rows);
}

/* Calls all forward hooks; elements that they need not write are zero. */
static void forward(Scene *z) {
    const PositionMethod *m = z->p.method;
    PositionContext context = context_of(z, false);
    const float *q[256];
    float *dq[256];
    if (z->count[FAR_QUERY]) {
        memcpy(z->out[FAR_QUERY], z->q, z->count[FAR_QUERY] * sizeof(float));
        memcpy(z->out[FAR_KEY], z->k, z->count[FAR_KEY] * sizeof(float));
        m->transform(&context, POS_QUERY_FAR, z->out[FAR_QUERY], z->D);
        m->transform(&context, POS_KEY_FAR, z->out[FAR_KEY], z->D);
    }
    for (int h = 0; z->count[PAIR_BIAS] && h < z->H; h++)
        m->pair_bias(&context, z->out[PAIR_BIAS] + (size_t)h * z->pair_rows * z->T, h, 0, z->pair_rows);
    for (size_t i = 0; i < z->count[PAIR_BIAS]; i++)
        if (!pair_seen(z, i)) z->out[PAIR_BIAS][i] = 0;
    if (z->count[KEY_VECTORS]) m->vectors(&context, POS_KEY, z->out[KEY_VECTORS]);
    if (z->count[VALUE_VECTORS]) m->vectors(&context, POS_VALUE, z->out[VALUE_VECTORS]);
    if (z->count[GATES]) m->gate(&context, z->x, z->out[GATES]);
    if (z->count[BIASES]) m->distance_bias(&context, z->out[BIASES]);
    if (!z->count[ROWS_OF_SCORES]) return;
    memcpy(z->out[ROWS_OF_SCORES], z->s, z->count[ROWS_OF_SCORES] * sizeof(float));
    PositionScores block = block_of(z, z->out[ROWS_OF_SCORES], q, dq);
    m->scores(&context, &block);
    for (size_t i = 0; i < z->count[ROWS_OF_SCORES]; i++)
        if (!seen(z, i)) z->out[ROWS_OF_SCORES][i] = 0;
}

/* Calls all backward hooks for these weights of the outputs (copies, which may only be changed if gradients
   of inputs are returned in them). The weight of distance biases is zero: law_gradient tests them. */
static void backward(Scene *z, float *const weights[OUTPUTS], Arena *arena) {
    const PositionMethod *m = z->p.method;
    PositionContext context = context_of(z, true);
    const float *q[256];
    float *dq[256];
    if (z->count[FAR_QUERY]) {
        memcpy(z->dq, weights[FAR_QUERY], z->count[FAR_QUERY] * sizeof(float));
        memcpy(z->dk, weights[FAR_KEY], z->count[FAR_KEY] * sizeof(float));
        m->transform_backward(&context, POS_QUERY_FAR, z->q, z->dq, z->D);
        m->transform_backward(&context, POS_KEY_FAR, z->k, z->dk, z->D);
    }
    for (int h = 0; m->pair_bias_backward && h < z->H; h++)
        m->pair_bias_backward(&context, weights[PAIR_BIAS] + (size_t)h * z->pair_rows * z->T, h, 0,
                              z->pair_rows);
    if (m->vectors_backward && z->vectors[0]) m->vectors_backward(&context, POS_KEY, weights[KEY_VECTORS]);
    if (m->vectors_backward && z->vectors[1])
        m->vectors_backward(&context, POS_VALUE, weights[VALUE_VECTORS]);
    if (m->gate_backward) m->gate_backward(&context, z->x, weights[GATES], z->dx);
    if (!m->scores_backward) return;
    double *dbias = NEW(arena, (size_t)z->H * z->T, double);
    float *through = NEW(arena, (size_t)z->H * z->T, float);
    memcpy(z->ds, weights[ROWS_OF_SCORES], z->count[ROWS_OF_SCORES] * sizeof(float));
    PositionScores block = block_of(z, z->s, q, dq);
    block.ds = z->ds, block.dbias = dbias;
    m->scores_backward(&context, &block);
    for (int i = 0; i < z->H * z->T; i++) through[i] = (float)dbias[i];
    if (m->distance_bias_backward) m->distance_bias_backward(&context, through);
}

static void make_weights(const Scene *z, const LawCase *c, float *weights[OUTPUTS], Arena *arena) {
    for (int o = 0; o < OUTPUTS; o++) {
        weights[o] = random_array(z->count[o], c, "weights", arena);
        for (size_t i = 0; i < z->count[o]; i++)
            if ((o == PAIR_BIAS && !pair_seen(z, i)) || (o == ROWS_OF_SCORES && !seen(z, i)) || o == BIASES)
                weights[o][i] = 0;
    }
}

/* ---- form ---- */

bool scores_paired(const PositionMethod *m, Error *err) {
    if (m->horizon && !m->transform) return BROKEN(err, "horizon without transform");
    if (m->pair_bias_backward && !m->pair_bias) return BROKEN(err, "pair_bias_backward alone");
    if (!m->vectors != !m->vector_count) return BROKEN(err, "vectors without vector_count, or alone");
    if (m->vectors_backward && !m->vectors) return BROKEN(err, "vectors_backward alone");
    if (!m->gate != !m->gate_backward) return BROKEN(err, "gate without its backward, or alone");
    if (!m->scores != !m->scores_backward) return BROKEN(err, "scores without its backward, or alone");
    return true;
}

bool scores_have_gradient(const PositionMethod *m) {
    return m->pair_bias_backward || m->vectors_backward || m->gate_backward || m->scores_backward;
}

/* ---- purity ---- */

/* The first output in which the two differ; OUTPUTS if they are equal. */
static int other_bits(const Scene *z, float *const a[OUTPUTS], float *const b[OUTPUTS]) {
    int o = 0;
    while (o < OUTPUTS && memcmp(a[o], b[o], z->count[o] * sizeof(float)) == 0) o++;
    return o;
}

bool scores_are_pure(const LawCase *c, Arena *arena, Error *err) {
    Scene z = scene_new(c, c->length, true, arena);
    float *copies[OUTPUTS], *weights[OUTPUTS], *given[OUTPUTS];
    unsigned char *tables = memcpy(NEW(arena, z.p.table_bytes, unsigned char), z.p.tables, z.p.table_bytes);
    for (int o = 0; o < OUTPUTS; o++)
        for (size_t i = 0; i < z.count[o]; i++) z.out[o][i] = NAN; /* every element must be written */
    forward(&z);
    for (int o = 0; o < OUTPUTS; o++) {
        copies[o] = memcpy(NEW(arena, z.count[o] + 1, float), z.out[o], z.count[o] * sizeof(float));
        if (!guarded_intact(z.out[o], z.count[o]))
            return BROKEN(err, "%s writes outside its array", hooks[o]);
        for (size_t i = 0; i < z.count[o]; i++)
            if (!isfinite(z.out[o][i]))
                return BROKEN(err, "%s leaves number %zu without a finite value", hooks[o], i);
    }
    forward(&z);
    int other = other_bits(&z, z.out, copies);
    if (other < OUTPUTS) return BROKEN(err, "a second call of %s gives other bits", hooks[other]);
    make_weights(&z, c, weights, arena);
    for (int o = 0; o < OUTPUTS; o++)
        given[o] = memcpy(NEW(arena, z.count[o] + 1, float), weights[o], z.count[o] * sizeof(float));
    float *s =
        memcpy(NEW(arena, z.count[ROWS_OF_SCORES] + 1, float), z.s, z.count[ROWS_OF_SCORES] * sizeof(float));
    float *grads[POS_MAX_TENSORS] = {0};
    backward(&z, weights, arena);
    for (int i = 0; i < z.p.count; i++) {
        if (!guarded_intact(z.p.grad[i], z.p.sizes[i]))
            return BROKEN(err, "a backward score hook writes outside the gradient of '%s'",
                          z.p.tensors[i].name);
        grads[i] = memcpy(NEW(arena, z.p.sizes[i], float), z.p.grad[i], z.p.sizes[i] * sizeof(float));
    }
    backward(&z, weights, arena); /* adds the same amount again */
    for (int i = 0; i < z.p.count; i++) {
        float largest = 0;
        for (size_t j = 0; j < z.p.sizes[i]; j++) largest = fmaxf(largest, fabsf(grads[i][j]));
        for (size_t j = 0; j < z.p.sizes[i]; j++)
            if (!(fabsf(z.p.grad[i][j] - 2 * grads[i][j]) <= 4e-6f * largest))
                return BROKEN(err, "a backward score hook overwrites the gradient of '%s'",
                              z.p.tensors[i].name);
    }
    other = other_bits(&z, given, weights);
    if (other < OUTPUTS)
        return BROKEN(err, "%s (backward) changed a gradient that it may only read", hooks[other]);
    if (memcmp(s, z.s, z.count[ROWS_OF_SCORES] * sizeof(float)) != 0)
        return BROKEN(err, "scores_backward changed the scores");
    if (memcmp(tables, z.p.tables, z.p.table_bytes) != 0)
        return BROKEN(err, "a score hook changed the tables");
    return true;
}

/* ---- gradients ---- */

/* The slope of the weighted outputs between `at` and `at` + `step`; z->here has the outputs at `at`. */
static double slope(Scene *z, float *const weights[OUTPUTS], float *at, double step) {
    double sum = 0;
    float here = *at;
    *at = (float)(here + step);
    double moved = (double)*at - here;
    forward(z);
    *at = here;
    for (int o = 0; o < OUTPUTS; o++)
        for (size_t i = 0; i < z->count[o]; i++)
            sum += (double)weights[o][i] * ((double)z->out[o][i] - z->here[o][i]);
    return sum / moved;
}

/* Tests one array of numbers and its gradients. Some methods have kinks, many of them if many pairs share a
   distance. So a gradient is compared with the slopes on both sides, for several steps: it must be between
   them, or within their difference of one of them. */
static bool gradient_holds(Scene *z, float *const weights[OUTPUTS], const char *name, float *value,
                           const float *gradient, size_t count, bool *used, Error *err) {
    double largest = 0, steepest = 0;
    for (size_t i = 0; i < count; i++) {
        if (value[i] == POS_UNSEEN) continue;
        largest = fmax(largest, fabs((double)value[i]));
        steepest = fmax(steepest, fabs((double)gradient[i]));
    }
    for (size_t i = 0; i < count; i += count / 37 + 1) {
        double left = 0, right = 0, got = gradient[i];
        bool holds = false;
        if (value[i] == POS_UNSEEN) continue;
        for (int size = 0; size < 4 && !holds; size++) {
            double step =
                (double[]){0.003, 0.012, 0.0008, 0.0002}[size] * fmax(fabs((double)value[i]), 0.1 * largest);
            left = slope(z, weights, &value[i], -step), right = slope(z, weights, &value[i], step);
            double room = 5 * GRADIENT_TOLERANCE * fmax(steepest, fmax(fabs(left), fabs(right)));
            room += fabs(left - right); /* difference of the slopes, from kinks and rounding */
            *used = *used || left != 0 || right != 0;
            holds = got >= fmin(left, right) - room && got <= fmax(left, right) + room;
        }
        if (!holds)
            return BROKEN(err, "gradient of %s[%zu] by score hooks is %.7g, slopes are %.7g and %.7g", name,
                          i, got, left, right);
    }
    return true;
}

bool scores_gradients_hold(const LawCase *c, bool used[POS_MAX_TENSORS], Arena *arena, Error *err) {
    Scene z = scene_new(c, c->length, true, arena);
    float *weights[OUTPUTS];
    bool any = false;
    for (int o = 0; o < OUTPUTS; o++) any = any || z.count[o];
    if (!any) return true;
    make_weights(&z, c, weights, arena);
    forward(&z); /* scores_backward reads the biases */
    for (int o = 0; o < OUTPUTS; o++) memcpy(z.here[o], z.out[o], z.count[o] * sizeof(float));
    backward(&z, weights, arena);
    for (int i = 0; i < z.p.count; i++)
        if (!gradient_holds(&z, weights, z.p.tensors[i].name, z.p.value[i], z.p.grad[i], z.p.sizes[i],
                            &used[i], err))
            return false;
    bool inputs = false;
    size_t vectors = (size_t)z.T * z.D;
    return gradient_holds(&z, weights, "q", z.q, z.dq, z.count[FAR_QUERY], &inputs, err) &&
           gradient_holds(&z, weights, "k", z.k, z.dk, z.count[FAR_KEY], &inputs, err) &&
           gradient_holds(&z, weights, "x", z.x, z.dx, z.count[GATES] ? vectors * (size_t)z.H : 0, &inputs,
                          err) &&
           gradient_holds(&z, weights, "s", z.s, z.ds, z.count[ROWS_OF_SCORES], &inputs, err) &&
           gradient_holds(&z, weights, "rows of q", z.heads, z.dheads,
                          z.count[ROWS_OF_SCORES] ? (size_t)z.H * z.rows * z.D : 0, &inputs, err);
}

/* ---- claims ---- */

static double deviation_of(double a, double b) {
    return fabs(a - b) / (1 + fabs(b));
}

/* With equal content at all positions, everything must depend on distance only. Pair biases are read at two
   distant queries, since they may agree up to some position. */
double scores_shift(const LawCase *c, Arena *arena) {
    enum { NEAR_QUERY = 95, FAR_AWAY = 16384 };
    Scene z = scene_new(c, NEAR_QUERY + 1, true, arena);
    double worst = 0;
    for (int t = 1; t < z.T; t++) {
        if (z.count[FAR_QUERY]) {
            memcpy(z.q + (size_t)t * z.D, z.q, (size_t)z.D * sizeof(float));
            memcpy(z.k + (size_t)t * z.D, z.k, (size_t)z.D * sizeof(float));
        }
        if (z.count[GATES]) memcpy(z.x + (size_t)t * z.C, z.x, (size_t)z.C * sizeof(float));
    }
    for (int h = 0; z.count[ROWS_OF_SCORES] && h < z.H; h++)
        for (int r = 0; r < z.rows; r++) {
            size_t head = (size_t)h * z.rows;
            memcpy(z.heads + (head + r) * z.D, z.heads + head * z.D, (size_t)z.D * sizeof(float));
        }
    for (size_t i = 0; i < z.count[ROWS_OF_SCORES]; i++)
        if (seen(&z, i)) z.s[i] = z.s[i / ((size_t)z.rows * z.columns) * z.rows * z.columns];
    forward(&z);
    for (size_t i = 0; i < z.count[FAR_QUERY]; i++) {
        worst = fmax(worst, deviation_of(z.out[FAR_QUERY][i], z.out[FAR_QUERY][i % (size_t)z.D]));
        worst = fmax(worst, deviation_of(z.out[FAR_KEY][i], z.out[FAR_KEY][i % (size_t)z.D]));
    }
    for (size_t i = 0; i < z.count[GATES]; i++)
        worst = fmax(worst, deviation_of(z.out[GATES][i], z.out[GATES][i / (size_t)z.T * z.T]));
    for (size_t i = 0; i < z.count[ROWS_OF_SCORES]; i++) {
        size_t row = i / (size_t)z.columns, j = i % (size_t)z.columns;
        size_t r = row % (size_t)z.rows, first_row = row - r, last = first_row + (size_t)z.rows - 1;
        size_t moved =
            last * (size_t)z.columns + j + ((size_t)z.rows - 1 - r); /* the same distance in a later row */
        if (seen(&z, i))
            worst = fmax(worst, deviation_of(z.out[ROWS_OF_SCORES][i], z.out[ROWS_OF_SCORES][moved]));
    }
    if (!z.count[PAIR_BIAS]) return worst;
    Probe far = probe_new(c, FAR_AWAY, arena);
    PositionContext context = far.context;
    context.shape = &far.shape;
    float *near = NEW(arena, FAR_AWAY, float), *away = NEW(arena, FAR_AWAY, float);
    for (int h = 0; h < z.H; h++) {
        z.p.method->pair_bias(&context, near, h, NEAR_QUERY, 1);
        z.p.method->pair_bias(&context, away, h, FAR_AWAY - 1, 1);
        for (int d = 0; d <= NEAR_QUERY; d++)
            worst = fmax(worst, deviation_of(near[NEAR_QUERY - d], away[FAR_AWAY - 1 - d]));
    }
    return worst;
}

double scores_prefix(const LawCase *c, int shorter, int longer, Arena *arena) {
    Scene s = scene_new(c, shorter, false, arena), l = scene_new(c, longer, false, arena);
    double worst = 0;
    for (int h = 0; s.count[ROWS_OF_SCORES] && h < s.H; h++)
        for (int r = 0; r < s.rows; r++) {
            size_t from = (size_t)(h * s.rows + r), to = (size_t)(h * l.rows + r);
            memcpy(l.heads + to * l.D, s.heads + from * s.D, (size_t)s.D * sizeof(float));
            for (int j = 0; j <= r; j++) l.s[to * l.columns + j] = s.s[from * s.columns + j];
        }
    forward(&s);
    forward(&l);
    for (int o = 0; o < OUTPUTS; o++)
        for (size_t i = 0; i < s.count[o]; i++) {
            size_t other = i, T = (size_t)s.T, rows = (size_t)s.pair_rows, columns = (size_t)s.columns;
            size_t vectors = (size_t)s.vectors[o == VALUE_VECTORS] * (size_t)s.D;
            if (o == PAIR_BIAS) {
                other = (i / T / rows * (size_t)l.pair_rows + i / T % rows) * (size_t)l.T + i % T;
            } else if (o == KEY_VECTORS || o == VALUE_VECTORS) {
                other = i / vectors * (size_t)l.vectors[o == VALUE_VECTORS] * (size_t)s.D + i % vectors;
            } else if (o == GATES || o == BIASES) {
                other = i / T * (size_t)l.T + i % T;
            } else if (o == ROWS_OF_SCORES) {
                size_t row = i / columns, r = row % (size_t)s.rows;
                if (!seen(&s, i)) continue;
                other = (row / (size_t)s.rows * (size_t)l.rows + r) * (size_t)l.columns + i % columns;
            }
            worst = fmax(worst, deviation_of(s.out[o][i], l.out[o][other]));
        }
    return worst;
}

const float *scores_outputs(const LawCase *c, size_t *count, Arena *arena) {
    *count = 1;
    if (c->position.partner)
        return NEW(arena, 1, float); /* partners use positions: they have no such hooks */
    Scene z = scene_new(c, 300, true, arena);
    for (int o = 0; o < OUTPUTS; o++) *count += z.count[o];
    float *all = NEW(arena, *count, float), *to = all + 1;
    if (z.p.method->horizon) all[0] = (float)z.p.method->horizon(&z.p.shape, c->position.options);
    forward(&z);
    for (int o = 0; o < OUTPUTS; to += z.count[o], o++) memcpy(to, z.out[o], z.count[o] * sizeof(float));
    return all;
}
