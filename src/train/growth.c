#include "train/growth.h"

#include <math.h>
#include <string.h>

static const char *const place_names[] = {"middle", "last", "split", "random", NULL};
static const char *const state_names[] = {"copy", "reset", NULL};

static const OptionField fields[] = {
    {"block", OPTION_INT, offsetof(GrowthOptions, block), .default_value = 0, .low = 0, .high = 1024,
     .help = "number of layers at the start, and of layers that each stage adds; must divide model.layers; "
             "0, or all layers: no growth"},
    {"alpha", OPTION_REAL, offsetof(GrowthOptions, alpha), .default_value = 1, .low = 0, .high = 10,
     .help = "the share of updates of the stage with i blocks is proportional to i to this power"},
    {"place", OPTION_CHOICE, offsetof(GrowthOptions, place), .default_value = GROWTH_MIDDLE,
     .choices = place_names,
     .help =
         "what a stage copies and inserts after the original: the middle block, the last block, or the "
         "layers around the middle (split); random: a block with new initial values, after the middle block"},
    {"state", OPTION_CHOICE, offsetof(GrowthOptions, state), .default_value = GROWTH_COPY,
     .choices = state_names,
     .help = "the optimizer's state of the new layers: copied with the layers, or zeros (reset; always with "
             "place random)"},
};
const OptionSection growth_section = {"train.growth", "A model that becomes deeper during training", fields,
                                      COUNT_OF(fields), NULL};

/* --- options --- */

bool growth_read(GrowthOptions *options, const Json *json, int64_t layers, const char *source, Arena *arena,
                 Error *err) {
    *options = (GrowthOptions){0};
    if (!json) return true;
    options_default(options, fields, COUNT_OF(fields));
    if (!options_read(options, &growth_section, json, source, arena, err)) return false;
    int64_t divisor = options->block < layers ? options->block : layers;
    while (divisor && layers % divisor) divisor--;
    if (divisor != options->block)
        return error_set(err, EXIT_USAGE,
                         "%s: 'train.growth.block' must divide 'model.layers' (%lld), got %lld; use for "
                         "example %lld",
                         source, (long long)layers, (long long)options->block, (long long)divisor);
    if (!divisor || divisor == layers) {
        *options = (GrowthOptions){0};
        return true;
    }
    options->stages = (int)(layers / options->block);
    if (options->place == GROWTH_RANDOM) options->state = GROWTH_RESET;
    return true;
}

Json *growth_json(const GrowthOptions *options, Arena *arena) {
    return options_json(options, fields, COUNT_OF(fields), arena);
}

bool growth_check(const GrowthOptions *options, const ModelOptions *model, const char *source, Error *err) {
    int64_t every = model->attention.nope_every;
    if (options->place == GROWTH_SPLIT && options->block % 2)
        return error_set(
            err, EXIT_USAGE,
            "%s: 'train.growth.place' split halves blocks, and 'train.growth.block' is %lld; use "
            "an even block, or the place middle",
            source, (long long)options->block);
    return !options->block || !every || options->block % every == 0 ||
           error_set(err, EXIT_USAGE,
                     "%s: 'train.growth.block' must be a multiple of 'model.attention.nope_every' (%lld), so "
                     "that a layer and its copy both use the position method, got %lld",
                     source, (long long)every, (long long)options->block);
}

/* --- tensors --- */

/* The name of a layer's tensor without "layers.N". */
static const char *name_in_layer(const ModelParam *param) {
    return strchr(param->name + strlen("layers."), '.');
}

/* The tensor of `layer` with the same name except for the layer's number; NULL if there is none. */
static const ModelParam *in_layer(const Model *model, const ModelParam *param, int layer) {
    for (int p = 0; p < model->param_count; p++)
        if (model->params[p].layer == layer &&
            !strcmp(name_in_layer(&model->params[p]), name_in_layer(param)))
            return &model->params[p];
    return NULL;
}

bool growth_check_frozen(const GrowthOptions *options, const Model *model, const char *source, Error *err) {
    for (int p = 0; options->block && p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        for (int l = 0; param->frozen && param->layer >= 0 && l < model->shape.layers; l++) {
            const ModelParam *other = in_layer(model, param, l);
            if (other && !other->frozen)
                return error_set(err, EXIT_USAGE,
                                 "%s: 'train.frozen' has tensor '%s' and not '%s', but 'train.growth' copies "
                                 "from layer to layer; name the tensor of all layers, as 'layers.*%s'",
                                 source, param->name, other->name, name_in_layer(param));
        }
    }
    return true;
}

/* --- stages --- */

int64_t growth_end(const GrowthOptions *options, int64_t steps, int blocks) {
    double part = 0, all = 0;
    int64_t end = 0;
    for (int i = 1; i <= options->stages; i++) all += pow(i, options->alpha);
    for (int i = 1; i <= blocks; i++) {
        part += pow(i, options->alpha);
        int64_t rounded = llround((double)steps * (part / all));
        end = rounded > end ? rounded : end + 1;
    }
    return end;
}

int growth_source(const GrowthOptions *options, int layers) {
    int block = (int)options->block, blocks = layers / block;
    switch ((GrowthPlace)options->place) {
    case GROWTH_LAST:
        return layers - block;
    case GROWTH_SPLIT:
        return (layers - block) / 2;
    case GROWTH_MIDDLE:
    case GROWTH_RANDOM:
        break;
    }
    return (blocks - 1) / 2 * block;
}

/* Copies the parameters and the optimizer's arrays of layer `from` to layer `to`. */
static void copy_layer(Model *model, Optimizer *optimizer, int to, int from) {
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        if (param->layer != to) continue;
        size_t source = in_layer(model, param, from)->offset, bytes = param->size * sizeof(float);
        memcpy(model->values + param->offset, model->values + source, bytes);
        memcpy(optimizer->first + param->offset, optimizer->first + source, bytes);
        if (optimizer->second) memcpy(optimizer->second + param->offset, optimizer->second + source, bytes);
    }
}

static void reset_state(const Model *model, Optimizer *optimizer, int layer) {
    for (int p = 0; p < model->param_count; p++) {
        const ModelParam *param = &model->params[p];
        if (param->layer != layer) continue;
        memset(optimizer->first + param->offset, 0, param->size * sizeof(float));
        if (optimizer->second) memset(optimizer->second + param->offset, 0, param->size * sizeof(float));
    }
}

/* From `inserted` on, every layer becomes a copy of the layer one block below it. The first `block` of them
   are the copy of the source block, the others have moved up. */
void growth_step(const GrowthOptions *options, Model *model, Optimizer *optimizer, int layers,
                 uint64_t seed) {
    int block = (int)options->block, inserted = growth_source(options, layers) + block;
    for (int l = layers + block - 1; l >= inserted; l--) copy_layer(model, optimizer, l, l - block);
    for (int l = inserted; l < inserted + block; l++) {
        if (options->place == GROWTH_RANDOM) model_init_layer(model, seed, l, layers / block);
        if (options->state == GROWTH_RESET) reset_state(model, optimizer, l);
    }
}
