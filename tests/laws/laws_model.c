/* laws_model: laws on passes through the whole model. */
#include <math.h>
#include <string.h>

#include "laws.h"
#include "naive.h"
#include "train/optimizer.h"
#include "position/encoding.h"
#include "model/transformer.h"
#include "model/activations.h"

/* The nll of a separate evaluation pass. */
static float *evaluate(const Model *model, const uint32_t *const *tokens, int sequences, int length,
                       Arena *arena) {
    float *nll = NEW(arena, sequences * length, float);
    transformer_evaluate(model, activations_new(model, sequences, length, false, arena), tokens, sequences,
                         nll);
    return nll;
}

/* ---- agreement ---- */

/* Compares evaluation, training pass and gradients with the naive model, at the model's current values. */
static bool agrees(const Model *model, NaiveWay way, const uint32_t *const *tokens, int sequences, int length,
                   Arena *arena, Error *err) {
    size_t rows = (size_t)sequences * (size_t)length;
    double *expected = NEW(arena, rows, double), *wanted = NEW(arena, model->size, double);
    float *nll = NEW(arena, rows, float), *gradients = NEW(arena, model->size, float);
    const double *values = naive_values(model, arena);
    ActivationsOrigin place = {.seed = 1, .step = 7, .first_sequence = 2};
    naive_run(model, values, way, (EncodingDraw){1, true, 7, 2}, tokens, sequences, length, expected,
              0.37 - 1.2, wanted);
    double *evaluated = expected; /* the same, unless evaluation has other positions */
    if (model->position.method->positions) {
        evaluated = NEW(arena, rows, double);
        naive_run(model, values, way, (EncodingDraw){0}, tokens, sequences, length, evaluated, 0, NULL);
    }
    if (!law_nll_agree(evaluate(model, tokens, sequences, length, arena), evaluated, sequences, length, err))
        return false;
    Activations *pass = activations_new(model, sequences, length, true, arena);
    for (int call = 0; call < 2; call++) { /* twice: gradients are added, and scaled */
        memset(nll, 0xff, rows * sizeof *nll);
        transformer_train(model, pass, tokens, sequences, place, call ? -1.2f : 0.37f, nll, gradients);
        if (!law_nll_agree(nll, expected, sequences, length, err)) return false;
    }
    return law_gradients_agree(model, gradients, wanted, err);
}

/* Whether the case is at a kink: then the naive model has other gradients if weights change by about a float
   rounding error. Counts of CoPE have kinks at integers, where the gradient is one of two values. */
static bool at_kink(const LawCase *c, Arena *arena) {
    const Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, c->batch, c->length, arena);
    double *nll = NEW(arena, c->batch * c->length, double), *moved = naive_values(model, arena);
    double *gradients[] = {NEW(arena, model->size, double), NEW(arena, model->size, double)};
    float *others = NEW(arena, model->size, float);
    EncodingDraw place = {1, true, 7, 2};
    Random rng = random_stream(c->seed, "kink", "");
    Error ignored;
    naive_run(model, moved, NAIVE_HOOKS, place, tokens, c->batch, c->length, nll, 1, gradients[0]);
    for (size_t i = 0; i < model->size; i++) moved[i] *= 1 + 1e-6 * random_normal(&rng);
    naive_run(model, moved, NAIVE_HOOKS, place, tokens, c->batch, c->length, nll, 1, gradients[1]);
    for (size_t i = 0; i < model->size; i++) others[i] = (float)gradients[1][i];
    return !law_gradients_agree(model, others, gradients[0], &ignored);
}

static bool agreement_of(const LawCase *c, Arena *arena, Error *err) {
    const Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, c->batch, c->length, arena);
    if (!agrees(model, NAIVE_HOOKS, tokens, c->batch, c->length, arena, err)) return false;
    if (!naive_knows(encoding_acting(&c->position)->method->name)) return true;
    return agrees(model, NAIVE_FORMULAS, tokens, c->batch, c->length, arena, err);
}

/* At a kink, other numbers are drawn; a real error remains with these. */
bool law_agreement(const LawCase *c, Arena *arena, Error *err) {
    enum { DRAWS = 8 };
    LawCase drawn = *c;
    for (int draw = 0; draw < DRAWS; draw++, drawn.seed += 1000) {
        if (agreement_of(&drawn, arena, err)) return true;
        if (!at_kink(&drawn, arena)) return false;
    }
    return false;
}

/* ---- causality ---- */

/* Whether a loss is unchanged: bit for bit, except with bands. There, the number of rows of a product depends
   on the tokens, and products of other sizes may round differently. */
static bool unchanged(const LawCase *c, float before, float after) {
    return c->model.adaptive.bands ? fabsf(after - before) <= NLL_TOLERANCE * (1 + fabsf(before))
                                   : memcmp(&before, &after, sizeof after) == 0;
}

/* Token t is the input at position t and the target at position t - 1. */
bool law_causality(const LawCase *c, Arena *arena, Error *err) {
    int T = c->length, places[] = {0, 1, 2, T / 3, T / 2, 15, 16, 31, 32, 33, 127, 128, 129, T - 2, T - 1, T};
    const Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, 1, T, arena);
    float *before = evaluate(model, tokens, 1, T, arena), *after = NEW(arena, T, float);
    Activations *pass = activations_new(model, 1, T, false, arena);
    uint32_t *changed = memcpy(NEW(arena, T + 1, uint32_t), tokens[0], (size_t)(T + 1) * sizeof **tokens);
    const uint32_t *sequences[] = {changed};
    for (int i = 0; i < COUNT_OF(places); i++) {
        int t = places[i];
        if (t < 0 || t > T) continue;
        changed[t] = (uint32_t)((tokens[0][t] + 1) % c->model.vocabulary);
        transformer_evaluate(model, pass, sequences, 1, after);
        changed[t] = tokens[0][t];
        for (int s = 0; s < t - 1; s++)
            if (!unchanged(c, before[s], after[s]))
                return BROKEN(err, "token %d changes the loss at position %d", t, s);
        for (int s = t > 0 ? t - 1 : 0; s < T && s <= t; s++)
            if (memcmp(&before[s], &after[s], sizeof *after) == 0)
                return BROKEN(err, "token %d does not change the loss at position %d", t, s);
    }
    return true;
}

/* ---- batch ---- */

/* Products of other sizes may round differently: about one ulp of activations. */
bool law_batch(const LawCase *c, Arena *arena, Error *err) {
    int B = c->batch + 2, T = c->length;
    const Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, B, T, arena);
    float *together = NEW(arena, B * T, float), *alone = NEW(arena, B * T, float);
    float *whole = NEW(arena, model->size, float), *sum = NEW(arena, model->size, float);
    Activations *pass = activations_new(model, B, T, true, arena),
                *small = activations_new(model, 1, T, true, arena);
    transformer_train(model, pass, tokens, B, (ActivationsOrigin){0}, 1, together, whole);
    for (int b = 0; b < B; b++) { /* also in a pass made for more sequences */
        ActivationsOrigin place = {.first_sequence = b};
        transformer_train(model, b % 2 ? small : pass, tokens + b, 1, place, 1, alone + b * T, sum);
    }
    return law_nll_agree(alone, law_widened(together, (size_t)B * (size_t)T, arena), B, T, err) &&
           (c->position.partner != NULL || /* training has other positions */
            law_nll_agree(evaluate(model, tokens, B, T, arena),
                          law_widened(together, (size_t)B * (size_t)T, arena), B, T, err)) &&
           law_gradients_agree(model, sum, law_widened(whole, model->size, arena), err);
}

/* ---- length ---- */

static void *tables_of(const LawCase *c, const PositionShape *shape, int length, Arena *arena) {
    const Encoding *acting = encoding_acting(&c->position);
    return encoding_prepare(acting->method, shape, acting->options, length, NULL, arena);
}

/* prepare() must make the same tables again (in the arena, whose chunk has space), and a counting arena must
   count them. */
static bool tables_are_fresh(const LawCase *c, Arena *arena, Error *err) {
    PositionShape shape = law_shape(c);
    for (int length = 1; length < 50; length += 16) {
        Arena *count = arena_new_counting();
        const unsigned char *start = (const unsigned char *)arena_alloc(arena, 1, 64) + 64;
        size_t used = arena_used(arena);
        const unsigned char *first = tables_of(c, &shape, length, arena);
        size_t bytes = arena_used(arena) - used;
        const unsigned char *second = tables_of(c, &shape, length, arena);
        const void *none = tables_of(c, &shape, length, count);
        size_t counted = arena_used(count);
        arena_free(count);
        if (first && (first < start || first > start + bytes || second < start + bytes))
            return BROKEN(err, "prepare returns a table that it did not allocate");
        if (first && memcmp(start, start + bytes, bytes) != 0)
            return BROKEN(err, "prepare makes other tables the second time");
        if (bytes != counted) return BROKEN(err, "prepare takes %zu bytes and counts %zu", bytes, counted);
        if (none && counted) return BROKEN(err, "prepare with a counting arena returns a table");
    }
    return true;
}

bool law_length(const LawCase *c, Arena *arena, Error *err) {
    int lengths[] = {c->length, c->length + 5, 3, c->length};
    if (!tables_are_fresh(c, arena, err)) return false;
    const Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, 1, c->length + 5, arena);
    Activations *first = activations_new(model, 1, c->length, false, arena);
    float *again = NEW(arena, c->length, float), *nll[COUNT_OF(lengths)];
    for (int i = 0; i < COUNT_OF(lengths); i++) {
        double *expected = NEW(arena, lengths[i], double);
        nll[i] = evaluate(model, tokens, 1, lengths[i], arena);
        naive_run(model, naive_values(model, arena), NAIVE_HOOKS, (EncodingDraw){0}, tokens, 1, lengths[i],
                  expected, 0, NULL);
        if (!law_nll_agree(nll[i], expected, 1, lengths[i], err)) return false;
    }
    transformer_evaluate(model, first, tokens, 1, again);
    size_t bytes = (size_t)c->length * sizeof(float);
    if (memcmp(nll[0], nll[3], bytes) != 0 || memcmp(nll[0], again, bytes) != 0)
        return BROKEN(err, "another length in between changes the losses");
    return true;
}

/* ---- edges ---- */

static void scale_tensor(Model *model, const char *name, float factor) {
    const ModelParam *param = naive_param(model, name);
    for (size_t i = 0; i < param->size; i++) model->values[param->offset + i] *= factor;
}

static bool all_finite(const float *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

/* Scores of 1e4 in every layer: no comparison, since their rounding error is 1e-3; but the results must be
   finite. */
static bool survives_scores(const LawCase *c, Arena *arena, Error *err) {
    Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, c->batch, c->length, arena);
    float *nll = NEW(arena, c->batch * c->length, float), *gradients = NEW(arena, model->size, float);
    for (int l = 0; l < c->model.layers; l++)
        scale_tensor(model, arena_format(arena, "layers.%d.attention.qkv.weight", l), 100);
    transformer_train(model, activations_new(model, c->batch, c->length, true, arena), tokens, c->batch,
                      (ActivationsOrigin){0}, 1, nll, gradients);
    if (!all_finite(nll, (size_t)c->batch * (size_t)c->length) || !all_finite(gradients, model->size))
        return BROKEN(err, "scores of 1e4 are too much");
    return true;
}

/* Logits of 1e4: exact up to their own rounding. */
static bool survives_logits(const LawCase *c, Arena *arena, Error *err) {
    Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, 1, c->length, arena);
    double *expected = NEW(arena, c->length, double), largest = 0;
    if (c->model.final_norm) {
        scale_tensor(model, "norm.weight", 1e4f);
    } else {
        scale_tensor(model, model->params[0].name, 100);
    }
    naive_run(model, naive_values(model, arena), NAIVE_HOOKS, (EncodingDraw){0}, tokens, 1, c->length,
              expected, 0, NULL);
    float *nll = evaluate(model, tokens, 1, c->length, arena);
    for (int t = 0; t < c->length; t++) largest = fmax(largest, expected[t]);
    for (int t = 0; t < c->length; t++)
        if (!(fabs(nll[t] - expected[t]) <= NLL_TOLERANCE * largest))
            return BROKEN(err, "with huge logits nll[%d] is %g, not %g", t, (double)nll[t], expected[t]);
    return true;
}

static bool shows_nan(const LawCase *c, Arena *arena, Error *err) {
    Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, 1, c->length, arena);
    Activations *pass = activations_new(model, 1, c->length, false, arena);
    float *nll = NEW(arena, c->length, float);
    for (int i = 0; i < model->param_count; i++) {
        float *value = model->values + model->params[i].offset;
        size_t count =
            model->params[i].init == MODEL_INIT_METHOD ? model->params[i].size : 1;  /* rows of a table */
        float *was = memcpy(NEW(arena, count, float), value, count * sizeof *value); /* may be unused */
        for (size_t j = 0; j < count; j++)
            value[j] = nanf(i % 2 ? "" : "3"); /* a computed NaN, or one with other bits, as from a file */
        transformer_evaluate(model, pass, tokens, 1, nll);
        memcpy(value, was, count * sizeof *value);
        if (all_finite(nll, (size_t)c->length))
            return BROKEN(err, "a NaN in %s is not seen", model->params[i].name);
    }
    return true;
}

bool law_edges(const LawCase *c, Arena *arena, Error *err) {
    const Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, c->batch, c->length, arena);
    for (int length = 1; length <= 3; length++)
        if (!agrees(model, NAIVE_HOOKS, tokens, c->batch, length, arena, err)) return false;
    uint32_t *equal = NEW(arena, c->length + 1, uint32_t);
    for (int t = 0; t <= c->length; t++) equal[t] = 3;
    const uint32_t *sequences[] = {equal};
    return agrees(model, NAIVE_HOOKS, sequences, 1, c->length, arena, err) &&
           survives_scores(c, arena, err) && survives_logits(c, arena, err) && shows_nan(c, arena, err);
}

/* ---- difference ---- */

/* The largest change of a loss, as a share of 1 + nll. */
static double change_of(const float *before, const float *after, int count) {
    double largest = 0;
    for (int n = 0; n < count; n++)
        largest = fmax(largest, fabs((double)after[n] - before[n]) / (1 + fabs((double)before[n])));
    return largest;
}

/* How much losses change when one element is moved by about its own size, or far, as far as `project` lets
   it. A constant that cancels is rounded with the scores: that changes losses by some 1e-7. */
enum { MOVES = 4 };
static const float moves[MOVES] = {1, -1, 6, -6};
#define INERT_TOLERANCE 3e-6

static double change_by(Model *model, float *element, Activations *pass, const uint32_t *const *tokens, int B,
                        int T, const float *before, Arena *arena) {
    double largest = 0;
    float *kept = memcpy(NEW(arena, model->size, float), model->values, model->size * sizeof(float));
    float *after = NEW(arena, B * T, float);
    for (int i = 0; i < MOVES && largest <= INERT_TOLERANCE; i++) {
        *element += moves[i] * (0.5f + fabsf(*element));
        model_project(model);
        transformer_evaluate(model, pass, tokens, B, after);
        largest = fmax(largest, change_of(before, after, B * T));
        memcpy(model->values, kept, model->size * sizeof(float));
    }
    return largest;
}

/* Whether some element of a tensor makes a difference; with `each`, whether each that is looked at does.
   Elements that have no gradient are not used at these positions. One that cancels has one, too: what
   rounding leaves. In a matrix some may be almost constant at such short lengths, as slow waves are. */
static bool matters(Model *model, const ModelParam *param, const float *gradients, Activations *pass,
                    const uint32_t *const *tokens, int B, int T, const float *nll, bool each, size_t *which,
                    Arena *arena) {
    enum { ELEMENTS = 8 };
    bool any = false;
    size_t used = 0, seen = 0;
    for (size_t i = 0; i < param->size; i++) used += gradients[param->offset + i] != 0;
    for (size_t i = 0; i < param->size && (each || !any); i++) {
        if (gradients[param->offset + i] == 0 || seen++ % (used / ELEMENTS + 1) != 0) continue;
        ArenaMark mark = arena_mark(arena);
        float *element = model->values + param->offset + i;
        bool moves_losses = change_by(model, element, pass, tokens, B, T, nll, arena) > INERT_TOLERANCE;
        arena_release(arena, mark);
        any |= moves_losses;
        *which = i;
        if (each && !moves_losses) return false;
    }
    return any;
}

bool law_difference(const LawCase *c, Arena *arena, Error *err) {
    int B = c->batch, T = c->length;
    Model *model = law_model(c, arena);
    const uint32_t **tokens = law_tokens(c, B, T, arena);
    PositionTensor tensors[POS_MAX_TENSORS];
    encoding_layout(model->acting, &model->shape, tensors);
    float *gradients = NEW(arena, model->size, float), *nll = NEW(arena, B * T, float);
    transformer_train(model, activations_new(model, B, T, true, arena), tokens, B, (ActivationsOrigin){0}, 1,
                      nll, gradients);
    Activations *pass = activations_new(model, B, T, false, arena);
    transformer_evaluate(model, pass, tokens, B, nll);
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        size_t which = 0;
        if (param->init != MODEL_INIT_METHOD) continue;
        bool inert = tensors[param->index].inert && !c->model.attention.sink_logit;
        bool each = param->rank == 1 && !inert;
        if (matters(model, param, gradients, pass, tokens, B, T, nll, each, &which, arena) != inert) continue;
        if (inert) return BROKEN(err, "'%s' is declared inert, but losses depend on it", param->name);
        return BROKEN(
            err,
            "'%s'[%zu] makes no difference to any loss (softmax removes what is added to all scores "
            "of a query): leave it out, or declare it inert",
            param->name, which);
    }
    return true;
}

/* ---- overfit ---- */

enum { OVERFIT_STEPS = 600 };
#define OVERFIT_LOSS 0.1 /* nats; random guesses have ln V */

static bool stays(const LawCase *c, const ModelParam *param, Error *err) {
    bool projected = param->init == MODEL_INIT_METHOD && encoding_acting(&c->position)->method->project;
    return BROKEN(err, "an update does not change %s, although its gradient is not zero%s", param->name,
                  projected ? "; `project` may have undone it" : "");
}

bool law_overfit(const LawCase *c, Arena *arena, Error *err) {
    int B = 2, T = c->length < 10 ? c->length : 10;
    OptimizerOptions options;
    Model *model = model_new(&c->model, &c->position, c->train_length, arena);
    const uint32_t **tokens = law_tokens(c, B, T, arena);
    float *nll = NEW(arena, B * T, float), *gradients = NEW(arena, model->size, float);
    options_default(&options, optimizer_fields, optimizer_field_count);
    options.decay = 0;
    model_allocate(model, arena);
    model_init(model, c->seed);
    float *before = memcpy(NEW(arena, model->size, float), model->values, model->size * sizeof(float));
    Optimizer *optimizer = optimizer_new(&options, model, arena);
    Activations *pass = activations_new(model, B, T, true, arena);
    double loss = INFINITY;
    for (int step = 1; step <= OVERFIT_STEPS && loss > OVERFIT_LOSS; step++) {
        memset(gradients, 0, model->size * sizeof *gradients);
        ActivationsOrigin place = {
            .step = c->position.partner ? 1 : step}; /* random positions cannot be memorised */
        transformer_train(model, pass, tokens, B, place, 1.0f / (float)(B * T), nll, gradients);
        optimizer_step(optimizer, model, gradients, 1e-2);
        for (int p = 0; p < model->param_count && step == 1; p++)
            for (size_t i = model->params[p].offset; i < model->params[p].offset + model->params[p].size; i++)
                if (fabsf(gradients[i]) > 1e-6f && model->values[i] == before[i])
                    return stays(c, &model->params[p], err);
        loss = 0;
        for (int n = 0; n < B * T; n++) loss += nll[n] / (B * T);
    }
    if (loss <= OVERFIT_LOSS) return true;
    return BROKEN(err, "after %d updates on the same %d tokens the loss is %g, not below %g", OVERFIT_STEPS,
                  B * T, loss, OVERFIT_LOSS);
}
