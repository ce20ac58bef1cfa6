/* config: reads a point section by section, each through its option table.
 *
 * This file has the rules that tables cannot express: lists, and rules that concern several sections.
 * experiment/grid.c supplies each point as JSON. The canonical JSON of a point reads back as it.
 */
#include "experiment/config.h"

#include <string.h>

#include "base/escape.h"
#include "base/text.h"
#include "position/encoding.h"
#include "experiment/config_file.h"
#include "experiment/config_keys.h"
#include "data/data_config.h"
#include "experiment/grid.h"

enum { NAME_SIZE = 64 };

/* ---- sections ---- */

static bool no_method(const OptionReader *reader, const Json *json, const char *path, const char *name,
                      const char *nearest) {
    char word[JSON_EXCERPT_SIZE];
    const char *list = text_list(encoding_names(reader->arena), reader->arena);
    if (!name)
        return options_refuse(
            reader, json, path,
            "the name of a method (`poslab methods` lists them) or an object with \"name\"");
    return error_unknown(reader->err, nearest, arena_format(reader->arena, "known methods: %s", list),
                         "%s: '%s': unknown method '%s'", reader->source, path,
                         json_excerpt_text(name, word));
}

/* Reads a method: a name (`default_value` if absent) or an object. */
static bool read_one_method(const OptionReader *reader, Encoding *position, const Json *json,
                            const char *standard, const char *path) {
    const char *nearest = NULL, *name = json ? NULL : standard;
    if (json) name = json_text(json_is_object(json) ? json_get(json, "name") : json, NULL);
    const PositionMethod *method = name ? encoding_find_or_nearest(name, &nearest) : NULL;
    if (!method) return no_method(reader, json, path, name, nearest);
    const OptionSection *keys = method->positions ? &config_keys_moving : &config_keys_method;
    return encoding_read(position, method, json_is_object(json) ? json : NULL, keys->parts, reader->source,
                         path, reader->arena, reader->err);
}

static bool read_method(const OptionReader *reader, Encoding *position, const Json *json, const char *path) {
    if (!read_one_method(reader, position, json, NULL, path)) return false;
    if (!position->method->positions) return true;
    Encoding *with = NEW(reader->arena, 1, Encoding);
    position->partner = with;
    return read_one_method(reader, with, json_is_object(json) ? json_get(json, "with") : NULL,
                           position->method->partner, arena_format(reader->arena, "%s.with", path));
}

static bool read_model(const OptionReader *reader, Config *config, const Json *json) {
    ModelOptions *model = &config->model;
    const Json *attention = json_get(json, "attention");
    bool fine = options_read_section(reader, model, &model_section, json);
    fine &= options_read_section(reader, &model->attention, &attention_section, attention) &&
            options_note(reader, attention_check_training(&model->attention, reader->source, reader->err));
    return fine;
}

/* Checks the vocabulary of the model against the data. */
static bool read_vocabulary(const OptionReader *reader, Config *config, const Json *json) {
    ModelOptions *model = &config->model;
    const ExamplesOptions *task = config->data.task;
    int own = tokenizer_fixed_vocabulary((TokenizerKind)config->data.tokenizer);
    int alphabet = task ? task->task->alphabet(task->options) : 0;
    if (model->vocabulary == 0) model->vocabulary = own ? own : alphabet;
    if (task && model->vocabulary < alphabet)
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'model.vocabulary' must be at least %d, the alphabet of the task %s (or left "
                         "out), got %lld",
                         reader->source, alphabet, task->task->name, (long long)model->vocabulary);
    if (own && model->vocabulary != own)
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'model.vocabulary' must be %d for %s (or left out), got %lld", reader->source,
                         own, tokenizer_names[config->data.tokenizer], (long long)model->vocabulary);
    const TokenizerOptions tokenizer = corpus_tokenizer(&config->data);
    if (model->vocabulary == 0 && !tokenizer_finds_vocabulary(&tokenizer)) /* else the plan sets it */
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'model.vocabulary' is missing; give the number of tokens of the stream (up to "
                         "65536 in 16 bits)",
                         reader->source);
    const Json *adaptive = json_get(json, "adaptive");
    if (adaptive && task)
        return error_set(
            reader->err, EXIT_USAGE,
            "%s: 'model.adaptive' is for text, and 'data.task' %s has no frequent tokens; remove it",
            reader->source, task->task->name);
    return adaptive_softmax_read(reader, &model->adaptive, adaptive, model->vocabulary, model->width);
}

static bool read_train(const OptionReader *reader, Config *config, const Json *json) {
    const Json *optimizer = json_get(json, "optimizer"), *schedule = json_get(json, "schedule");
    bool fine = options_note(reader, train_options_read(&config->train, json, config->model.layers,
                                                        reader->source, reader->arena, reader->err));
    fine &= options_read_section(reader, &config->optimizer, &optimizer_section, optimizer);
    fine &= options_read_section(reader, &config->schedule, &optimizer_schedule_section, schedule);
    return fine;
}

/* ---- variants ---- */

/* Reads the method and the attention options of a variant. Parts that are absent stay as trained. */
static bool read_changes(const OptionReader *reader, Encoding *position, AttentionOptions *attention,
                         const Config *config, const Json *json, const char *path) {
    const Json *method = json_get(json, "method"), *changed = json_get(json, "attention");
    *position = config->position;
    *attention = config->model.attention;
    OptionSection section = attention_section;
    section.path = arena_format(reader->arena, "%s.attention", path);
    return (!method ||
            read_method(reader, position, method, arena_format(reader->arena, "%s.method", path))) &&
           options_read(attention, &section, changed, reader->source, reader->arena, reader->err);
}

static bool read_variant(const OptionReader *reader, const Config *config, EvaluateVariant *variant,
                         const Json *json, const char *path) {
    Encoding position;
    AttentionOptions attention;
    if (!json_is_object(json) || !(json_get(json, "method") || json_get(json, "attention")))
        return options_refuse(reader, json, path,
                              "an object with a \"name\" and a \"method\", \"attention\" or both");
    OptionSection keys = config_keys_variant;
    keys.path = path;
    options_default(variant, keys.fields, keys.field_count);
    if (!options_read(variant, &keys, json, reader->source, reader->arena, reader->err) ||
        !read_changes(reader, &position, &attention, config, json, path))
        return false;
    if (!*variant->name || escape_width(variant->name) > NAME_SIZE)
        return options_refuse(reader, json_get(json, "name"), arena_format(reader->arena, "%s.name", path),
                              "1 to 64 characters");
    const Model *model =
        model_new(&config->model, &config->position, (int)config->train.length, reader->arena);
    const char *source = arena_format(reader->arena, "%s: '%s'", reader->source, path);
    if (!model_with_changes(model, &position, &attention, source, reader->arena, reader->err)) return false;
    Arena *scratch = json_arena(json);
    Json *options = json_new_object(scratch);
    if (json_get(json, "method")) json_set(options, "method", encoding_json(&position, scratch));
    if (json_get(json, "attention"))
        json_set(options, "attention",
                 evaluation_config_attention(&attention, &config->model.attention, scratch));
    variant->options = json_print(options, reader->arena);
    return true;
}

static bool read_variants(const OptionReader *reader, Config *config, const Json *list) {
    EvaluationConfig *evaluate = &config->evaluate;
    if (!options_check_list(reader, list, "evaluate.variants", EVALUATION_CONFIG_MAX_VARIANTS)) return false;
    evaluate->variant_count = json_count(list);
    evaluate->variants = NEW(reader->arena, evaluate->variant_count, const EvaluateVariant *);
    EvaluateVariant *variants = NEW(reader->arena, evaluate->variant_count, EvaluateVariant);
    for (int i = 0; i < evaluate->variant_count; i++) {
        const char *path = arena_format(reader->arena, "evaluate.variants[%d]", i);
        if (!read_variant(reader, config, &variants[i], json_at(list, i), path)) return false;
        evaluate->variants[i] = &variants[i];
        for (int k = 0; k < i; k++)
            if (strcmp(variants[k].name, variants[i].name) == 0)
                return options_refuse(reader, json_get(json_at(list, i), "name"),
                                      arena_format(reader->arena, "%s.name", path),
                                      "different from the others' names");
    }
    return true;
}

Model *config_variant(const Config *config, const Model *model, const EvaluateVariant *variant, Arena *arena,
                      Error *err) {
    OptionReader reader = {.source = config->source, .arena = arena, .err = err, .errors = err};
    Encoding *position = NEW(arena, 1, Encoding);
    AttentionOptions attention;
    const char *path = arena_format(arena, "variant '%s'", variant->name);
    Json *json = json_parse(variant->options, strlen(variant->options), path, arena, err);
    bool read = json && read_changes(&reader, position, &attention, config, json, path);
    return read ? model_with_changes(model, position, &attention, path, arena, err) : NULL;
}

/* ---- writing ---- */

static Json *train_json(const Config *config, Arena *arena) {
    Json *json = train_options_json(&config->train, arena);
    json_set(json, "optimizer",
             options_json(&config->optimizer, optimizer_fields, optimizer_field_count, arena));
    json_set(
        json, "schedule",
        options_json(&config->schedule, optimizer_schedule_fields, optimizer_schedule_field_count, arena));
    return json;
}

static void write_point(Config *config, Arena *arena, Arena *scratch) {
    Json *json = json_new_object(scratch), *model = model_json(&config->model, scratch);
    json_set_text(json, "name", config->name);
    json_set(json, "data", data_config_json(&config->data, scratch));
    json_set(json, "model", model);
    json_set(json, "method", encoding_json(&config->position, scratch));
    json_set(json, "train", train_json(config, scratch));
    json_set(json, "evaluate", evaluation_config_json(&config->evaluate, config->data.task, scratch));
    config->resolved = json_print(json, arena);

    static const char *const untrained[] = {"files", "valid_files", "test_files", "vocabulary"};
    json_remove(json, "name");
    json_remove(json, "evaluate");
    json_remove(json_get_mutable(json, "train"), "checkpoint");
    for (int i = 0; i < COUNT_OF(untrained); i++) json_remove(json_get_mutable(json, "data"), untrained[i]);
    config->trained = json_print(json, arena);
}

void config_set_from(Config *config, const char *key, Arena *arena) {
    Arena *scratch = arena_new(0);
    config->train.from = arena_copy(arena, key);
    write_point(config, arena, scratch);
    arena_free(scratch);
}

/* ---- points and experiments ---- */

/* Whether the position method can be used at this length. */
static bool usable(const Config *config, int64_t length) {
    return model_usable(&config->model, &config->position, (int)config->train.length, length);
}

/* Checks the lengths of all stages against the task, and those but the last against the position method. */
static bool check_lengths(const OptionReader *reader, const Config *config) {
    const ExamplesOptions *task = config->data.task;
    long long needed = task ? examples_train_length(task) : 0;
    for (int i = 0; i < train_stage_count(&config->train); i++) {
        const TrainStage stage = train_stage(&config->train, i);
        const char *path = train_stage_path(&config->train, &stage, reader->arena);
        long long length = stage.length, cache = config->train.cache;
        if (task && length < needed)
            return error_set(reader->err, EXIT_USAGE,
                             "%s: '%s' must be at least %lld for the longest example of '%s' at size %lld, "
                             "got %lld; raise it, or lower 'data.task.size'",
                             reader->source, path, needed, task->task->name, (long long)task->high, length);
        if ((stage.item < config->train.stage_count || cache) && !usable(config, length + cache))
            return error_set(reader->err, EXIT_USAGE,
                             "%s: '%s'%s exceeds the limit of '%s', got %lld; lower it, or raise the limit",
                             reader->source, path, cache ? " with 'train.cache'" : "",
                             config->position.method->name, length + cache);
    }
    return true;
}

static bool check_frozen(const OptionReader *reader, const Config *config) {
    Model *model = model_new(&config->model, &config->position, (int)config->train.length, reader->arena);
    return model_freeze(model, config->train.frozen, reader->source, reader->err) &&
           growth_check_frozen(&config->train.growth, model, reader->source, reader->err);
}

/* Checks the position method and `until` against the task. */
static bool check_task(const OptionReader *reader, const Config *config) {
    const ExamplesOptions *task = config->data.task;
    const char *unfit = NULL;
    if (!task && config->train.until_updates) unfit = "'train.until' needs 'data.task'";
    if (task && config->train.order == TRAIN_TEXT) unfit = "'train.order' needs 'data.files'";
    if (unfit) return error_set(reader->err, EXIT_USAGE, "%s: %s; remove it", reader->source, unfit);
    int64_t farthest = task ? examples_train_farthest(task) : 0;
    const PositionMethod *method = config->position.method;
    if (!farthest) return true;
    if (method->positions || !(method->claims & POS_BY_POSITION))
        return error_set(
            reader->err, EXIT_USAGE,
            "%s: 'data.task.positions' needs a method that follows positions, and '%s' does not; "
            "use another method, or \"index\"",
            reader->source, method->name);
    return usable(config, farthest + 1) ||
           error_set(reader->err, EXIT_USAGE,
                     "%s: 'data.task.max_start': positions up to %lld are beyond what '%s' can be used at; "
                     "lower it, or raise the method's limit",
                     reader->source, (long long)farthest, method->name);
}

/* Reads all sections, even if one has a mistake, then checks the rules that concern several sections. */
static bool read_point(const OptionReader *reader, Config *config, const Json *json, const char *name) {
    config->source = reader->source;
    ConfigKeysTop top;
    bool fine = options_read_section(reader, &top, &config_keys_point, json);
    config->name = name ? name : top.name;
    fine &= options_note(reader, config_file_check_name(config->name, reader->source, reader->err));
    const Json *data = json_get(json, "data");
    bool has_data = data_config_read(reader, &config->data, data);
    fine &= has_data;
    fine &= options_note(reader, read_method(reader, &config->position, json_get(json, "method"), "method"));
    fine &= read_model(reader, config, json_get(json, "model"));
    fine &= read_train(reader, config, json_get(json, "train"));
    /* the valid keys of `evaluate` depend on whether there is a task */
    if (has_data || !json_get(data, "task"))
        fine &=
            options_note(reader, evaluation_config_read(reader, &config->evaluate, json_get(json, "evaluate"),
                                                        config->train.length, config->data.task));
    if (!fine || !options_note(reader, read_vocabulary(reader, config, json_get(json, "model"))))
        return false;
    const ExamplesOptions *task = config->data.task;
    fine = options_note(reader, model_check(&config->model, &config->position, (int)config->train.length,
                                            reader->source, reader->err));
    fine &= options_note(reader, check_lengths(reader, config));
    if (fine && config->train.frozen) fine = options_note(reader, check_frozen(reader, config));
    fine &= options_note(reader, check_task(reader, config));
    fine &= options_note(
        reader, evaluation_config_check_caches(reader, &config->evaluate, config->train.cache,
                                               task                       ? task->task->name
                                               : config->position.partner ? config->position.method->name
                                                                          : NULL));
    fine &= options_note(reader, train_check(&config->train, &config->model, reader->source, reader->err));
    fine = fine && options_note(reader, read_variants(reader, config,
                                                      json_get(json_get(json, "evaluate"), "variants")));
    if (fine) write_point(config, reader->arena, json_arena(json));
    return fine;
}

Config *config_parse(const char *text, const char *source, Arena *arena, Error *err) {
    Error one = {0};
    OptionReader reader = {.source = arena_copy(arena, source), .arena = arena, .err = &one, .errors = err};
    Config *config = NEW(arena, 1, Config);
    *err = (Error){0};
    Json *json = json_parse(text, strlen(text), source, arena, err);
    return json && read_point(&reader, config, json, NULL) ? config : NULL;
}

/* Adds the errors of a point that no earlier point had. Errors of all points but the first are due to
   values of the sweep, so these values are named. */
static void add_point_errors(const OptionReader *reader, const Error *point, Error *seen,
                             const char *values) {
    char *rest = arena_copy(reader->arena, point->text);
    for (const char *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t before = strlen(seen->text);
        error_set(reader->err, point->code, "%s", line);
        error_add(seen, reader->err, !before);
        if (strlen(seen->text) == before) continue;
        if (*values) error_set(reader->err, point->code, "%s (at %s)", line, values);
        options_note(reader, false);
    }
}

static bool read_points(const OptionReader *reader, Experiment *experiment, const Json *json) {
    Grid *axes = grid_new(json, reader->source, reader->arena, reader->err);
    if (!axes) return options_note(reader, false);
    experiment->points = NEW(reader->arena, grid_count(axes), Config);
    Arena *scratch = arena_new(0);
    Error seen = {0};
    bool fine = true;
    for (int i = 0; i < grid_count(axes) && strlen(seen.text) < sizeof seen.text / 2; i++) {
        ArenaMark mark = arena_mark(scratch);
        Error errors = {0};
        OptionReader inner = *reader;
        inner.errors = &errors;
        Json *point = grid_point(axes, i, scratch, &errors);
        bool left_out = point && grid_excluded(axes, point);
        bool read = point && (left_out || read_point(&inner, &experiment->points[experiment->count], point,
                                                     experiment->name));
        if (!read) add_point_errors(reader, &errors, &seen, i ? grid_describe(axes, i, reader->arena) : "");
        experiment->count += read && !left_out;
        fine &= read;
        arena_release(scratch, mark);
    }
    arena_free(scratch);
    if (!fine || !options_note(reader, grid_finish(axes, reader->err))) return false;
    if (experiment->count > 0) return true;
    error_set(reader->err, EXIT_USAGE, "%s: 'exclude' leaves no point; remove an entry", reader->source);
    return options_note(reader, false);
}

/* Whether a key of the file belongs to the points. Other keys have been read; their errors are reported
   once. */
static bool is_for_points(const char *key) {
    const OptionSection *section = &config_keys_point;
    bool found = !strcmp(key, "sweep") || !strcmp(key, "exclude");
    for (int i = 0; !found && i < section->field_count; i++) found = !strcmp(key, section->fields[i].key);
    for (const OptionPart *part = section->parts; !found && part && part->key; part++)
        found = !strcmp(key, part->key);
    return found;
}

static bool read_experiment(const OptionReader *reader, Experiment *experiment, const char *path,
                            const char *const *sets, Json *json) {
    ConfigKeysTop root = {0};
    for (int i = 0; json_is_object(json) && sets && sets[i]; i++)
        if (!grid_override(json, sets[i], reader->source, reader->err)) return options_note(reader, false);
    bool fine = options_read_section(reader, &root, &config_keys_file, json);
    if (!json_is_object(json)) return false;
    experiment->name = json_get(json, "name") ? root.name : config_file_stem(path, reader->arena);
    fine &= options_note(reader, config_file_check_name(experiment->name, reader->source, reader->err));
    if (json_get(json, "extends")) {
        error_set(reader->err, EXIT_USAGE, "%s: 'extends' is for files; write out what it extends",
                  reader->source);
        fine = options_note(reader, false);
    }
    fine &= options_note(reader, config_file_check_notes(json, reader->source, reader->err));
    json_remove(json, "$schema");
    experiment->source = json_print(json, reader->arena);
    experiment->directory = arena_format(reader->arena, "results/%s", experiment->name);
    fine &=
        options_note(reader, slurm_config_read(reader, &experiment->allocation, json_get(json, "cluster")));
    for (const Json *member = json_first(json), *next; member; member = next) {
        next = json_next(member);
        if (!is_for_points(json_name(member))) json_remove(json, json_name(member));
    }
    return read_points(reader, experiment, json) && fine;
}

static Experiment *read_json(const char *path, const char *source, const char *const *sets, Json *json,
                             Arena *arena, Error *err) {
    Error one = {0};
    OptionReader reader = {.source = arena_copy(arena, source), .arena = arena, .err = &one, .errors = err};
    Experiment *experiment = NEW(arena, 1, Experiment);
    if (!json) return NULL;
    *err = (Error){0};
    return read_experiment(&reader, experiment, path, sets, json) ? experiment : NULL;
}

Experiment *config_read(const char *path, const char *const *sets, Arena *arena, Error *err) {
    const char *source = arena_format(arena, "config '%s'", path);
    return read_json(path, source, sets, config_file_read(path, source, arena, err), arena, err);
}

Experiment *config_read_text(const char *text, const char *source, Arena *arena, Error *err) {
    return read_json("", source, NULL, json_parse(text, strlen(text), source, arena, err), arena, err);
}

/* ---- what others ask ---- */

const Config *config_with_vocabulary(const Config *config, int64_t vocabulary, Arena *arena, Error *err) {
    if (!adaptive_softmax_check(&config->model.adaptive, vocabulary, config->source, err)) return NULL;
    Config *changed = NEW(arena, 1, Config);
    Arena *scratch = arena_new(0);
    *changed = *config;
    changed->model.vocabulary = vocabulary;
    write_point(changed, arena, scratch);
    arena_free(scratch);
    return changed;
}

const char *config_database(const Experiment *experiment, const char *given, Arena *arena) {
    return given ? given : arena_format(arena, "%s.db", experiment->directory);
}

bool config_find_database(const char *word, const char **database, const char **experiment, Arena *arena,
                          Error *err) {
    bool config = !strcmp(word + text_stem(word), ".json");
    const Experiment *read = config ? config_read(word, NULL, arena, err) : NULL;
    if (config && !read) return false;
    *database = read ? config_database(read, *database, arena) : word;
    if (read) *experiment = read->name;
    return true;
}
