/* laws_form: laws on the data of a method: its form, options and initial values. */
#include <math.h>
#include <string.h>

#include "base/sha256.h"
#include "position/encoding.h"
#include "laws_scores.h"
#include "naive.h"
#include "probe.h"

/* ---- form ---- */

static bool lower_name(const char *text) {
    return text && *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

static bool sound_fields(const PositionMethod *m, Error *err) {
    if ((m->field_count > 0) != (m->fields != NULL) || (m->field_count > 0) != (m->options_size > 0))
        return BROKEN(err, "fields, field_count and options_size do not belong together");
    for (int i = 0; i < m->field_count; i++) {
        const OptionField *f = &m->fields[i];
        if (!lower_name(f->key)) return BROKEN(err, "field %d has no key in lower case", i);
        if (!f->help || !*f->help) return BROKEN(err, "'%s' has no help", f->key);
        if (f->offset >= m->options_size) return BROKEN(err, "'%s' is outside the options", f->key);
        if ((f->type == OPTION_CHOICE) != (f->choices != NULL))
            return BROKEN(err, "'%s': choices are for fields of that type", f->key);
        for (int j = 0; j < i; j++)
            if (strcmp(f->key, m->fields[j].key) == 0 || f->offset == m->fields[j].offset)
                return BROKEN(err, "'%s' and '%s' are one", f->key, m->fields[j].key);
        if (f->low > f->high ||
            ((f->low != 0 || f->high != 0) && (f->default_value < f->low || f->default_value > f->high) &&
             !(f->or_zero && f->default_value == 0)))
            return BROKEN(err, "'%s': the default %g is not in [%g, %g]", f->key, f->default_value, f->low,
                          f->high);
    }
    return true;
}

static bool sound_layout(const LawCase *c, Error *err) {
    const PositionMethod *m = c->position.method;
    PositionShape shape = law_shape(c);
    PositionTensor tensors[POS_MAX_TENSORS] = {0};
    int count = m->layout ? m->layout(&shape, c->position.options, tensors) : 0;
    if (count < 0 || count > POS_MAX_TENSORS) return BROKEN(err, "%d tensors", count);
    for (int i = 0; i < count; i++) {
        const PositionTensor *t = &tensors[i];
        if (!lower_name(t->name)) return BROKEN(err, "tensor %d has no name in lower case", i);
        for (int j = 0; j < i; j++)
            if (strcmp(t->name, tensors[j].name) == 0) return BROKEN(err, "two tensors '%s'", t->name);
        if (t->rank < 1 || t->rank > 2 || t->dims[0] < 1 || (t->rank == 2 && t->dims[1] < 1))
            return BROKEN(err, "tensor '%s' has rank %d and dims %d, %d", t->name, t->rank, t->dims[0],
                          t->dims[1]);
    }
    bool backward_hook = m->embed_backward || m->input_backward || m->transform_backward ||
                         m->distance_bias_backward || scores_have_gradient(m);
    if (count > 0 && !backward_hook) return BROKEN(err, "%d tensors and no backward hook", count);
    if (m->limit && m->limit(&shape, c->position.options) < 1)
        return BROKEN(err, "limit %d", m->limit(&shape, c->position.options));
    return true;
}

/* A method that draws positions has no other hooks; its partner has them. */
static bool sound_partner(const LawCase *c, Error *err) {
    const PositionMethod *m = c->position.method;
    bool moves = m->positions != NULL;
    if (moves != (m->farthest != NULL) || moves != (m->partner != NULL) ||
        moves != (c->position.partner != NULL))
        return BROKEN(err, "positions, farthest and partner do not belong together");
    if (moves && (m->claims || m->layout || m->prepare || m->frequency ||
                  encoding_hooks(m) != 1U << ENCODING_HOOK_positions))
        return BROKEN(err, "has positions together with other hooks or promises");
    return true;
}

bool law_form(const LawCase *c, Arena *arena, Error *err) {
    const PositionMethod *m = c->position.method;
    (void)arena;
    if (!lower_name(m->name)) return BROKEN(err, "the name is not in lower case");
    const PositionMethod *found = encoding_find(m->name);
    if (!found || strcmp(found->name, m->name) != 0) return BROKEN(err, "the registry has no '%s'", m->name);
    if (!m->label || !*m->label) return BROKEN(err, "no label");
    if (!m->citation || !strpbrk(m->citation, "0123456789")) return BROKEN(err, "no citation with a year");
    if (m->claims & ~(unsigned)(POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION |
                                POS_NORMALISED))
        return BROKEN(err, "unknown claims %x", m->claims);
    if (!scores_paired(m, err)) return false;
    if ((m->frequency || m->rotation) && (m->prepare || !m->transform))
        return BROKEN(err,
                      "rotates with a prepare, or without transform: use ROTARY_HOOKS or ROTARY_ROTATION");
    if (m->rotation && m->frequency) return BROKEN(err, "frequency and rotation: the first is never called");
    if (!m->transform != !m->transform_backward)
        return BROKEN(err, "transform without its backward, or alone");
    if (m->widening && (m->widening < 2 || !m->transform || m->horizon || m->vectors || m->scores))
        return BROKEN(err, "widening of %d, without transform, or with horizon, vectors or scores",
                      m->widening);
    if (m->embed_backward && !m->embed) return BROKEN(err, "embed_backward without embed");
    if (m->input_backward && !m->input) return BROKEN(err, "input_backward without input");
    if (m->distance_bias_backward && !m->distance_bias) return BROKEN(err, "distance_bias_backward alone");
    if ((m->init || m->project) && !m->layout) return BROKEN(err, "init or project without layout");
    return sound_fields(m, err) && sound_partner(c, err) && sound_layout(c, err);
}

/* ---- options ---- */

static Json *field_json(const OptionField *f, double number, Arena *arena) {
    if (f->type == OPTION_BOOL) return json_new_bool(number != 0, arena);
    if (f->type == OPTION_CHOICE) return json_new_text(f->choices[(int)number], arena);
    return json_new_number(number, arena);
}

/* The default options with one option set from JSON, as by a config. */
static bool read_option(void *options, const PositionMethod *m, const char *key, Json *value, Arena *arena) {
    Json *object = json_new_object(arena);
    Error err;
    const OptionSection section = {"method", NULL, m->fields, m->field_count, NULL};
    json_set(object, key, value);
    options_default(options, m->fields, m->field_count);
    return options_read(options, &section, object, "law", arena, &err);
}

/* A hash of everything that a method does: layout, initial values, outputs. */
static void fingerprint(const LawCase *c, char text[SHA256_HEX_SIZE], Arena *arena) {
    Sha256 *hash = sha256_new();
    Probe p = probe_new_at(c, 300, NULL, arena);
    for (int i = 0; i < p.count; i++) {
        sha256_update(hash, p.tensors[i].dims, sizeof p.tensors[i].dims);
        sha256_update(hash, &p.tensors[i].per_layer, sizeof p.tensors[i].per_layer);
        sha256_update(hash, p.value[i], p.sizes[i] * sizeof(float));
    }
    float *data = probe_data(&p, 1, "fingerprint", arena);
    probe_forward(&p, data);
    sha256_update(hash, data, p.total * sizeof *data);
    for (int training = 0; c->position.method->positions && training < 2; training++) {
        double positions[30] = {0};
        Random rng = random_stream(1, "fingerprint", "");
        c->position.method->positions(&p.shape, c->position.options, 30, training != 0, &rng, positions);
        sha256_update(hash, positions, sizeof positions);
    }
    size_t count;
    const float *outputs = scores_outputs(c, &count, arena);
    sha256_update(hash, outputs, count * sizeof *outputs);
    sha256_finish(hash, text);
}

/* Whether some value of the option has an effect; the bounds, all choices and the middle are tried. */
static bool option_lives(const LawCase *c, const OptionField *f, const char *standard, Arena *arena) {
    const PositionMethod *m = c->position.method;
    double tries[16] = {f->low, f->high, (f->default_value + f->low) / 2,
                        floor((f->default_value + f->high) / 2), f->default_value + 1};
    int count = 5;
    if (f->type == OPTION_BOOL || f->type == OPTION_CHOICE)
        for (count = 0; count < 16 && (f->type == OPTION_BOOL ? count < 2 : f->choices[count] != NULL);
             count++)
            tries[count] = count;
    for (int i = 0; i < count; i++) {
        LawCase other = *c;
        Error err;
        char text[SHA256_HEX_SIZE];
        PositionShape shape = law_shape(c);
        other.position.options = arena_alloc(arena, 1, m->options_size);
        if (!read_option(other.position.options, m, f->key, field_json(f, tries[i], arena), arena)) continue;
        if (!encoding_check(m, &shape, other.position.options, &err)) continue;
        fingerprint(&other, text, arena);
        if (strcmp(text, standard) != 0) return true;
    }
    return false;
}

static bool field_holds(const LawCase *c, const OptionField *f, Arena *arena, Error *err) {
    const PositionMethod *m = c->position.method;
    void *options = arena_alloc(arena, 1, m->options_size);
    Encoding position = {.method = m, .options = options};
    bool number = f->type == OPTION_INT || f->type == OPTION_REAL, ranged = f->low != 0 || f->high != 0;
    if (number && ranged) {
        double bounds[] = {f->low, f->high};
        for (int i = 0; i < 2; i++) {
            if (!read_option(options, m, f->key, json_new_number(bounds[i], arena), arena))
                return BROKEN(err, "'%s' = %g, a bound, is refused", f->key, bounds[i]);
            if (naive_option(&position, f->key) != bounds[i])
                return BROKEN(err, "'%s' = %g is read as %g", f->key, bounds[i],
                              naive_option(&position, f->key));
            double way = i ? INFINITY : -INFINITY;
            double outside = f->type == OPTION_INT ? bounds[i] + (i ? 1 : -1) : nextafter(bounds[i], way);
            if (read_option(options, m, f->key, json_new_number(outside, arena), arena))
                return BROKEN(err, "'%s' = %.17g, outside, is accepted", f->key, outside);
        }
    }
    if (f->or_zero && !read_option(options, m, f->key, json_new_number(0, arena), arena))
        return BROKEN(err, "'%s' = 0 is refused", f->key);
    if (f->type == OPTION_INT &&
        read_option(options, m, f->key, json_new_number(f->default_value + 0.5, arena), arena))
        return BROKEN(err, "'%s' = %g, no whole number, is accepted", f->key, f->default_value + 0.5);
    if (number && read_option(options, m, f->key, json_new_text("8", arena), arena))
        return BROKEN(err, "'%s' = \"8\", a text, is accepted", f->key);
    if (!number && read_option(options, m, f->key, json_new_number(0, arena), arena))
        return BROKEN(err, "'%s' = 0, a number, is accepted", f->key);
    if (f->type == OPTION_CHOICE &&
        read_option(options, m, f->key, json_new_text("no such choice", arena), arena))
        return BROKEN(err, "'%s' = \"no such choice\" is accepted", f->key);
    for (int i = 0; f->type == OPTION_CHOICE && f->choices[i]; i++)
        if (!read_option(options, m, f->key, json_new_text(f->choices[i], arena), arena) ||
            naive_option(&position, f->key) != i)
            return BROKEN(err, "'%s' = \"%s\" is refused or taken for another choice", f->key, f->choices[i]);
    return true;
}

bool law_options(const LawCase *c, Arena *arena, Error *err) {
    const PositionMethod *m = c->position.method;
    LawCase roomy = *c; /* sizes at which every option can have an effect */
    char standard[SHA256_HEX_SIZE];
    Error refusal;
    roomy.model.heads = 4, roomy.model.width = 64, roomy.train_length = 64;
    roomy.position.options = arena_alloc(arena, 1, m->options_size);
    options_default(roomy.position.options, m->fields, m->field_count);
    PositionShape shape = law_shape(&roomy);
    if (!encoding_check(m, &shape, roomy.position.options, &refusal))
        return BROKEN(err, "the defaults are refused: %s", refusal.text);
    if (read_option(roomy.position.options, m, "no_such_option", json_new_number(1, arena), arena))
        return BROKEN(err, "an unknown option is accepted");
    options_default(roomy.position.options, m->fields, m->field_count);
    fingerprint(&roomy, standard, arena);
    for (int i = 0; i < m->field_count; i++) {
        const OptionField *f = &m->fields[i];
        if (f->type == OPTION_TEXT) continue;
        if (!field_holds(&roomy, f, arena, err)) return false;
        if (!option_lives(&roomy, f, standard, arena)) return BROKEN(err, "'%s' makes no difference", f->key);
    }
    return true;
}

/* ---- init ---- */

/* After init and from other values, project must be idempotent and stay inside the tensor. */
static bool project_is_sound(const LawCase *c, const Probe *p, int i, const float *initial, Arena *arena,
                             Error *err) {
    if (!p->method->project) return true;
    for (int wild = 0; wild < 2; wild++) {
        float *value = guarded_new(arena, p->sizes[i]), *again = guarded_new(arena, p->sizes[i]);
        Random rng = random_stream(c->seed, "wild", p->tensors[i].name);
        for (size_t j = 0; j < p->sizes[i]; j++)
            value[j] = wild ? (float)(5 * random_normal(&rng)) : initial[j];
        p->method->project(&p->shape, p->options, i, value);
        memcpy(again, value, p->sizes[i] * sizeof *value);
        p->method->project(&p->shape, p->options, i, again);
        if (!guarded_intact(value, p->sizes[i]) || !guarded_intact(again, p->sizes[i]))
            return BROKEN(err, "project writes outside tensor '%s'", p->tensors[i].name);
        if (memcmp(value, again, p->sizes[i] * sizeof *value) != 0)
            return BROKEN(err, "project of '%s' is not done after once", p->tensors[i].name);
    }
    return true;
}

static bool init_is_pure(const LawCase *c, Arena *arena, Error *err) {
    Probe p = probe_new(c, 1, arena);
    for (int i = p.count - 1; i >= 0;
         i--) { /* in reverse order: a tensor must not depend on the call for another */
        float *values[2];
        for (int k = 0; k < 2; k++) {
            Random rng = random_stream(c->seed, "law", p.tensors[i].name);
            values[k] = guarded_new(arena, p.sizes[i]);
            PositionContext context = p.context;
            context.shape = &p.shape, context.layer = p.tensors[i].per_layer - 1;
            if (p.method->init) p.method->init(&context, i, values[k], &rng);
            if (!guarded_intact(values[k], p.sizes[i]))
                return BROKEN(err, "init writes outside tensor '%s'", p.tensors[i].name);
        }
        if (memcmp(values[0], values[1], p.sizes[i] * sizeof(float)) != 0)
            return BROKEN(err, "init of '%s' differs from call to call", p.tensors[i].name);
        for (size_t j = 0; j < p.sizes[i]; j++)
            if (!isfinite(values[0][j])) return BROKEN(err, "init of '%s' is not finite", p.tensors[i].name);
        if (!project_is_sound(c, &p, i, values[0], arena, err)) return false;
    }
    return true;
}

/* Whether the model has one copy of each tensor, or one for each layer in which the method acts, and counts
   them. */
static bool tensors_are_placed(const LawCase *c, const Model *model, Error *err) {
    PositionTensor tensors[POS_MAX_TENSORS] = {0};
    const Encoding *acting = encoding_acting(&c->position);
    const PositionMethod *m = acting->method;
    int count = m->layout ? m->layout(&model->shape, acting->options, tensors) : 0, found = 0;
    int64_t every = c->model.attention.nope_every, parameters = 0;
    for (int i = 0; i < count; i++)
        for (int l = 0; l < (tensors[i].per_layer ? model->shape.layers : 1); l++) {
            if (tensors[i].per_layer && every && (l + 1) % every == 0) continue;
            char name[96] = "";
            if (tensors[i].per_layer) snprintf(name, sizeof name, "layers.%d.", l);
            snprintf(name + strlen(name), sizeof name - strlen(name), "position.%s", tensors[i].name);
            const ModelParam *param = naive_param(model, name);
            if (param->init != MODEL_INIT_METHOD || param->size != law_tensor_size(&tensors[i]) ||
                param->decay)
                return BROKEN(err, "%s is not as the layout says", name);
            found++;
            parameters += (int64_t)param->size;
        }
    for (int i = 0; i < model->param_count; i++) found -= model->params[i].init == MODEL_INIT_METHOD;
    if (found != 0 || model->position_parameters != parameters)
        return BROKEN(err, "%lld position parameters are counted, the layout has %lld",
                      (long long)model->position_parameters, (long long)parameters);
    return true;
}

/* Whether project changes the initial values that init gives to one of the model's tensors. */
static bool init_moves(const Model *model, const Encoding *acting, uint64_t seed, Arena *arena) {
    const PositionMethod *method = acting->method;
    bool moves = false;
    for (int i = 0; method->init && i < model->param_count && !moves; i++) {
        const ModelParam *param = &model->params[i];
        if (param->init != MODEL_INIT_METHOD) continue;
        ArenaMark mark = arena_mark(arena);
        Random rng = random_stream(seed, "init", param->name);
        float *value = NEW(arena, param->size, float), *projected = NEW(arena, param->size, float);
        PositionContext context = {.shape = &model->shape, .options = acting->options, .layer = param->layer};
        method->init(&context, param->index, value, &rng);
        memcpy(projected, value, param->size * sizeof *value);
        method->project(&model->shape, acting->options, param->index, projected);
        moves = memcmp(value, projected, param->size * sizeof *value) != 0;
        arena_release(arena, mark);
    }
    return moves;
}

/* Few initial values are changed by project; therefore many seeds are tried. If project changes nothing, the
   model starts from the values of init (law_init compares them) and need not be initialised here. */
static bool init_is_projected(const LawCase *c, Model *model, Arena *arena, Error *err) {
    const Encoding *acting = encoding_acting(&c->position);
    const PositionMethod *method = acting->method;
    for (uint64_t seed = 0; method->project && seed < 300; seed++) {
        if (seed > 0 && !init_moves(model, acting, seed, arena)) continue;
        model_init(model, seed);
        for (int i = 0; i < model->param_count; i++) {
            const ModelParam *param = &model->params[i];
            if (param->init != MODEL_INIT_METHOD) continue;
            ArenaMark mark = arena_mark(arena);
            float *value = NEW(arena, param->size, float), *given = model->values + param->offset;
            memcpy(value, given, param->size * sizeof *value);
            method->project(&model->shape, acting->options, param->index, value);
            if (memcmp(value, given, param->size * sizeof *value) != 0)
                return BROKEN(err, "with seed %d %s starts from what project would change", (int)seed,
                              param->name);
            arena_release(arena, mark);
        }
    }
    return true;
}

bool law_init(const LawCase *c, Arena *arena, Error *err) {
    static const PositionMethod bare = {.name = "bare"};
    Encoding positions[] = {c->position, c->position, {.method = &bare}, c->position};
    Model *models[COUNT_OF(positions)];
    if (!init_is_pure(c, arena, err)) return false;
    for (int i = 0; i < COUNT_OF(positions); i++) {
        models[i] = model_new(&c->model, &positions[i], c->train_length, arena);
        model_allocate(models[i], arena);
        for (int p = 0; p < models[i]->param_count && i == 1; p++) /* the previous content must not matter */
            memset(models[i]->values + models[i]->params[p].offset, 0x41,
                   models[i]->params[p].size * sizeof(float));
        model_init(models[i], i == 3 ? c->seed + 1 : c->seed);
    }
    const float *values = models[0]->values;
    if (!init_is_projected(c, models[1], arena, err)) return false;
    model_init(models[1], c->seed);
    if (memcmp(values, models[1]->values, models[0]->size * sizeof *values) != 0)
        return BROKEN(err, "the same seed gives other weights");
    for (int i = 0; i < models[0]->param_count; i++) {
        const ModelParam *param = &models[0]->params[i];
        size_t bytes = param->size * sizeof *values;
        if (param->init == MODEL_INIT_NORMAL &&
            memcmp(values + param->offset, models[3]->values + param->offset, bytes) == 0)
            return BROKEN(err, "%s does not depend on the seed", param->name);
        if (param->init != MODEL_INIT_METHOD) {
            const ModelParam *shared = naive_param(models[2], param->name);
            if (memcmp(values + param->offset, models[2]->values + shared->offset, bytes) != 0)
                return BROKEN(err, "%s starts otherwise than without the method", param->name);
            continue;
        }
        float *expected = NEW(arena, param->size, float);
        PositionShape shape = law_shape(c);
        Random rng = random_stream(c->seed, "init", param->name);
        const Encoding *acting = encoding_acting(&c->position);
        PositionContext context = {.shape = &shape, .options = acting->options, .layer = param->layer};
        if (acting->method->init) acting->method->init(&context, param->index, expected, &rng);
        if (acting->method->project) acting->method->project(&shape, acting->options, param->index, expected);
        if (memcmp(values + param->offset, expected, bytes) != 0)
            return BROKEN(err, "%s does not start from its own stream", param->name);
    }
    return tensors_are_placed(c, models[0], err);
}
