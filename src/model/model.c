#include "model/model.h"
#include "position/encoding.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "base/text.h"

static const char *const activation_names[] = {"relu", "gelu", "swiglu", NULL};
static const char *const start_names[] = {"poslab", "fairseq", NULL};

const OptionField model_fields[] = {
    {"layers", OPTION_INT, offsetof(ModelOptions, layers), .default_value = 4, .low = 1, .high = 1024,
     .help = "transformer blocks"},
    {"heads", OPTION_INT, offsetof(ModelOptions, heads), .default_value = 8, .low = 1, .high = 1024,
     .help = "attention heads; must divide width"},
    {"width", OPTION_INT, offsetof(ModelOptions, width), .default_value = 128, .low = 1, .high = 65536,
     .help = "size of the residual stream"},
    {"ffn", OPTION_INT, offsetof(ModelOptions, ffn), .default_value = 512, .low = 1, .high = 1 << 20,
     .help = "size of the feed-forward layer"},
    {"vocabulary", OPTION_INT, offsetof(ModelOptions, vocabulary), .low = 0, .high = 1 << 24,
     .help = "number of tokens; 0: what the tokenizer has; required with uint16 (up to 65536) and uint32 "
             "without data.vocabulary"},
    {"activation", OPTION_CHOICE, offsetof(ModelOptions, activation), .default_value = MODEL_RELU,
     .choices = activation_names, .help = "activation of the feed-forward layer"},
    {"final_norm", OPTION_BOOL, offsetof(ModelOptions, final_norm), .default_value = 1,
     .help = "LayerNorm before the output projection"},
    {"dropout", OPTION_REAL, offsetof(ModelOptions, dropout), .low = 0, .high = 0.95,
     .help = "dropout after the embedding and the two output projections of each block"},
    {"attention_dropout", OPTION_REAL, offsetof(ModelOptions, attention_dropout), .low = 0, .high = 0.95,
     .help = "dropout of attention probabilities"},
    {"activation_dropout", OPTION_REAL, offsetof(ModelOptions, activation_dropout), .low = 0, .high = 0.95,
     .help = "dropout after the activation"},
    {"max_tokens_in_flight", OPTION_INT, offsetof(ModelOptions, max_tokens_in_flight), .default_value = 1024,
     .low = 1, .high = 1 << 24,
     .help = "tokens of a micro-batch; limits the memory of activations, not the size of an update"},
    {"init", OPTION_CHOICE, offsetof(ModelOptions, init), .default_value = MODEL_START_POSLAB,
     .choices = start_names, .newer = true,
     .help = "initial values: poslab's normal ones, or those of fairseq's language models"},
};
const int model_field_count = COUNT_OF(model_fields);

static const OptionPart model_parts[] = {{.key = "attention"}, {.key = "adaptive"}, {0}};
const OptionSection model_section = {"model", "The transformer, apart from its position method", model_fields,
                                     COUNT_OF(model_fields), model_parts};

void model_default(ModelOptions *options) {
    options_default(options, model_fields, model_field_count);
    options_default(&options->attention, attention_fields, attention_field_count);
    options->adaptive = (AdaptiveSoftmax){0};
}

Json *model_json(const ModelOptions *options, Arena *arena) {
    Json *json = options_json(options, model_fields, model_field_count, arena);
    json_set(json, "attention",
             options_json(&options->attention, attention_fields, attention_field_count, arena));
    if (options->adaptive.bands) json_set(json, "adaptive", adaptive_softmax_json(&options->adaptive, arena));
    return json;
}

static bool check_method(const Encoding *position, const PositionShape *shape, const char *source,
                         const char *path, Error *err) {
    Error inner;
    if (encoding_check(position->method, shape, position->options, &inner)) return true;
    return error_set(err, EXIT_USAGE, "%s: '%s': %s", source, path, inner.text);
}

/* The partner must use the positions given to it, and all positions that training may draw must be within its
   limit. */
static bool check_partner(const Encoding *position, const PositionShape *shape, const char *source,
                          Error *err) {
    const Encoding *with = position->partner;
    if (with && (!(with->method->claims & POS_BY_POSITION) || with->method->positions))
        return error_set(err, EXIT_USAGE,
                         "%s: 'method.with' must be a method that uses the positions given to it, got '%s'; "
                         "`poslab methods` shows which do",
                         source, with->method->name);
    if (with && !check_method(with, shape, source, "method.with", err)) return false;
    int length = shape->train_length;
    if (encoding_usable(position, shape, length)) return true;
    if (with && with->method->limit)
        return error_set(err, EXIT_USAGE,
                         "%s: 'method.with': at 'train.length' %d positions up to %g may be drawn, but the "
                         "limit of '%s' is %d",
                         source, length, position->method->farthest(shape, position->options, length),
                         with->method->name, with->method->limit(shape, with->options) - 1);
    return error_set(err, EXIT_USAGE, "%s: 'train.length' exceeds the limit of '%s', got %d", source,
                     position->method->name, length);
}

/* With sinks, queries get other positions. This is defined only if they are otherwise at 0..T-1, and if
   biases are added to the scores directly. */
static bool check_sinks(const AttentionOptions *options, const PositionMethod *method, const char *source,
                        Error *err) {
    bool both = method->scores && method->distance_bias;
    if (!options->sinks || (!method->positions && !both)) return true;
    return error_set(err, EXIT_USAGE, "%s: 'model.attention.sinks' must be 0 with '%s', which %s", source,
                     method->name,
                     both ? "changes scores depending on their biases" : "sets the positions of rows");
}

/* A sink logit takes its share from the sum of the exponentials. */
static bool check_sink_logit(const AttentionOptions *options, const PositionMethod *method,
                             const char *source, Error *err) {
    if (!options->sink_logit || !(method->claims & POS_NORMALISED)) return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: 'model.attention.sink_logit' must be \"off\" with '%s', whose scores are logarithms of "
        "probabilities",
        source, method->name);
}

static PositionShape shape_of(const ModelOptions *options, int train_length) {
    return (PositionShape){(int)options->layers, (int)options->heads, (int)options->width,
                           (int)(options->width / options->heads), train_length};
}

bool model_usable(const ModelOptions *options, const Encoding *position, int train_length, int64_t length) {
    PositionShape shape = shape_of(options, train_length);
    return encoding_usable(position, &shape, length);
}

bool model_check(const ModelOptions *options, const Encoding *position, int train_length, const char *source,
                 Error *err) {
    if (options->width % options->heads)
        return error_set(err, EXIT_USAGE,
                         "%s: 'model.width' (%lld) must be a multiple of 'model.heads' (%lld)", source,
                         (long long)options->width, (long long)options->heads);
    if (!attention_check(&options->attention, source, err) ||
        !check_sinks(&options->attention, position->method, source, err) ||
        !check_sink_logit(&options->attention, position->method, source, err))
        return false;
    PositionShape shape = shape_of(options, train_length);
    return check_method(position, &shape, source, "method", err) &&
           check_partner(position, &shape, source, err);
}

static size_t param_add(Model *model, int layer, const char *name, int rank, int rows, int columns,
                        ModelInit init, double deviation, bool decay) {
    ModelParam *param = &model->params[model->param_count++];
    size_t size = (size_t)rows * (rank == 2 ? (size_t)columns : 1);
    *param = (ModelParam){.name = name,
                          .rank = rank,
                          .dims = {rows, rank == 2 ? columns : 1},
                          .offset = model->size,
                          .size = size,
                          .init = init,
                          .deviation = deviation,
                          .layer = layer,
                          .decay = decay};
    model->size += (size + 15) / 16 * 16;
    model->parameters += (int64_t)size;
    return param->offset;
}

static size_t add_linear(Model *model, Arena *arena, int layer, const char *name, int out, int in,
                         double gain, size_t *bias) {
    const char *weight = arena_format(arena, "layers.%d.%s.weight", layer, name);
    size_t offset = param_add(model, layer, weight, 2, out, in, MODEL_INIT_NORMAL, gain / sqrt(in), true);
    *bias = param_add(model, layer, arena_format(arena, "layers.%d.%s.bias", layer, name), 1, out, 0,
                      MODEL_INIT_ZERO, 0, false);
    return offset;
}

static size_t add_norm(Model *model, Arena *arena, int layer, const char *name, size_t *bias) {
    int width = model->shape.width;
    const char *prefix = layer < 0 ? name : arena_format(arena, "layers.%d.%s", layer, name);
    size_t offset = param_add(model, layer, arena_format(arena, "%s.weight", prefix), 1, width, 0,
                              MODEL_INIT_ONE, 0, false);
    *bias = param_add(model, layer, arena_format(arena, "%s.bias", prefix), 1, width, 0, MODEL_INIT_ZERO, 0,
                      false);
    return offset;
}

/* The tensors of model.adaptive have the names of fairseq's checkpoints. */
static void add_bands(Model *model, Arena *arena) {
    const AdaptiveSoftmax *adaptive = &model->options.adaptive;
    int width = model->shape.width;
    double deviation = 1 / sqrt(width);
    for (int b = 0; b < adaptive->bands; b++) {
        ModelBandIndex *at = &model->index->bands[b];
        const AdaptiveBand band = at->band =
            adaptive_softmax_band(adaptive, model->options.vocabulary, width, b);
        const char *prefix = arena_format(arena, "decoder.embed_tokens.embeddings.%d", b);
        at->embedding = param_add(model, -1, arena_format(arena, "%s.0.weight", prefix), 2, band.size,
                                  band.width, MODEL_INIT_NORMAL, 1 / sqrt(band.width), false);
        if (b == 0 && adaptive->bands > 1) { /* no padding, so that both are one matrix */
            model->size = at->embedding + model->params[model->param_count - 1].size;
            param_add(model, -1, "decoder.adaptive_softmax.head.class_proj.weight", 2, adaptive->bands - 1,
                      width, MODEL_INIT_NORMAL, deviation, false);
        }
        at->projection = param_add(model, -1, arena_format(arena, "%s.1.weight", prefix), 2, width,
                                   band.width, MODEL_INIT_NORMAL, deviation, false);
    }
}

/* What attention learns in a layer. */
static void add_attention(Model *model, Arena *arena, int layer) {
    for (int i = 0; i < ATTENTION_TENSORS; i++) {
        size_t *at = &model->index->layers[layer].attention[i];
        const char *name = arena_format(arena, "layers.%d.attention.%s", layer, attention_tensor_names[i]);
        *at = MODEL_NO_TENSOR;
        if (!attention_has_tensor(&model->options.attention, layer, i)) continue;
        AttentionStart start = attention_start(&model->options.attention, i);
        ModelInit init = start.normal ? MODEL_INIT_NORMAL : MODEL_INIT_UNIFORM;
        *at = param_add(model, layer, name, 1, model->shape.heads, 0, init, start.spread, false);
        model->params[model->param_count - 1].mean = start.mean;
    }
    ModelLayerIndex *index = &model->index->layers[layer];
    int gates = attention_gate_size(&model->options.attention, &model->shape);
    index->gate_w = index->gate_b = MODEL_NO_TENSOR;
    if (gates)
        index->gate_w =
            add_linear(model, arena, layer, "attention.gate", gates, model->shape.width, 1, &index->gate_b);
}

/* Adds a tensor of the method: once for all layers, or once for each layer in which the method acts. */
static void add_position(Model *model, Arena *arena, const PositionTensor *tensor, int number) {
    ModelIndex *index = model->index;
    index->position[number] = MODEL_NO_TENSOR;
    for (int l = 0; l < model->shape.layers; l++) {
        size_t *at = &index->layers[l].position[number];
        *at = index->position[number];
        bool shared = !tensor->per_layer;
        if (shared ? l > 0 : !attention_has_position(&model->options.attention, l)) continue;
        const char *name = shared ? arena_format(arena, "position.%s", tensor->name)
                                  : arena_format(arena, "layers.%d.position.%s", l, tensor->name);
        *at = param_add(model, shared ? -1 : l, name, tensor->rank, tensor->dims[0], tensor->dims[1],
                        MODEL_INIT_METHOD, 0, false);
        model->params[model->param_count - 1].index = number;
        if (shared) index->position[number] = *at;
    }
}

/* fairseq's initial values, in place of the normal and zero ones: Xavier's uniform distribution for attention
   (q, k and v as three matrices, with gain 1/sqrt(2)), projections of bands and classes; PyTorch's default,
   uniform within 1/sqrt(inputs), for the feed-forward layers, gates and the biases of q, k and v. */
static void start_as_fairseq(ModelParam *param, const ModelOptions *options) {
    const char *name = param->name;
    double width = (double)options->width, ffn = (double)options->ffn, bound = 0;
    if (strstr(name, ".attention.qkv.weight"))
        bound = sqrt(1.5 / width);
    else if (strstr(name, ".attention.qkv.bias") || strstr(name, ".attention.gate.") ||
             strstr(name, ".ffn.in."))
        bound = 1 / sqrt(width);
    else if (strstr(name, ".ffn.out."))
        bound = 1 / sqrt(ffn);
    else if (strstr(name, ".attention.out.weight") || strstr(name, ".1.weight") || strstr(name, "class_proj"))
        bound = sqrt(6.0 / (param->dims[0] + param->dims[1]));
    if (bound > 0) param->init = MODEL_INIT_UNIFORM, param->deviation = bound;
    param->padding = param->init == MODEL_INIT_NORMAL && param->rank == 2; /* an embedding */
}

int model_ffn_rows(const ModelOptions *options) {
    return (int)options->ffn * (options->activation == MODEL_SWIGLU ? 2 : 1);
}

Model *model_new(const ModelOptions *options, const Encoding *position, int train_length, Arena *arena) {
    Model *model = NEW(arena, 1, Model);
    model->threads = 1;
    int layers = (int)options->layers, width = (int)options->width, ffn = (int)options->ffn;
    model->options = *options;
    model->position = *position;
    model->acting = encoding_acting(&model->position);
    model->shape =
        (PositionShape){layers, (int)options->heads, width, width / (int)options->heads, train_length};
    PositionTensor tensors[POS_MAX_TENSORS];
    ModelIndex *index = model->index = NEW(arena, 1, ModelIndex);
    index->positions = encoding_layout(model->acting, &model->shape, tensors);
    int bands = options->adaptive.bands;
    model->params =
        NEW(arena, (14 + ATTENTION_TENSORS) * layers + 3 + 2 * bands + index->positions * layers, ModelParam);
    index->layers = NEW(arena, layers, ModelLayerIndex);

    if (bands)
        add_bands(model, arena);
    else
        index->embedding = param_add(model, -1, "embedding.weight", 2, (int)options->vocabulary, width,
                                     MODEL_INIT_NORMAL, 1 / sqrt(width), false);
    for (int l = 0; l < layers; l++) {
        ModelLayerIndex *at = &index->layers[l];
        double residual = 1 / sqrt(2.0 * layers);
        at->norm1_w = add_norm(model, arena, l, "norm1", &at->norm1_b);
        at->qkv_w = add_linear(model, arena, l, "attention.qkv", 3 * width, width, 1, &at->qkv_b);
        at->out_w = add_linear(model, arena, l, "attention.out", width, width, residual, &at->out_b);
        add_attention(model, arena, l);
        at->norm2_w = add_norm(model, arena, l, "norm2", &at->norm2_b);
        at->in_w = add_linear(model, arena, l, "ffn.in", model_ffn_rows(options), width, 1, &at->in_b);
        at->ffn_w = add_linear(model, arena, l, "ffn.out", width, ffn, residual, &at->ffn_b);
    }
    if (options->final_norm) index->norm_w = add_norm(model, arena, -1, "norm", &index->norm_b);
    for (int p = 0; p < model->param_count && options->init == MODEL_START_FAIRSEQ; p++)
        start_as_fairseq(&model->params[p], options);

    int64_t before = model->parameters;
    for (int i = 0; i < index->positions; i++) add_position(model, arena, &tensors[i], i);
    model->position_parameters = model->parameters - before;
    return model;
}

void model_allocate(Model *model, Arena *arena) {
    model->values = NEW(arena, model->size, float);
}

static void init_param(Model *model, const ModelParam *param, Random rng) {
    float *value = model->values + param->offset;
    switch (param->init) {
    case MODEL_INIT_ZERO:
        memset(value, 0, param->size * sizeof *value);
        break;
    case MODEL_INIT_ONE:
        for (size_t i = 0; i < param->size; i++) value[i] = 1;
        break;
    case MODEL_INIT_NORMAL:
        for (size_t i = 0; i < param->size; i++)
            value[i] = (float)(param->mean + param->deviation * random_normal(&rng));
        if (param->padding && param->dims[0] > 1)
            memset(value + param->dims[1], 0, (size_t)param->dims[1] * sizeof *value);
        break;
    case MODEL_INIT_UNIFORM:
        for (size_t i = 0; i < param->size; i++)
            value[i] = (float)(param->mean + param->deviation * (2 * random_uniform(&rng) - 1));
        break;
    case MODEL_INIT_METHOD:
        memset(value, 0, param->size * sizeof *value);
        if (model->acting->method->init) {
            PositionContext context = {
                .shape = &model->shape, .options = model->acting->options, .layer = param->layer};
            model->acting->method->init(&context, param->index, value, &rng);
        }
        break;
    }
}

static void project(Model *model, const ModelParam *param) {
    const Encoding *position = model->acting;
    if (position->method->project && param->init == MODEL_INIT_METHOD)
        position->method->project(&model->shape, position->options, param->index,
                                  model->values + param->offset);
}

void model_init(Model *model, uint64_t seed) {
    model->seed = seed;
    for (int p = 0; p < model->param_count; p++)
        init_param(model, &model->params[p], random_stream(seed, "init", model->params[p].name));
    model_project(model);
}

void model_init_layer(Model *model, uint64_t seed, int layer, int time) {
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        if (param->layer != layer) continue;
        Random rng = random_stream(seed, "init", param->name);
        init_param(model, param, time ? random_substream(rng, (uint64_t)time) : rng);
        project(model, param);
    }
}

Model model_part(const Model *model, int layers) {
    Model part = *model;
    part.options.layers = part.shape.layers = layers;
    return part;
}

bool model_trains(const Model *model, const ModelParam *param) {
    return !param->frozen && param->layer < model->shape.layers;
}

const char *model_first_difference(const Model *a, const Model *b) {
    for (int i = 0; i < a->param_count || i < b->param_count; i++) {
        if (i >= b->param_count) return a->params[i].name;
        if (i >= a->param_count) return b->params[i].name;
        const ModelParam *p = &a->params[i], *q = &b->params[i];
        if (strcmp(p->name, q->name) != 0 || p->rank != q->rank || p->dims[0] != q->dims[0] ||
            p->dims[1] != q->dims[1])
            return q->name;
    }
    return NULL;
}

Model *model_with_changes(const Model *model, const Encoding *position, const AttentionOptions *attention,
                          const char *source, Arena *arena, Error *err) {
    ModelOptions options = model->options;
    options.attention = *attention;
    if (!model_check(&options, position, model->shape.train_length, source, err)) return NULL;
    Model *changed = model_new(&options, position, model->shape.train_length, arena);
    const char *name = model_first_difference(model, changed);
    if (name) {
        error_set(
            err, EXIT_USAGE,
            "%s: tensor '%s' differs from the trained model; use a method with the same tensors, or select "
            "other runs (--method, --run)",
            source, name);
        return NULL;
    }
    changed->values = model->values;
    changed->seed = model->seed;
    changed->precision = model->precision;
    changed->threads = model->threads;
    changed->given_positions = model->given_positions;
    return changed;
}

/* The names of the tensors, of layers only those of the first layer. */
static const char *tensors_text(const Model *model, Arena *arena) {
    const char *list = "";
    for (int p = 0; p < model->param_count; p++) {
        const char *name = model->params[p].name;
        if (!strncmp(name, "layers.", 7) && strncmp(name, "layers.0.", 9)) continue;
        list = arena_format(arena, "%s%s%s", list, *list ? ", " : "", name);
    }
    return list;
}

static bool freeze_one(Model *model, const char *pattern, const char *source, Error *err) {
    bool found = false;
    for (int p = 0; p < model->param_count; p++)
        if (fnmatch(pattern, model->params[p].name, 0) == 0) found = model->params[p].frozen = true;
    if (found) return true;
    Arena *scratch = arena_new(0);
    const char **names = NEW(scratch, model->param_count + 1, const char *);
    for (int p = 0; p < model->param_count; p++) names[p] = model->params[p].name;
    error_unknown(err, text_nearest(pattern, names),
                  arena_format(scratch, "tensors are %s", tensors_text(model, scratch)),
                  "%s: 'train.frozen': no tensor has the name '%s'", source, pattern);
    arena_free(scratch);
    return false;
}

bool model_freeze(Model *model, const char *const *names, const char *source, Error *err) {
    for (; names && *names; names++)
        if (!freeze_one(model, *names, source, err)) return false;
    for (int p = 0; p < model->param_count; p++)
        if (!model->params[p].frozen) return true;
    return error_set(err, EXIT_USAGE, "%s: 'train.frozen' names all tensors; leave one to train", source);
}

void model_project(Model *model) {
    for (int p = 0; p < model->param_count; p++)
        if (model_trains(model, &model->params[p])) project(model, &model->params[p]);
}
