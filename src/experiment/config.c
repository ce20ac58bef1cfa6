/* config: a point is read section by section, each through its option table. Rules that tables cannot
 * express (lists, rules across sections) are in this file. experiment/grid.c supplies points as JSON; the
 * canonical JSON that is written back reads as the same point.
 */
#include "experiment/config.h"

#include <string.h>

#include "sys/json_file.h"
#include "position/encoding.h"
#include "data/tokenizers.h"
#include "experiment/data_config.h"
#include "experiment/grid.h"

enum { MAX_VARIANTS = 100, NAME_SIZE = 64 };

/* What every reading function needs besides its own. */
typedef struct ConfigReader {
    const char *source;
    Arena *arena;
    Error *err;
} ConfigReader;

static const char *const file_keys[] = {"sweep",  "exclude", "cluster",  "data", "model",
                                        "method", "train",   "evaluate", NULL};
static const char *const *const point_keys = file_keys + 3; /* a point has no sweep, and no cluster */

static const OptionField root_fields[] = {
    {"name", OPTION_TEXT, offsetof(Config, name), .help = "of the experiment; default: the file's name"},
};

/* ---- sections ---- */

/* Defaults, then what the JSON says; nothing there is no error. */
static bool read_section(const ConfigReader *reader, void *options, const OptionField *fields, int count,
                         const Json *json, const char *const *skip, const char *path) {
    options_default(options, fields, count);
    return options_read(options, fields, count, json, skip, reader->source, path, reader->arena, reader->err);
}

static bool must_be(const ConfigReader *reader, const char *path, const char *wanted, const Json *json) {
    return json_value_error(json, reader->source, path, wanted, reader->err);
}

static bool check_name(const ConfigReader *reader, const char *name) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char word[JSON_EXCERPT_SIZE];
    size_t size = strlen(name);
    if (size > 0 && size <= NAME_SIZE && strspn(name, letters) == size && name[0] != '.' && name[0] != '-')
        return true;
    return error_set(
        reader->err, EXIT_USAGE,
        "%s: 'name' must be 1 to 64 letters, digits, '.', '_' or '-' and not begin with '.' or '-', got '%s'",
        reader->source, json_excerpt_text(name, word));
}

static bool no_method(const ConfigReader *reader, const Json *json, const char *path, const char *name,
                      const char *nearest) {
    char word[JSON_EXCERPT_SIZE];
    const char *list = "";
    for (int i = 0; i < encoding_method_count; i++)
        list = arena_format(reader->arena, "%s%s%s", list, i ? ", " : "", encoding_methods[i]->name);
    if (!name)
        return must_be(reader, path, arena_format(reader->arena, "one of %s, or have it as \"name\"", list),
                       json);
    return error_set(reader->err, EXIT_USAGE, "%s: '%s': unknown method '%s'; %s%s%s", reader->source, path,
                     json_excerpt_text(name, word), nearest ? "did you mean '" : "known are ",
                     nearest ? nearest : list, nearest ? "'?" : "");
}

/* A method by its name alone (`default_value` where there is nothing) or as an object. */
static bool read_one_method(const ConfigReader *reader, Encoding *position, const Json *json,
                            const char *standard, const char *path) {
    static const char *const skip[] = {"with", "name", NULL}; /* with is for methods that move rows */
    const char *nearest = NULL, *name = json ? NULL : standard;
    if (json) name = json_text(json_is_object(json) ? json_get(json, "name") : json, NULL);
    const PositionMethod *method = name ? encoding_find_or_nearest(name, &nearest) : NULL;
    if (!method) return no_method(reader, json, path, name, nearest);
    *position = (Encoding){.method = method};
    if (method->options_size) position->options = arena_alloc(reader->arena, 1, method->options_size);
    return read_section(reader, position->options, method->fields, method->field_count,
                        json_is_object(json) ? json : NULL, method->positions ? skip : skip + 1, path);
}

static bool read_method(const ConfigReader *reader, Encoding *position, const Json *json, const char *path) {
    if (!read_one_method(reader, position, json, NULL, path)) return false;
    if (!position->method->positions) return true;
    Encoding *with = NEW(reader->arena, 1, Encoding);
    position->partner = with;
    return read_one_method(reader, with, json_is_object(json) ? json_get(json, "with") : NULL,
                           position->method->partner, arena_format(reader->arena, "%s.with", path));
}

static bool read_model(const ConfigReader *reader, Config *config, const Json *json) {
    static const char *const skip[] = {"attention", "adaptive", NULL};
    ModelOptions *model = &config->model;
    const ExamplesOptions *task = config->data.task;
    int own = tokenizers_vocabulary((CorpusTokenizer)config->data.tokenizer);
    int alphabet = task ? task->task->alphabet(task->options) : 0;
    if (!read_section(reader, model, model_fields, model_field_count, json, skip, "model") ||
        !read_section(reader, &model->attention, attention_fields, attention_field_count,
                      json_get(json, "attention"), NULL, "model.attention"))
        return false;
    if (model->vocabulary == 0) model->vocabulary = own ? own : alphabet;
    if (model->vocabulary < alphabet)
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'model.vocabulary' must be at least %d, the alphabet of the task %s (or left "
                         "out), got %lld",
                         reader->source, alphabet, task->task->name, (long long)model->vocabulary);
    if (own && model->vocabulary != own)
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'model.vocabulary' must be %d for %s (or left out), got %lld", reader->source,
                         own, corpus_tokenizer_names[config->data.tokenizer], (long long)model->vocabulary);
    if (model->vocabulary != 0)
        return adaptive_softmax_read(&config->adaptive, json_get(json, "adaptive"), model->vocabulary,
                                     model->width, reader->source, reader->arena, reader->err);
    return error_set(
        reader->err, EXIT_USAGE,
        "%s: 'model.vocabulary' is missing; give the number of tokens of the stream (up to 65536 in 16 bits)",
        reader->source);
}

static bool read_train(const ConfigReader *reader, Config *config, const Json *json) {
    static const char *const skip[] = {"optimizer", "schedule", "until", NULL};
    const Json *until = json_get(json, "until");
    const Json *optimizer = json_get(json, "optimizer"), *schedule = json_get(json, "schedule");
    if (until && !config->data.task)
        return error_set(reader->err, EXIT_USAGE, "%s: 'train.until' needs 'data.task'; remove it",
                         reader->source);
    return read_section(reader, &config->train, train_fields, train_field_count, json, skip, "train") &&
           (!until || read_section(reader, &config->train, train_until_fields, train_until_field_count, until,
                                   NULL, "train.until")) &&
           read_section(reader, &config->optimizer, optimizer_fields, optimizer_field_count, optimizer, NULL,
                        "train.optimizer") &&
           read_section(reader, &config->schedule, optimizer_schedule_fields, optimizer_schedule_field_count,
                        schedule, NULL, "train.schedule");
}

/* ---- variants ---- */

static const OptionField variant_fields[] = {
    {"name", OPTION_TEXT, offsetof(EvaluateVariant, name), .help = "of the variant, for tables"},
};

/* What a variant's JSON says of the method and of attention; what it does not say is as trained. */
static bool read_changes(const ConfigReader *reader, Encoding *position, AttentionOptions *attention,
                         const Config *config, const Json *json, const char *path) {
    const Json *method = json_get(json, "method"), *changed = json_get(json, "attention");
    *position = config->position;
    *attention = config->model.attention;
    return (!method ||
            read_method(reader, position, method, arena_format(reader->arena, "%s.method", path))) &&
           options_read(attention, attention_fields, attention_field_count, changed, NULL, reader->source,
                        arena_format(reader->arena, "%s.attention", path), reader->arena, reader->err);
}

static bool read_variant(const ConfigReader *reader, const Config *config, EvaluateVariant *variant,
                         const Json *json, const char *path) {
    static const char *const skip[] = {"method", "attention", NULL};
    Encoding position;
    AttentionOptions attention;
    if (!json_is_object(json) || !(json_get(json, "method") || json_get(json, "attention")))
        return must_be(reader, path, "an object with a \"name\" and a \"method\", \"attention\" or both",
                       json);
    if (!read_section(reader, variant, variant_fields, COUNT_OF(variant_fields), json, skip, path) ||
        !read_changes(reader, &position, &attention, config, json, path))
        return false;
    if (!*variant->name || json_characters(variant->name) > NAME_SIZE)
        return must_be(reader, arena_format(reader->arena, "%s.name", path), "1 to 64 characters",
                       json_get(json, "name"));
    const Model *model =
        model_new(&config->model, &config->position, (int)config->train.length, reader->arena);
    const char *source = arena_format(reader->arena, "%s: '%s'", reader->source, path);
    if (!model_with_changes(model, &position, &attention, source, reader->arena, reader->err)) return false;
    Arena *scratch = json_arena(json);
    Json *options = json_new_object(scratch), *changed = json_new_object(scratch);
    if (json_get(json, "method")) json_set(options, "method", encoding_json(&position, scratch));
    options_write(changed, &attention, attention_fields, attention_field_count);
    if (json_get(json, "attention")) json_set(options, "attention", changed);
    variant->options = json_print(options, reader->arena);
    return true;
}

static bool read_variants(const ConfigReader *reader, Config *config, const Json *list) {
    EvaluationConfig *evaluate = &config->evaluate;
    if (!json_check_list(list, reader->source, "evaluate.variants", MAX_VARIANTS, reader->err)) return false;
    evaluate->variant_count = json_count(list);
    evaluate->variants = NEW(reader->arena, evaluate->variant_count, const EvaluateVariant *);
    EvaluateVariant *variants = NEW(reader->arena, evaluate->variant_count, EvaluateVariant);
    for (int i = 0; i < evaluate->variant_count; i++) {
        const char *path = arena_format(reader->arena, "evaluate.variants[%d]", i);
        if (!read_variant(reader, config, &variants[i], json_at(list, i), path)) return false;
        evaluate->variants[i] = &variants[i];
        for (int k = 0; k < i; k++)
            if (strcmp(variants[k].name, variants[i].name) == 0)
                return must_be(reader, arena_format(reader->arena, "%s.name", path),
                               "different from the others' names", json_get(json_at(list, i), "name"));
    }
    return true;
}

Model *config_variant(const Config *config, const Model *model, const EvaluateVariant *variant, Arena *arena,
                      Error *err) {
    ConfigReader reader = {.source = config->source, .arena = arena, .err = err};
    Encoding *position = NEW(arena, 1, Encoding);
    AttentionOptions attention;
    const char *path = arena_format(arena, "variant '%s'", variant->name);
    Json *json = json_parse(variant->options, strlen(variant->options), path, arena, err);
    bool read = json && read_changes(&reader, position, &attention, config, json, path);
    return read ? model_with_changes(model, position, &attention, path, arena, err) : NULL;
}

/* ---- writing ---- */

static Json *train_json(const Config *config, Arena *arena) {
    Json *json = json_new_object(arena), *optimizer = json_new_object(arena);
    Json *schedule = json_new_object(arena);
    options_write(json, &config->train, train_fields, train_field_count);
    if (config->train.until_updates) {
        Json *until = json_new_object(arena);
        options_write(until, &config->train, train_until_fields, train_until_field_count);
        json_set(json, "until", until);
    }
    options_write(optimizer, &config->optimizer, optimizer_fields, optimizer_field_count);
    options_write(schedule, &config->schedule, optimizer_schedule_fields, optimizer_schedule_field_count);
    json_set(json, "optimizer", optimizer);
    json_set(json, "schedule", schedule);
    return json;
}

static void write_point(Config *config, Arena *arena, Arena *scratch) {
    Json *json = json_new_object(scratch), *model = model_json(&config->model, scratch);
    if (config->adaptive.count)
        json_set(model, "adaptive", adaptive_softmax_json(&config->adaptive, scratch));
    json_set_text(json, "name", config->name);
    json_set(json, "data", data_config_json(&config->data, scratch));
    json_set(json, "model", model);
    json_set(json, "method", encoding_json(&config->position, scratch));
    json_set(json, "train", train_json(config, scratch));
    json_set(json, "evaluate", evaluation_config_json(&config->evaluate, config->data.task, scratch));
    config->resolved = json_print(json, arena);

    static const char *const untrained[] = {"files", "valid_files", "test_files"};
    json_remove(json, "name");
    json_remove(json, "evaluate");
    json_remove(json_get_mutable(json, "train"), "checkpoint");
    for (int i = 0; i < COUNT_OF(untrained); i++) json_remove(json_get_mutable(json, "data"), untrained[i]);
    config->trained = json_print(json, arena);
}

/* ---- points and experiments ---- */

/* What a task asks of the length and of the position method. */
static bool check_task(const ConfigReader *reader, const Config *config) {
    const ExamplesOptions *task = config->data.task;
    if (!task) return true;
    int64_t needed = examples_train_length(task), farthest = examples_train_farthest(task);
    if (config->train.length < needed)
        return error_set(
            reader->err, EXIT_USAGE,
            "%s: 'train.length' must be at least %lld for the longest example of '%s' at size %lld, "
            "got %lld; raise it, or lower 'data.task.size'",
            reader->source, (long long)needed, task->task->name, (long long)task->high,
            (long long)config->train.length);
    const PositionMethod *method = config->position.method;
    if (!farthest) return true;
    if (method->positions || !(method->claims & POS_BY_POSITION))
        return error_set(
            reader->err, EXIT_USAGE,
            "%s: 'data.task.positions' needs a method that follows positions, and '%s' does not; "
            "take another, or \"index\"",
            reader->source, method->name);
    PositionShape shape = {(int)config->model.layers, (int)config->model.heads, (int)config->model.width,
                           (int)(config->model.width / config->model.heads), (int)config->train.length};
    return encoding_usable(&config->position, &shape, farthest + 1) ||
           error_set(reader->err, EXIT_USAGE,
                     "%s: 'data.task.max_start': positions up to %lld are beyond what '%s' can be used at; "
                     "lower it, or raise the method's limit",
                     reader->source, (long long)farthest, method->name);
}

static bool read_point(const ConfigReader *reader, Config *config, const Json *json, const char *name) {
    config->source = reader->source;
    if (!read_section(reader, config, root_fields, COUNT_OF(root_fields), json, point_keys, "")) return false;
    if (name) config->name = name;
    if (!check_name(reader, config->name) ||
        !data_config_read(&config->data, json_get(json, "data"), reader->source, reader->arena,
                          reader->err) ||
        !read_method(reader, &config->position, json_get(json, "method"), "method") ||
        !read_model(reader, config, json_get(json, "model")) ||
        !read_train(reader, config, json_get(json, "train")) ||
        !evaluation_config_read(&config->evaluate, json_get(json, "evaluate"), config->train.length,
                                config->data.task, reader->source, reader->arena, reader->err))
        return false;
    int length = (int)config->train.length;
    bool sound = model_check(&config->model, &config->position, length, reader->source, reader->err) &&
                 train_check(&config->train, reader->source, reader->err) && check_task(reader, config) &&
                 read_variants(reader, config, json_get(json_get(json, "evaluate"), "variants"));
    if (sound) write_point(config, reader->arena, json_arena(json));
    return sound;
}

Config *config_parse(const char *text, const char *source, Arena *arena, Error *err) {
    ConfigReader reader = {.source = arena_copy(arena, source), .arena = arena, .err = err};
    Config *config = NEW(arena, 1, Config);
    Json *json = json_parse(text, strlen(text), source, arena, err);
    return json && read_point(&reader, config, json, NULL) ? config : NULL;
}

/* "configs/quick.json": "quick". */
static const char *stem(const char *path, Arena *arena) {
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    int size = (int)strlen(base);
    bool json = size > 5 && strcmp(base + size - 5, ".json") == 0;
    return arena_format(arena, "%.*s", json ? size - 5 : size, base);
}

/* An error in a point that is not the first is the fault of that point's values: they are named. */
static bool read_points(const ConfigReader *reader, Experiment *experiment, const Json *json) {
    Grid *axes = grid_new(json, reader->source, reader->arena, reader->err);
    if (!axes) return false;
    experiment->points = NEW(reader->arena, grid_count(axes), Config);
    Arena *scratch = arena_new(0);
    bool read = true;
    for (int i = 0; read && i < grid_count(axes); i++) {
        ArenaMark mark = arena_mark(scratch);
        Json *point = grid_point(axes, i, scratch, reader->err);
        bool excluded = point && grid_excluded(axes, point);
        read = point && (excluded ||
                         read_point(reader, &experiment->points[experiment->count], point, experiment->name));
        if (point && !read && i > 0) {
            const char *values = grid_describe(axes, i, reader->arena);
            size_t used = strlen(reader->err->text);
            snprintf(reader->err->text + used, sizeof reader->err->text - used, " (at %s)", values);
        }
        experiment->count += read && !excluded;
        arena_release(scratch, mark);
    }
    arena_free(scratch);
    if (!read || !grid_finish(axes, reader->err)) return false;
    if (experiment->count > 0) return true;
    return error_set(reader->err, EXIT_USAGE, "%s: 'exclude' leaves no point; remove an entry",
                     reader->source);
}

static bool read_experiment(const ConfigReader *reader, Experiment *experiment, const char *path,
                            const char *const *sets, Json *json) {
    Config root = {0};
    for (int i = 0; json_is_object(json) && sets && sets[i]; i++)
        if (!grid_override(json, sets[i], reader->source, reader->err)) return false;
    if (!read_section(reader, &root, root_fields, COUNT_OF(root_fields), json, file_keys, "")) return false;
    experiment->name = json_get(json, "name") ? root.name : stem(path, reader->arena);
    if (!check_name(reader, experiment->name)) return false;
    experiment->source = json_print(json, reader->arena);
    experiment->directory = arena_format(reader->arena, "results/%s", experiment->name);
    if (!slurm_config_read(&experiment->allocation, json_get(json, "cluster"), reader->source, reader->arena,
                           reader->err))
        return false;
    json_remove(json, "cluster");
    return read_points(reader, experiment, json);
}

Experiment *config_read(const char *path, const char *const *sets, Arena *arena, Error *err) {
    ConfigReader reader = {.source = arena_format(arena, "config '%s'", path), .arena = arena, .err = err};
    Experiment *experiment = NEW(arena, 1, Experiment);
    Json *json = json_file_read(path, reader.source, arena, err);
    return json && read_experiment(&reader, experiment, path, sets, json) ? experiment : NULL;
}

Experiment *config_read_text(const char *text, const char *source, Arena *arena, Error *err) {
    ConfigReader reader = {.source = arena_copy(arena, source), .arena = arena, .err = err};
    Experiment *experiment = NEW(arena, 1, Experiment);
    Json *json = json_parse(text, strlen(text), source, arena, err);
    return json && read_experiment(&reader, experiment, "", NULL, json) ? experiment : NULL;
}

/* ---- what others ask ---- */

bool config_runnable(const Config *config, Error *err) {
    if (!config->adaptive.count) return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: 'model.adaptive': adaptive input and softmax can be planned, not run yet; remove it",
        config->source);
}

bool config_gives_positions(const Config *config) {
    return config->data.task && examples_train_farthest(config->data.task) > 0;
}

EvaluateRequest *config_requests(const Config *config, int *count, Arena *arena) {
    return evaluation_config_requests(&config->evaluate, count, arena);
}

const char *config_method_options(const Encoding *position, Arena *arena) {
    Arena *scratch = arena_new(0);
    Json *json = encoding_json(position, scratch);
    json_remove(json, "name");
    const char *text = json_print(json, arena);
    arena_free(scratch);
    return text;
}
