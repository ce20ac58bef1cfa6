/* laws: the list of laws, and their shared functions. */
#include "laws.h"

#include <math.h>
#include <string.h>
#include "model/activations.h"
#include "position/encoding.h"

const Law laws[] = {
    {"form", law_form, false},
    {"options", law_options, true},
    {"init", law_init, false},
    {"purity", law_purity, false},
    {"adjoint", law_adjoint, false},
    {"gradient", law_gradient, false},
    {"shift", law_shift, false},
    {"prefix", law_prefix, false},
    {"isometry", law_isometry, false},
    {"positions", law_positions, false},
    {"normalised", law_normalised, false},
    {"formulas", law_formulas, false},
    {"agreement", law_agreement, false},
    {"causality", law_causality, false},
    {"batch", law_batch, false},
    {"length", law_length, false},
    {"cache", law_cache, false},
    {"edges", law_edges, true},
    {"difference", law_difference, true},
    {"overfit", law_overfit, true},
    {"optimizer", law_optimizer, true},
    {"accounting", law_accounting, true},
};
const int law_count = COUNT_OF(laws);
int law_threads = 1;

const Law *law_find(const char *name) {
    for (int i = 0; i < law_count; i++)
        if (strcmp(laws[i].name, name) == 0) return &laws[i];
    BUG("there is no law '%s'", name);
}

const char *law_case(const Law *law, const LawCase *c, Arena *arena) {
    Json *options = encoding_json(&c->position, arena);
    json_remove(options, "name");
    return arena_format(arena, "%s, %s %s, layers %d heads %d width %d, %d x %d tokens", law->name,
                        c->position.method->name, json_print(options, arena), (int)c->model.layers,
                        (int)c->model.heads, (int)c->model.width, c->batch, c->length);
}

bool law_holds(const Law *law, const LawCase *c, Error *err) {
    Arena *arena = arena_new((size_t)1 << 22);
    Error reason = {0};
    bool holds = law->holds(c, arena, &reason);
    if (!holds) error_set(err, EXIT_SOME_FAILED, "%s: %s", law_case(law, c, arena), reason.text);
    arena_free(arena);
    return holds;
}

PositionShape law_shape(const LawCase *c) {
    return (PositionShape){.layers = (int)c->model.layers,
                           .heads = (int)c->model.heads,
                           .width = (int)c->model.width,
                           .head_dim = (int)(c->model.width / c->model.heads),
                           .train_length = c->train_length};
}

void law_away(float *value, size_t size, uint64_t seed, const char *name) {
    Random rng = random_stream(seed, "away", name);
    float largest = 0;
    for (size_t i = 0; i < size; i++) largest = fmaxf(largest, fabsf(value[i]));
    for (size_t i = 0; i < size; i++) {
        if (value[i] == 0) {
            value[i] = (float)((largest > 0 ? 0.1 * largest : 0.3) * random_normal(&rng));
        } else {
            value[i] *= (float)(0.7 + 0.6 * random_uniform(&rng));
        }
    }
}

Encoding law_defaults(const PositionMethod *method, const Encoding *with, Arena *arena) {
    Encoding position = {.method = method, .partner = with};
    if (method->options_size) position.options = arena_alloc(arena, 1, method->options_size);
    options_default(position.options, method->fields, method->field_count);
    return position;
}

double *law_widened(const float *x, size_t count, Arena *arena) {
    double *wide = NEW(arena, count, double);
    for (size_t i = 0; i < count; i++) wide[i] = x[i];
    return wide;
}

size_t law_tensor_size(const PositionTensor *tensor) {
    return (size_t)tensor->dims[0] * (size_t)(tensor->rank == 2 ? tensor->dims[1] : 1);
}

Model *law_model(const LawCase *c, Arena *arena) {
    Model *model = model_new(&c->model, &c->position, c->train_length, arena);
    model->threads = law_threads;
    model_allocate(model, arena);
    model_init(model, c->seed);
    for (int i = 0; i < model->param_count; i++) {
        const ModelParam *param = &model->params[i];
        law_away(model->values + param->offset, param->size, c->seed, param->name);
    }
    model_project(model);
    return model;
}

static size_t activations_bytes(const Model *model, int sequences, int length, bool training, bool counting) {
    Arena *arena = counting ? arena_new_counting() : arena_new((size_t)1 << 26);
    activations_new(model, sequences, length, training, arena);
    size_t bytes = arena_used(arena);
    arena_free(arena);
    return bytes;
}

bool law_activations_are_counted(const Model *model, bool training, Error *err) {
    size_t taken = activations_bytes(model, 3, 100, training, false);
    size_t counted = activations_bytes(model, 3, 100, training, true);
    size_t shorter = activations_bytes(model, 1, 16000, training, true);
    size_t longer = activations_bytes(model, 1, 64000, training, true);
    if (counted != taken) return BROKEN(err, "a pass takes %zu bytes, %zu are counted", taken, counted);
    if ((double)longer < 4.2 * (double)shorter) return true;
    return BROKEN(err, "four times the length takes %zu bytes instead of %zu", longer, shorter);
}

const uint32_t **law_tokens(const LawCase *c, int sequences, int length, Arena *arena) {
    const uint32_t **tokens = NEW(arena, sequences, const uint32_t *);
    Random rng = random_stream(c->seed, "tokens", "");
    uint64_t vocabulary = (uint64_t)c->model.vocabulary;
    for (int b = 0; b < sequences; b++) {
        uint32_t *sequence = NEW(arena, length + 1, uint32_t);
        for (int t = 0; t <= length; t++) sequence[t] = (uint32_t)random_below(&rng, vocabulary);
        sequence[0] = (uint32_t)((uint64_t)b % vocabulary);
        tokens[b] = sequence;
    }
    return tokens;
}

bool law_gradients_agree(const Model *model, const float *gradients, const double *expected, Error *err) {
    double overall = 0;
    for (size_t i = 0; i < model->size; i++) overall = fmax(overall, fabs(expected[i]));
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        double largest = 0;
        for (size_t i = 0; i < param->size; i++) largest = fmax(largest, fabs(expected[param->offset + i]));
        double allowed = GRADIENT_TOLERANCE * largest + 1e-6 * overall;
        for (size_t i = 0; i < param->size; i++) {
            double got = gradients[param->offset + i], want = expected[param->offset + i];
            if (!(fabs(got - want) <= allowed))
                return BROKEN(err, "gradient of %s[%zu] is %g, not %g; the tensor's largest is %g",
                              param->name, i, got, want, largest);
        }
    }
    return true;
}

bool law_nll_agree(const float *nll, const double *expected, int sequences, int length, Error *err) {
    for (int n = 0; n < sequences * length; n++)
        if (!(fabs(nll[n] - expected[n]) <= NLL_TOLERANCE * (1 + fabs(expected[n]))))
            return BROKEN(err, "nll of sequence %d, target %d is %.8g, not %.8g", n / length, n % length,
                          (double)nll[n], expected[n]);
    return true;
}
