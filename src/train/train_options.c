#include "train/train_options.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#include "math/precision.h"

enum { MAX_LENGTH = 1 << 20, MAX_STAGES = 100, MAX_FROZEN = 10000 };
static const double most_tokens_per_step = 1e9;

static const char *const order_names[] = {"random", "text", NULL};

const OptionField train_fields[] = {
    {"length", OPTION_INT, offsetof(TrainOptions, length), .default_value = 128, .low = 1, .high = MAX_LENGTH,
     .help = "tokens of a training sequence"},
    {"tokens", OPTION_INT, offsetof(TrainOptions, tokens), .default_value = 1e6, .low = 1, .high = 1e15,
     .help = "tokens to train on in total"},
    {"tokens_per_step", OPTION_INT, offsetof(TrainOptions, tokens_per_step), .default_value = 4096, .low = 1,
     .high = most_tokens_per_step, .help = "tokens of one update; a multiple of the length"},
    {"cache", OPTION_INT, offsetof(TrainOptions, cache), .default_value = 0, .low = 0, .high = MAX_LENGTH,
     .help = "number of rows of earlier segments that every layer attends to; 0: none"},
    {"order", OPTION_CHOICE, offsetof(TrainOptions, order), .choices = order_names,
     .help =
         "order of the windows of text: random; or text: each sequence of an update continues that of the "
         "previous update, as always with a cache"},
    {"precision", OPTION_CHOICE, offsetof(TrainOptions, precision), .choices = precision_names,
     .help =
         "precision of the inputs of matrix products in linear layers; bf16 needs a CPU with AVX-512 BF16 "
         "or AMX"},
    {"seed", OPTION_INT, offsetof(TrainOptions, seed), .default_value = 1, .low = 0,
     .high = 9007199254740992.0, .help = "seed of initial weights, batches and dropout"},
    {"checkpoint", OPTION_REAL, offsetof(TrainOptions, checkpoint), .default_value = 60, .low = 0,
     .high = 1e9, .help = "seconds between saved states; 0: only when stopped and at the end"},
};
const int train_field_count = COUNT_OF(train_fields);

static const OptionField until_fields[] = {
    {"exact", OPTION_REAL, offsetof(TrainOptions, until_exact), .default_value = 0.99, .low = 1e-3, .high = 1,
     .help = "training ends when this share of the examples of the trained sizes is answered"},
    {"updates", OPTION_INT, offsetof(TrainOptions, until_updates), .default_value = 500, .low = 1,
     .high = 1e9, .help = "updates between two measurements of that share"},
};
const OptionSection train_until_section = {"train.until",
                                           "When training on a task ends early; without this section, never",
                                           until_fields, COUNT_OF(until_fields), NULL};

static const OptionField stage_fields[] = {
    {"length", OPTION_INT, offsetof(TrainStageOptions, length), .default_value = 0, .low = 1,
     .high = MAX_LENGTH, .help = "tokens of a training sequence in this stage (required)"},
    {"share", OPTION_REAL, offsetof(TrainStageOptions, share), .low = 0, .high = 1,
     .help = "share of all updates that are in this stage (required); 0: the stage is left out"},
};
const OptionSection train_stage_section = {"train.stages[]",
                                           "A stage of training before the last one, which has train.length",
                                           stage_fields, COUNT_OF(stage_fields), NULL};

static const OptionPart train_parts[] = {
    {.key = "optimizer"},
    {.key = "schedule"},
    {.key = "until"},
    {"stages", "list of stages", NULL,
     "earlier stages of training, at other lengths; optimizer and schedule do not restart between stages",
     .definition = "train.stages", .most = MAX_STAGES, .or_empty = true},
    {"growth", "object", NULL, "adds blocks of layers during training, until the model has model.layers",
     .definition = "train.growth"},
    {"from", "key of a run, or object of values by path", NULL,
     "the run whose final weights are the initial weights of this run: its key in the database, or the "
     "values that identify a point of the experiment with the same seed",
     .definition = "train.from"},
    {"frozen", "list of names", NULL,
     "names of tensors that are not trained; * matches any characters: layers.*.ffn.*", .item = OPTION_TEXT,
     .most = MAX_FROZEN, .or_empty = true},
    {0},
};
const OptionSection train_section = {"train",
                                     "Training: lengths, number of tokens, order, precision and seed",
                                     train_fields, COUNT_OF(train_fields), train_parts};

/* --- reading and writing --- */

static bool read_stage(TrainStageOptions *stage, const Json *json, const char *path, const char *source,
                       Arena *arena, Error *err) {
    OptionSection section = train_stage_section;
    section.path = path;
    options_default(stage, stage_fields, COUNT_OF(stage_fields));
    if (!json_is_object(json) || !json_get(json, "length") || !json_get(json, "share"))
        return json_value_error(json, source, path, "an object with a \"length\" and a \"share\"", err);
    return options_read(stage, &section, json, source, arena, err);
}

static bool read_stages(TrainOptions *options, const Json *list, const char *source, Arena *arena,
                        Error *err) {
    if (!list || (json_is_array(list) && !json_count(list))) return true;
    if (!json_check_list(list, source, "train.stages", MAX_STAGES, err)) return false;
    TrainStageOptions *stages = NEW(arena, json_count(list), TrainStageOptions);
    for (int i = 0; i < json_count(list); i++) {
        TrainStageOptions stage = {.item = i};
        const char *path = arena_format(arena, "train.stages[%d]", i);
        if (!read_stage(&stage, json_at(list, i), path, source, arena, err)) return false;
        if (stage.share > 0) stages[options->stage_count++] = stage;
    }
    options->stages = stages;
    return true;
}

static bool is_key(const char *text) {
    return strlen(text) == 16 && strspn(text, "0123456789abcdef") == 16;
}

static bool read_from(TrainOptions *options, const Json *json, const char *source, Arena *arena, Error *err) {
    const char *key = json_text(json, NULL);
    if (!json) return true;
    if (key && is_key(key)) options->from = arena_copy(arena, key);
    if (json_is_object(json) && json_count(json)) options->from_point = json_print(json, arena);
    return options->from || options->from_point ||
           json_value_error(json, source, "train.from",
                            "the key of a run (16 hexadecimal digits), or values by path of a point of the "
                            "experiment, as {\"method\": \"rotary\"}",
                            err);
}

static bool read_frozen(TrainOptions *options, const Json *list, const char *source, Arena *arena,
                        Error *err) {
    if (!list || (json_is_array(list) && !json_count(list))) return true;
    if (!json_check_list(list, source, "train.frozen", MAX_FROZEN, err)) return false;
    const char **names = NEW(arena, json_count(list) + 1, const char *);
    for (int i = 0; i < json_count(list); i++) {
        const char *name = json_text(json_at(list, i), "");
        if (!*name)
            return json_value_error(json_at(list, i), source, arena_format(arena, "train.frozen[%d]", i),
                                    "the name of a tensor", err);
        names[i] = arena_copy(arena, name);
    }
    options->frozen = names;
    return true;
}

bool train_options_read(TrainOptions *options, const Json *json, int64_t layers, const char *source,
                        Arena *arena, Error *err) {
    const Json *until = json_get(json, "until");
    Error one;
    *options = (TrainOptions){0};
    options_default(options, train_fields, train_field_count);
    bool fine = options_read(options, &train_section, json, source, arena, err);
    if (until) options_default(options, until_fields, COUNT_OF(until_fields));
    if (until && !options_read(options, &train_until_section, until, source, arena, &one))
        fine = error_add(err, &one, fine);
    if (!read_stages(options, json_get(json, "stages"), source, arena, &one))
        fine = error_add(err, &one, fine);
    if (!growth_read(&options->growth, json_get(json, "growth"), layers, source, arena, &one))
        fine = error_add(err, &one, fine);
    if (!read_from(options, json_get(json, "from"), source, arena, &one)) fine = error_add(err, &one, fine);
    if (!read_frozen(options, json_get(json, "frozen"), source, arena, &one))
        fine = error_add(err, &one, fine);
    return fine;
}

bool train_options_of_run(TrainOptions *options, const Json *config, Arena *arena) {
    const Json *train = json_get(config, "train");
    Error ignored;
    int64_t layers = (int64_t)json_number(json_at_path(config, "model.layers"), 0);
    return train && train_options_read(options, train, layers, "", arena, &ignored);
}

Json *train_from_point(const TrainOptions *options, Arena *arena) {
    return json_parse_own(options->from_point, arena);
}

Json *train_options_json(const TrainOptions *options, Arena *arena) {
    Json *json = json_new_object(arena), *until = json_new_object(arena), *stages = json_new_array(arena);
    options_write(json, options, train_fields, train_field_count);
    if (!options->cache) json_remove(json, "cache");
    if (options->cache || options->order == TRAIN_RANDOM) json_remove(json, "order");
    options_write(until, options, until_fields, COUNT_OF(until_fields));
    if (options->until_updates) json_set(json, "until", until);
    for (int i = 0; i < options->stage_count; i++) {
        Json *stage = json_new_object(arena);
        options_write(stage, &options->stages[i], stage_fields, COUNT_OF(stage_fields));
        json_append(stages, stage);
    }
    if (options->stage_count) json_set(json, "stages", stages);
    if (options->growth.block) json_set(json, "growth", growth_json(&options->growth, arena));
    if (options->from)
        json_set_text(json, "from", options->from);
    else if (options->from_point)
        json_set(json, "from", train_from_point(options, arena));
    if (options->frozen) json_set(json, "frozen", json_new_texts(options->frozen, arena));
    return json;
}

/* --- checks --- */

/* The smallest multiple of all lengths that is at least `from`; 0 if it is too large for tokens_per_step. */
static int64_t next_multiple(const TrainOptions *options, int64_t from) {
    int64_t multiple = 1;
    for (int i = 0; i < train_stage_count(options); i++) {
        int64_t length = train_stage(options, i).length, step = multiple;
        while (multiple % length && (double)multiple <= most_tokens_per_step) multiple += step;
        if ((double)multiple > most_tokens_per_step) return 0;
    }
    multiple *= (from + multiple - 1) / multiple;
    return (double)multiple > most_tokens_per_step ? 0 : multiple;
}

static bool check_lengths(const TrainOptions *options, const char *source, Error *err) {
    Arena *scratch = arena_new(0);
    bool fine = true;
    for (int i = train_stage_count(options) - 1; i >= 0 && fine; i--) {
        TrainStage stage = train_stage(options, i);
        int64_t next = next_multiple(options, options->tokens_per_step);
        const char *remedy = next ? arena_format(scratch, "use for example %lld", (long long)next)
                                  : "choose lengths that divide one number";
        fine = options->tokens_per_step % stage.length == 0 ||
               error_set(err, EXIT_USAGE,
                         "%s: 'train.tokens_per_step' must be a multiple of '%s' (%d), got %lld; %s", source,
                         train_stage_path(options, &stage, scratch), stage.length,
                         (long long)options->tokens_per_step, remedy);
    }
    arena_free(scratch);
    return fine;
}

/* The last update of an item of `stages`; of item stage_count, the last update of the run. */
static int64_t item_end(const TrainOptions *options, int item) {
    int64_t steps = train_steps(options), end = 0;
    for (int i = 0; i <= item && i < options->stage_count; i++) {
        int64_t updates = llround(options->stages[i].share * (double)steps);
        end += updates > 0 ? updates : 1;
    }
    return item < options->stage_count ? end : steps;
}

bool train_check(const TrainOptions *options, const ModelOptions *model, const char *source, Error *err) {
    const GrowthOptions *growth = &options->growth;
    long long steps = train_steps(options);
    if (!check_lengths(options, source, err) || !growth_check(growth, model, source, err)) return false;
    if (options->stage_count && item_end(options, options->stage_count - 1) >= steps)
        return error_set(err, EXIT_USAGE,
                         "%s: 'train.stages' take all %lld updates and leave none to 'train.length' "
                         "(%lld); lower a share, or raise 'train.tokens'",
                         source, steps, (long long)options->length);
    if (growth->block && growth_end(growth, steps, growth->stages - 1) >= steps)
        return error_set(err, EXIT_USAGE,
                         "%s: 'train.growth' has %d stages, which take all %lld updates before the model is "
                         "whole; raise 'train.tokens' or 'train.growth.block'",
                         source, growth->stages, steps);
    if (growth->block && (options->from || options->from_point))
        return error_set(err, EXIT_USAGE,
                         "%s: 'train.growth' starts with one block, and 'train.from' with the weights of all "
                         "layers; remove one of them",
                         source);
    return true;
}

/* --- stages --- */

bool train_in_order(const TrainOptions *options) {
    return options->cache || options->order == TRAIN_TEXT;
}

int64_t train_steps(const TrainOptions *options) {
    int64_t steps = llround((double)options->tokens / (double)options->tokens_per_step);
    return steps > 0 ? steps : 1;
}

/* Computes the other members of a stage from its item, its blocks and its first update. */
static void complete(const TrainOptions *options, TrainStage *stage) {
    int64_t end = item_end(options, stage->item);
    int64_t grown = stage->blocks < options->growth.stages
                        ? growth_end(&options->growth, train_steps(options), stage->blocks)
                        : end;
    bool last = stage->item == options->stage_count;
    stage->length = (int)(last ? options->length : options->stages[stage->item].length);
    stage->sequences = (int)(options->tokens_per_step / stage->length);
    stage->updates = (grown < end ? grown : end) - stage->first;
}

/* Turns a stage into the next one; returns false if it is the last. */
static bool next_stage(const TrainOptions *options, TrainStage *stage) {
    const GrowthOptions *growth = &options->growth;
    int64_t end = stage->first + stage->updates;
    bool longer = stage->item < options->stage_count && end == item_end(options, stage->item);
    bool deeper =
        stage->blocks < growth->stages && end == growth_end(growth, train_steps(options), stage->blocks);
    if (!longer && !deeper) return false;
    stage->index++;
    stage->first = end;
    if (longer) stage->item++, stage->item_first = end;
    if (deeper) stage->blocks++;
    complete(options, stage);
    return true;
}

TrainStage train_stage(const TrainOptions *options, int index) {
    TrainStage stage = {.blocks = 1};
    complete(options, &stage);
    while (stage.index < index && next_stage(options, &stage)) continue;
    return stage;
}

int train_stage_count(const TrainOptions *options) {
    return train_stage(options, INT_MAX).index + 1;
}

TrainStage train_stage_at(const TrainOptions *options, int64_t step) {
    TrainStage stage = train_stage(options, 0);
    while (step > stage.first + stage.updates && next_stage(options, &stage)) continue;
    return stage;
}

int train_stage_layers(const TrainOptions *options, const TrainStage *stage, int layers) {
    return options->growth.block ? stage->blocks * (int)options->growth.block : layers;
}

/* --- texts --- */

const char *train_stage_path(const TrainOptions *options, const TrainStage *stage, Arena *arena) {
    if (stage->item == options->stage_count) return "train.length";
    return arena_format(arena, "train.stages[%d].length", options->stages[stage->item].item);
}

const char *train_stage_text(const TrainOptions *options, const TrainStage *stage, Arena *arena) {
    const GrowthOptions *growth = &options->growth;
    if (!growth->block) return arena_format(arena, "length %d", stage->length);
    return arena_format(arena, "length %d, %d of %d layers", stage->length,
                        train_stage_layers(options, stage, 0), (int)growth->block * growth->stages);
}

const char *train_stages_text(const TrainOptions *options, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < train_stage_count(options); i++) {
        TrainStage stage = train_stage(options, i);
        int layers = train_stage_layers(options, &stage, 0);
        const char *what = arena_format(arena, "%s%d", i ? "" : "length ", stage.length);
        if (layers) what = arena_format(arena, "%s%d", i ? "" : "layers ", layers);
        if (layers && options->stage_count)
            what = arena_format(arena, "length %d with %d layers", stage.length, layers);
        text = arena_format(arena, "%s%s%s to %s%lld", text, i ? ", " : "", what, i ? "" : "update ",
                            (long long)(stage.first + stage.updates));
    }
    return text;
}
