/* laws_hooks: laws on the hooks of a method, which are called directly and with memory between canaries. */
#include <math.h>
#include <string.h>

#include "laws_scores.h"
#include "naive.h"
#include "probe.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

/* ---- purity ---- */

/* The first part in which the two differ; PARTS if they are equal. */
static int other_bits(const Probe *p, const float *a, const float *b) {
    int part = 0;
    while (part < PARTS && memcmp(a + p->start[part], b + p->start[part], p->size[part] * sizeof *a) == 0)
        part++;
    return part;
}

static bool forward_is_pure(const LawCase *c, Arena *arena, Error *err) {
    Probe p = probe_new(c, c->length, arena), other = probe_new(c, c->length + 7, arena);
    unsigned char *tables = memcpy(NEW(arena, p.table_bytes, unsigned char), p.tables, p.table_bytes);
    void *options = NULL;
    if (p.method->options_size)
        options = memcpy(arena_alloc(arena, 1, p.method->options_size), p.options, p.method->options_size);
    float *input = probe_data(&p, c->seed, "input", arena), *values[POS_MAX_TENSORS];
    for (size_t i = 0; i < p.size[BIAS]; i++)
        input[p.start[BIAS] + i] = NAN; /* every element must be written */
    for (int i = 0; i < p.count; i++)
        values[i] = memcpy(NEW(arena, p.sizes[i], float), p.value[i], p.sizes[i] * sizeof(float));

    float *first = probe_copy(&p, input, arena), *second = probe_copy(&p, input, arena);
    probe_forward(&p, first);
    float *between = probe_data(&other, c->seed, "between", arena);
    probe_forward(&other, between);
    probe_forward(&p, second);
    const char *spoilt = probe_spoilt(&p, first);
    if (!spoilt) spoilt = probe_spoilt(&other, between);
    if (spoilt) return BROKEN(err, "%s writes outside its array", spoilt);
    for (int part = 0; part < PARTS; part++)
        for (size_t i = 0; i < p.size[part]; i++)
            if (probe_inside(&p, part, i) && !isfinite(first[p.start[part] + i]))
                return BROKEN(err, "%s leaves number %zu without a finite value", probe_hooks[part], i);
    int part = other_bits(&p, first, second);
    if (part < PARTS) return BROKEN(err, "a second call of %s gives other bits", probe_hooks[part]);
    if (memcmp(tables, p.tables, p.table_bytes) != 0) return BROKEN(err, "a forward hook changed the tables");
    if (options && memcmp(options, p.options, p.method->options_size) != 0)
        return BROKEN(err, "a hook changed the options");
    for (int i = 0; i < p.count; i++)
        if (memcmp(values[i], p.value[i], p.sizes[i] * sizeof(float)) != 0 ||
            !guarded_intact(p.value[i], p.sizes[i]))
            return BROKEN(err, "a forward hook changed '%s'", p.tensors[i].name);
    return true;
}

static bool backward_is_pure(const LawCase *c, Arena *arena, Error *err) {
    Probe p = probe_new(c, c->length, arena);
    unsigned char *tables = memcpy(NEW(arena, p.table_bytes, unsigned char), p.tables, p.table_bytes);
    float *output = probe_data(&p, c->seed, "output", arena), *changed[2], *grads[2][POS_MAX_TENSORS];
    for (int k = 0; k < 2; k++) {
        for (int i = 0; i < p.count; i++) memset(p.grad[i], 0, p.sizes[i] * sizeof(float));
        changed[k] = probe_copy(&p, output, arena);
        probe_backward(&p, changed[k]);
        for (int i = 0; i < p.count; i++)
            grads[k][i] = memcpy(NEW(arena, p.sizes[i], float), p.grad[i], p.sizes[i] * sizeof(float));
    }
    const char *spoilt = probe_spoilt(&p, changed[0]);
    if (spoilt) return BROKEN(err, "%s (backward) writes outside its array", spoilt);
    int part = other_bits(&p, changed[0], changed[1]);
    if (part < PARTS)
        return BROKEN(err, "a second call of %s (backward) gives other bits", probe_hooks[part]);
    for (part = 0; part < PARTS; part++)
        if (part != QUERY && part != KEY &&
            memcmp(changed[0] + p.start[part], output + p.start[part], p.size[part] * sizeof(float)) != 0)
            return BROKEN(err, "%s (backward) changed a gradient that it may only read", probe_hooks[part]);
    if (memcmp(tables, p.tables, p.table_bytes) != 0)
        return BROKEN(err, "a backward hook changed the tables");
    for (int i = 0; i < p.count; i++) {
        if (memcmp(grads[0][i], grads[1][i], p.sizes[i] * sizeof(float)) != 0)
            return BROKEN(err, "a second call gives another gradient of '%s'", p.tensors[i].name);
        for (size_t j = 0; j < p.sizes[i]; j++) p.grad[i][j] = grads[1][i][j] = (float)(j % 7) - 3;
    }
    probe_backward(&p, probe_copy(&p, output, arena));
    for (int i = 0; i < p.count; i++) {
        float largest = 4;
        if (!guarded_intact(p.grad[i], p.sizes[i]))
            return BROKEN(err, "a backward hook writes outside the gradient of '%s'", p.tensors[i].name);
        for (size_t j = 0; j < p.sizes[i]; j++) largest = fmaxf(largest, fabsf(grads[0][i][j]));
        for (size_t j = 0; j < p.sizes[i];
             j++) /* another initial value changes the rounding of a few terms */
            if (!(fabsf(p.grad[i][j] - grads[1][i][j] - grads[0][i][j]) <= 4e-6f * largest))
                return BROKEN(err, "a backward hook overwrites the gradient of '%s' instead of adding to it",
                              p.tensors[i].name);
    }
    return true;
}

/* Positions depend only on the stream, and none exceeds the farthest. */
static bool positions_are_pure(const LawCase *c, Arena *arena, Error *err) {
    const PositionMethod *m = c->position.method;
    PositionShape shape = law_shape(c);
    int T = c->length;
    for (int draw = 0; m->positions && draw < 40; draw++) {
        double *at[2];
        for (int k = 0; k < 2; k++) {
            Random rng = random_stream(c->seed + (uint64_t)draw, "draw", "");
            at[k] = NEW(arena, T + 2, double);
            for (int t = 0; t < T + 2; t++) at[k][t] = -123;
            m->positions(&shape, c->position.options, T, draw % 2 == 0, &rng, at[k] + 1);
        }
        if (memcmp(at[0], at[1], (size_t)(T + 2) * sizeof **at) != 0)
            return BROKEN(err, "positions differ from call to call");
        if (at[0][0] != -123 || at[0][T + 1] != -123)
            return BROKEN(err, "positions writes outside its array");
        double farthest = m->farthest(&shape, c->position.options, T);
        for (int t = 1; t <= T; t++)
            if (!(at[0][t] <= farthest))
                return BROKEN(err, "row %d has position %g, beyond the farthest, %g", t - 1, at[0][t],
                              farthest);
    }
    return true;
}

/* Hooks that are called once for all layers do not depend on the layer. */
static bool layers_are_declared(const LawCase *c, Arena *arena, Error *err) {
    Probe p = probe_new(c, c->length, arena);
    const Encoding *acting = encoding_acting(&c->position);
    float *outputs[2];
    for (int layer = 0; layer < 2; layer++) {
        outputs[layer] = probe_copy(&p, p.input, arena);
        p.context.layer = layer - 1;
        probe_forward(&p, outputs[layer]);
    }
    return encoding_per_layer(acting, &p.shape) || p.size[BIAS] == 0 ||
           memcmp(outputs[0] + p.start[BIAS], outputs[1] + p.start[BIAS], p.size[BIAS] * sizeof(float)) ==
               0 ||
           BROKEN(err, "distance_bias depends on context->layer: set .by_layer");
}

bool law_purity(const LawCase *c, Arena *arena, Error *err) {
    return layers_are_declared(c, arena, err) && positions_are_pure(c, arena, err) &&
           forward_is_pure(c, arena, err) && backward_is_pure(c, arena, err) &&
           scores_are_pure(c, arena, err);
}

/* ---- adjoint ---- */

static double dot(const Probe *p, int part, const float *x, const float *y) {
    double sum = 0;
    for (size_t i = 0; i < p->size[part]; i++)
        if (probe_inside(p, part, i)) sum += (double)x[p->start[part] + i] * y[p->start[part] + i];
    return sum;
}

static double size_of(const Probe *p, int part, const float *x) {
    return sqrt(dot(p, part, x, x));
}

/* to = a + factor * b, in the elements of the parts */
static void combine(const Probe *p, float *to, const float *a, double factor, const float *b) {
    for (int part = 0; part < PARTS; part++)
        for (size_t i = p->start[part]; i < p->start[part] + p->size[part]; i++)
            if (probe_inside(p, part, i - p->start[part])) to[i] = (float)(a[i] + factor * b[i]);
}

/* <f(x + h y) - f(x - h y), w> / 2 h by differences of fourth order, whose error is about h^4 / 30, for
   directions y of the D numbers that f reads, against <y, transform_backward(w)> at x. */
static bool derivative_holds(const LawCase *c, Arena *arena, Error *err) {
    Probe p = probe_new(c, c->length, arena);
    float *y = probe_data(&p, c->seed, "y", arena), *w = probe_data(&p, c->seed, "w", arena);
    float *back = probe_copy(&p, w, arena), *moved[4];
    const double steps[4] = {0.05, -0.05, 0.1, -0.1}, shares[4] = {8 / 0.6, -8 / 0.6, -1 / 0.6, 1 / 0.6};
    p.context.head = p.shape.heads - 1;
    probe_backward(&p, back);
    for (int part = QUERY; part <= KEY; part++)
        for (size_t i = 0; i < p.size[part]; i++)
            if (probe_inside(&p, part, i) && (int)(i % (size_t)p.stride) >= p.shape.head_dim)
                y[p.start[part] + i] = 0;
    for (int n = 0; n < 4; n++) {
        moved[n] = probe_copy(&p, w, arena);
        combine(&p, moved[n], p.input, steps[n], y);
        probe_forward(&p, moved[n]);
    }
    for (int part = QUERY; part <= KEY; part++) {
        double left = 0, right = dot(&p, part, y, back);
        double scale = size_of(&p, part, w) * size_of(&p, part, y);
        for (int n = 0; n < 4; n++) left += shares[n] * dot(&p, part, moved[n], w);
        if (!(fabs(left - right) <= 1e-5 * scale))
            return BROKEN(err, "%s: transform changes by %.9g, transform_backward gives %.9g",
                          part == QUERY ? "queries" : "keys", left, right);
    }
    return true;
}

bool law_adjoint(const LawCase *c, Arena *arena, Error *err) {
    if (encoding_acting(&c->position)->method->widening) return derivative_holds(c, arena, err);
    Probe p = probe_new(c, c->length, arena);
    float *x = probe_data(&p, c->seed, "x", arena), *y = probe_data(&p, c->seed, "y", arena);
    float *origin = probe_copy(&p, x, arena), *fx = probe_copy(&p, x, arena), *fy = probe_copy(&p, y, arena);
    float *sum = probe_copy(&p, x, arena), *back = probe_copy(&p, y, arena);
    combine(&p, origin, x, -1, x);
    combine(&p, sum, x, 2, y);
    probe_forward(&p, origin);
    probe_forward(&p, fx);
    probe_forward(&p, fy);
    probe_forward(&p, sum);
    if (p.method->transform_backward) probe_backward(&p, back);
    for (int part = QUERY; part <= KEY && p.size[part]; part++) {
        /* f(x + 2 y) - f(0) = (f(x) - f(0)) + 2 (f(y) - f(0)), up to a few roundings */
        float *error = probe_copy(&p, sum, arena), *lx = probe_copy(&p, fx, arena);
        combine(&p, error, error, -1, fx);
        combine(&p, error, error, -2, fy);
        combine(&p, error, error, 2, origin);
        if (!(size_of(&p, part, error) <= 2e-6 * size_of(&p, part, sum)))
            return BROKEN(err, "transform of %s is not affine", part == QUERY ? "queries" : "keys");
        combine(&p, lx, fx, -1, origin);
        double left = dot(&p, part, lx, y), right = dot(&p, part, x, back);
        double scale = size_of(&p, part, lx) * size_of(&p, part, y);
        if (!(fabs(left - right) <= 1e-6 * scale))
            return BROKEN(err, "%s: <transform(x), y> = %.9g, <x, transform_backward(y)> = %.9g",
                          part == QUERY ? "queries" : "keys", left, right);
    }
    for (size_t i = p.start[EMBED]; i < p.start[EMBED] + p.size[EMBED];
         i++) /* embed adds a constant, so its derivative is 1 */
        if (!(fabsf((fx[i] - x[i]) - origin[i]) <= 1e-6f * (fabsf(x[i]) + fabsf(origin[i]))))
            return BROKEN(err, "embed does not add the same to every input");
    return true;
}

/* ---- gradient ---- */

/* Sum of weight * (change of output) when element `at` of a tensor changes by -step and by +step. */
static double difference(const Probe *p, const float *input, const float *weights, float *at, double step,
                         Arena *arena) {
    ArenaMark mark = arena_mark(arena);
    float here = *at, *low = probe_copy(p, input, arena), *high = probe_copy(p, input, arena);
    double sum = 0;
    *at = (float)(here - step);
    probe_forward(p, low);
    *at = (float)(here + step);
    probe_forward(p, high);
    *at = here;
    for (int part = 0; part < PARTS; part++)
        for (size_t i = p->start[part]; i < p->start[part] + p->size[part]; i++)
            if (probe_inside(p, part, i - p->start[part])) sum += weights[i] * ((double)high[i] - low[i]);
    arena_release(arena, mark);
    return sum;
}

/* Central differences of fourth order, error h^4: (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12 h, with h = 2 %
   of the element. Rounding of outputs (6e-8 each, random) over 2h gives about 1e-6 of the largest gradient.
   For an element near zero the error may be larger; then h is relative to the tensor's largest element. Such
   a step may move a small element out of the range that `project` allows, where the formula is undefined; and
   outputs that hardly depend on a tensor need a longer step to be resolved. So one of the steps must agree.
 */
static bool tensor_holds(const Probe *p, int k, const float *input, const float *weights, bool *used,
                         Arena *arena, Error *err) {
    float largest = 0;
    double steepest = 0;
    size_t every = p->sizes[k] / 97 + 1;
    for (size_t i = 0; i < p->sizes[k]; i++) {
        largest = fmaxf(largest, fabsf(p->value[k][i]));
        steepest = fmax(steepest, fabs((double)p->grad[k][i]));
    }
    for (size_t i = 0; i < p->sizes[k]; i += every) {
        double size = fabs((double)p->value[k][i]);
        double steps[] = {0.02 * fmax(size, 0.1 * largest),
                          0.02 * largest,
                          0.02 * size,
                          0.3 * largest,
                          largest,
                          3 * largest,
                          6 * largest,
                          0.005 * size,
                          0.001 * size};
        double expected = 0, got = p->grad[k][i];
        bool agrees = false;
        for (int n = 0; n < COUNT_OF(steps) && steps[n] > 0 && !agrees; n++) {
            double near = difference(p, input, weights, &p->value[k][i], steps[n], arena);
            double far = difference(p, input, weights, &p->value[k][i], 2 * steps[n], arena);
            bool kinks = n == COUNT_OF(steps) - 1; /* the shortest step crosses few of them */
            expected = kinks ? near / (2 * steps[n]) : (8 * near - far) / (12 * steps[n]);
            *used = *used || near != 0;
            agrees = fabs(expected - got) <= GRADIENT_TOLERANCE * fmax(steepest, fabs(expected));
        }
        if (!agrees)
            return BROKEN(err, "gradient of '%s'[%zu] is %.7g, by differences %.7g", p->tensors[k].name, i,
                          got, expected);
    }
    return true;
}

/* The transform of the last head is tested; those of others as well if a tensor has no effect there. */
bool law_gradient(const LawCase *c, Arena *arena, Error *err) {
    Probe p = probe_new(c, c->length, arena);
    bool used[POS_MAX_TENSORS] = {false}, all = false;
    if (!scores_gradients_hold(c, used, arena, err)) return false;
    float *input = probe_data(&p, c->seed, "input", arena),
          *weights = probe_data(&p, c->seed, "weights", arena);
    p.input = input;
    memset(input + p.start[EMBED], 0,
           p.size[EMBED] * sizeof *input); /* small changes of large x would be lost in rounding */
    for (p.context.head = p.shape.heads - 1; p.context.head >= 0 && !all; p.context.head--) {
        for (int k = 0; k < p.count; k++) memset(p.grad[k], 0, p.sizes[k] * sizeof(float));
        probe_backward(&p, probe_copy(&p, weights, arena));
        all = true;
        for (int k = 0; k < p.count; k++) {
            if (!tensor_holds(&p, k, input, weights, &used[k], arena, err)) return false;
            all = all && used[k];
        }
    }
    for (int k = 0; k < p.count; k++)
        if (!used[k]) return BROKEN(err, "'%s' changes nothing", p.tensors[k].name);
    return true;
}

/* ---- promises: each is measured as a deviation from the ideal, and tested both ways ----
 *
 * A declared promise must hold with all options. One that is not declared must fail with some options (others
 * may remove the cause, such as a scale that depends on the length).
 */

/* Lengths beyond the training length, for methods that act only there. */
static int claim_length(const LawCase *c) {
    return 4 * c->train_length > 96 ? 4 * c->train_length : 96;
}

/* The deviation of the case from the ideal, relative to a measured size. */
typedef double Deviation(const LawCase *c, Arena *arena);

/* Whether the deviation is large with the defaults, or with another choice or boolean of one option, combined
   with the case's other options or with the defaults. */
static bool deviates_otherwise(const LawCase *c, Deviation *deviation, Arena *arena) {
    const PositionMethod *m = c->position.method;
    PositionShape shape = law_shape(c);
    LawCase standard = *c;
    if (m->options_size) standard.position.options = arena_alloc(arena, 1, m->options_size);
    options_default(standard.position.options, m->fields, m->field_count);
    Error refusal; /* sizes at which the defaults are refused show nothing */
    if (!encoding_check(m, &shape, standard.position.options, &refusal)) return true;
    if (deviation(&standard, arena) > 1e-3) return true;
    for (int i = 0; i < 2 * m->field_count; i++) {
        const OptionField *field = &m->fields[i / 2];
        if (field->type != OPTION_CHOICE && field->type != OPTION_BOOL) continue;
        for (int value = 0; field->type == OPTION_BOOL ? value < 2 : field->choices[value] != NULL; value++) {
            ArenaMark mark = arena_mark(arena);
            LawCase other = *c;
            Error err;
            char *options = other.position.options = arena_alloc(arena, 1, m->options_size);
            memcpy(options, c->position.options, m->options_size);
            if (i % 2) options_default(options, m->fields, m->field_count);
            if (field->type == OPTION_BOOL)
                *(bool *)(void *)(options + field->offset) = value != 0;
            else
                *(int *)(void *)(options + field->offset) = value;
            bool allowed = encoding_check(m, &shape, options, &err);
            bool deviates = allowed && deviation(&other, arena) > 1e-3;
            arena_release(arena, mark);
            if (deviates) return true;
        }
    }
    return false;
}

/* A method that draws positions has no promises. */
static bool judge(const LawCase *c, PositionClaim claim, Deviation *deviation, const char *what, Arena *arena,
                  Error *err) {
    if (c->position.partner) return true;
    double measured = deviation(c, arena);
    if (c->position.method->claims & claim)
        return measured <= 1e-5 ||
               BROKEN(err, "claims to %s, but deviates by %.3g of the scale", what, measured);
    return measured > 1e-3 || deviates_otherwise(c, deviation, arena) ||
           BROKEN(err, "is found to %s (to %.3g of the scale), but does not claim it", what, measured);
}

/* With equal queries, equal keys and equal x at all positions, scores may depend on distance only, and embed
 * and input must add the same vector at all positions. */
static double shift_deviation(const LawCase *c, Arena *arena) {
    int T = claim_length(c);
    Probe p = probe_new(c, T, arena);
    int C = p.shape.width;
    float *data = probe_data(&p, c->seed, "vectors", arena);
    double deviation = 0;
    memset(data + p.start[EMBED], 0, p.size[EMBED] * sizeof *data);
    for (int part = QUERY; part <= KEY && p.size[part]; part++)
        for (int t = 1; t < T; t++)
            memcpy(data + p.start[part] + t * p.stride, data + p.start[part], (size_t)p.row * sizeof *data);
    for (int t = 1; t < T && p.f; t++) memcpy(p.x + t * C, p.x, (size_t)C * sizeof *p.x);
    probe_forward(&p, data);
    double scale = size_of(&p, QUERY, data) * size_of(&p, KEY, data) / T;
    for (int part = EMBED; part <= INPUT; part++)
        for (size_t i = 0; i < p.size[part]; i++)
            deviation =
                fmax(deviation, fabs((double)data[p.start[part] + i] - data[p.start[part] + i % (size_t)C]));
    for (int i = 0; p.size[QUERY] && i < T; i++)
        for (int j = 0; j <= i; j++) {
            double score = 0, first = 0;
            for (int e = 0; e < p.row; e++) {
                const float *q = data + p.start[QUERY] + e, *k = data + p.start[KEY] + e;
                score += (double)q[i * p.stride] * k[j * p.stride];
                first += (double)q[(i - j) * p.stride] * k[0];
            }
            deviation = fmax(deviation, fabs(score - first) / scale);
        }
    return fmax(deviation, scores_shift(c, arena));
}

bool law_shift(const LawCase *c, Arena *arena, Error *err) {
    return judge(c, POS_SHIFT_INVARIANT, shift_deviation, "be shift invariant", arena, err);
}

/* The same inputs at a short and at a long length, below and above the training length. */
static double prefix_deviation(const LawCase *c, Arena *arena) {
    int L = c->train_length, pairs[][2] = {{1, L}, {L / 2 + 1, L}, {L, 4 * L}, {2 * L + 1, 3 * L}};
    double deviation = 0;
    for (int n = 0; n < COUNT_OF(pairs); n++) {
        deviation = fmax(deviation, scores_prefix(c, pairs[n][0], pairs[n][1], arena));
        Probe s = probe_new(c, pairs[n][0], arena), l = probe_new(c, pairs[n][1], arena);
        float *shorter = probe_data(&s, c->seed, "shorter", arena),
              *longer = probe_data(&l, c->seed, "long", arena);
        for (int part = EMBED; part < BIAS; part++)
            memcpy(longer + l.start[part], shorter + s.start[part], s.size[part] * sizeof *longer);
        probe_forward(&s, shorter);
        probe_forward(&l, longer);
        for (int part = 0; part < PARTS; part++)
            for (size_t i = 0; i < s.size[part]; i++) {
                size_t T = (size_t)pairs[n][0], other = i;
                if (part == BIAS) other = i / T * (size_t)pairs[n][1] + i % T;
                double a = shorter[s.start[part] + i], b = longer[l.start[part] + other];
                if (probe_inside(&s, part, i)) deviation = fmax(deviation, fabs(a - b) / (1 + fabs(a)));
            }
    }
    return deviation;
}

bool law_prefix(const LawCase *c, Arena *arena, Error *err) {
    int L = c->train_length;
    if (!judge(c, POS_PREFIX_STABLE, prefix_deviation, "be prefix stable", arena, err)) return false;
    if (!(c->position.method->claims & POS_PREFIX_STABLE)) return true;

    Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, 1, 2 * L, arena);
    float *whole = NEW(arena, 2 * L, float), *part = NEW(arena, L, float);
    double *expected = NEW(arena, L, double);
    transformer_evaluate(model, activations_new(model, 1, 2 * L, false, arena), tokens, 1, whole);
    transformer_evaluate(model, activations_new(model, 1, L, false, arena), tokens, 1, part);
    for (int t = 0; t < L; t++) expected[t] = whole[t];
    return law_nll_agree(part, expected, 1, L, err);
}

static double isometry_deviation(const LawCase *c, Arena *arena) {
    Probe p = probe_new(c, claim_length(c), arena);
    float *before = probe_data(&p, c->seed, "vectors", arena), *after = probe_copy(&p, before, arena);
    double deviation = 0;
    probe_forward(&p, after);
    for (int part = QUERY; part <= KEY; part++)
        for (size_t row = 0; row < p.size[part]; row += (size_t)p.stride) {
            double was = 0, is = 0;
            const float *from = before + p.start[part] + row, *to = after + p.start[part] + row;
            for (int i = 0; i < p.shape.head_dim; i++) was += (double)from[i] * from[i];
            for (int i = 0; i < p.row; i++) is += (double)to[i] * to[i];
            deviation = fmax(deviation, fabs(sqrt(is / was) - 1));
        }
    return deviation;
}

bool law_isometry(const LawCase *c, Arena *arena, Error *err) {
    return judge(c, POS_ISOMETRY, isometry_deviation, "keep the length of vectors", arena, err);
}

/* Whether the method has hooks that get rows instead of positions. */
static bool counts_rows(const PositionMethod *m) {
    return m->horizon || m->pair_bias || m->vectors || m->gate || m->features || m->scores;
}

/* Compares rows with gaps between positions to the same rows of a longer pass without gaps. */
static double position_deviation(const LawCase *c, Arena *arena) {
    enum { ROWS = 24 };
    double positions[ROWS], deviation = 0;
    int length = 0, first = c->train_length / 2;
    if (counts_rows(encoding_acting(&c->position)->method)) return INFINITY;
    for (int t = 0; t < ROWS; t++) positions[t] = first + t + t * t / 8, length = (int)positions[t] + 1;
    Probe s = probe_new_at(c, ROWS, positions, arena), l = probe_new_at(c, length, NULL, arena);
    float *moved = probe_data(&s, c->seed, "moved", arena), *whole = probe_data(&l, c->seed, "whole", arena);
    for (int part = EMBED; part < BIAS; part++) {
        size_t row = part == QUERY || part == KEY ? (size_t)s.stride : (size_t)s.shape.width;
        for (int t = 0; t < ROWS && s.size[part]; t++)
            memcpy(whole + l.start[part] + (size_t)positions[t] * row, moved + s.start[part] + t * row,
                   row * sizeof *whole);
    }
    probe_forward(&s, moved);
    probe_forward(&l, whole);
    for (int part = EMBED; part < BIAS; part++) {
        size_t row = part == QUERY || part == KEY ? (size_t)s.stride : (size_t)s.shape.width;
        for (size_t i = 0; i < s.size[part]; i++) {
            double a = moved[s.start[part] + i];
            double b = whole[l.start[part] + (size_t)positions[i / row] * row + i % row];
            if (probe_inside(&s, part, i)) deviation = fmax(deviation, fabs(a - b) / (1 + fabs(a)));
        }
    }
    for (int h = 0; s.size[BIAS] && h < s.shape.heads; h++)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j <= i; j++) {
                double a = moved[s.start[BIAS] + (size_t)(h * ROWS + i - j)];
                double b = whole[l.start[BIAS] + (size_t)(h * length + (int)(positions[i] - positions[j]))];
                deviation = fmax(deviation, fabs(a - b) / (1 + fabs(a)));
            }
    return deviation;
}

bool law_positions(const LawCase *c, Arena *arena, Error *err) {
    return judge(c, POS_BY_POSITION, position_deviation, "follow positions", arena, err);
}

bool law_normalised(const LawCase *c, Arena *arena, Error *err) {
    return judge(c, POS_NORMALISED, scores_normalised, "have scores that are logarithms of probabilities",
                 arena, err);
}

/* ---- formulas ---- */

/* Tables are doubles rounded once, followed by one or two products: an error of 2e-7 of the inputs. Angles in
   float would have errors of 1e-4 at position 4096. */
static bool close(double got, double expected, double scale) {
    return fabs(got - expected) <= 5e-7 * (fabs(expected) + scale);
}

static bool formulas_hold(const LawCase *c, int length, Arena *arena, Error *err) {
    Probe p = probe_new(c, length, arena);
    NaiveInputs in = {.position = encoding_acting(&c->position), .shape = &p.shape, .length = length};
    in.positions = p.positions;
    int T = length, C = p.shape.width, D = p.shape.head_dim, H = p.shape.heads, step = T < 200 ? 1 : 13;
    float *before = probe_data(&p, c->seed, "vectors", arena), *after = probe_copy(&p, before, arena);
    double *row = NEW(arena, D, double), *embed = NEW(arena, (size_t)T * C, double);
    double *bias = NEW(arena, (size_t)T * H, double), *input = NEW(arena, (size_t)T * C, double);
    for (int i = 0; i < p.count; i++) {
        double *param = NEW(arena, p.sizes[i], double);
        for (size_t j = 0; j < p.sizes[i]; j++) param[j] = p.value[i][j];
        in.param[i] = param;
    }
    naive_embed(&in, embed);
    naive_input(&in, input);
    naive_bias(&in, bias);
    memset(after + p.start[EMBED], 0, p.size[EMBED] * sizeof *after);
    memset(before + p.start[EMBED], 0, p.size[EMBED] * sizeof *after);
    probe_forward(&p, after);
    for (int t = T - 1; t >= 0; t -= step) {
        for (int i = 0; i < C; i++) {
            size_t at = (size_t)t * C + i;
            double got = p.size[EMBED] ? after[p.start[EMBED] + at] : 0;
            if (!close(got, embed[at], 1))
                return BROKEN(err, "embed of position %d, coordinate %d adds %.9g, not %.9g", t, i, got,
                              embed[at]);
            got = p.size[INPUT] ? after[p.start[INPUT] + at] : 0;
            if (!close(got, input[at], 1))
                return BROKEN(err, "input of position %d, coordinate %d is %.9g, not %.9g", t, i, got,
                              input[at]);
        }
        for (int h = 0; h < H; h++) {
            size_t at = (size_t)h * T + t;
            double got = p.size[BIAS] ? after[p.start[BIAS] + at] : 0;
            if (!close(got, bias[at], 0))
                return BROKEN(err, "bias of head %d at distance %d is %.9g, not %.9g", h, t, got, bias[at]);
        }
        for (int part = QUERY; part <= KEY; part++) {
            const float *from = p.size[part] ? before + p.start[part] + (size_t)t * p.stride : NULL;
            double length_of_row = 0;
            for (int i = 0; i < D; i++) {
                row[i] = from ? from[i] : i + 1.0;
                length_of_row = fmax(length_of_row, fabs(row[i]));
            }
            naive_transform(&in, part == QUERY ? POS_QUERY : POS_KEY, row, t, 1);
            for (int i = 0; i < D; i++) length_of_row = fmax(length_of_row, fabs(row[i]));
            for (int i = 0; i < D; i++) {
                double got = from ? after[p.start[part] + (size_t)t * p.stride + i] : i + 1.0;
                if (!close(got, row[i], length_of_row))
                    return BROKEN(err, "transform at position %d, coordinate %d gives %.9g, not %.9g", t, i,
                                  got, row[i]);
            }
        }
    }
    return true;
}

/* A method that draws positions may have a limit below this length. */
static bool within_limit(const LawCase *c, int length) {
    PositionShape shape = law_shape(c);
    return !c->position.partner || encoding_usable(&c->position, &shape, length);
}

bool law_formulas(const LawCase *c, Arena *arena, Error *err) {
    int lengths[] = {1, c->length, 4 * c->train_length, 4097};
    for (int i = 0; i < COUNT_OF(lengths) && naive_knows(encoding_acting(&c->position)->method->name); i++)
        if (within_limit(c, lengths[i]) && !formulas_hold(c, lengths[i], arena, err)) return false;
    return scores_formulas_hold(c, 1, arena, err) && scores_formulas_hold(c, c->length, arena, err) &&
           scores_formulas_hold(c, 2 * c->train_length + 3, arena, err);
}
