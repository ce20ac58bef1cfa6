/* config_keys: the rows of the top level, of methods and of variants, and the generated JSON Schema. */
#include "experiment/config_keys.h"

#include <string.h>

#include "position/encoding.h"
#include "model/adaptive_softmax.h"
#include "model/model.h"
#include "data/corpus_options.h"
#include "train/optimizer.h"
#include "train/train.h"
#include "experiment/config_file.h"
#include "experiment/grid.h"
#include "experiment/evaluation_config.h"
#include "experiment/slurm_config.h"

static const OptionPart file_parts[] = {
    {"$schema", "text", NULL, "JSON Schema of configs, for editors; ignored", .item = OPTION_TEXT},
    {"extends", "path", NULL, "path of the config that this file extends, relative to this file",
     .item = OPTION_TEXT},
    {"description", "text", NULL, "what the experiment is for; shown by status and report",
     .item = OPTION_TEXT},
    {"tags", "list of texts", NULL, "words to find the experiment by; shown by status and report",
     .item = OPTION_TEXT, .most = CONFIG_FILE_MAX_TAGS},
    {"sweep", "object, or list of objects", NULL,
     "lists of values by path, as train.length; the points are their product; of a list of objects, the "
     "union of the products",
     .definition = "sweep"},
    {"exclude", "list of objects", NULL, "values by path; a point that has all values of an item is left out",
     .definition = "exclude"},
    {.key = "cluster"},
    {.key = "data"}, /* the first key of a point */
    {.key = "model"},
    {"method", "name, or object with a name", "required",
     "the position method; in a sweep, an object can also set other keys by their paths",
     .definition = "method"},
    {.key = "train"},
    {.key = "evaluate"},
    {0},
};
enum { FILE_ONLY = 7 }; /* number of parts that only a file has */

static const OptionField root_fields[] = {
    {"name", OPTION_TEXT, offsetof(ConfigKeysTop, name),
     .help = "name of the experiment and of its database; default: the name of the file"},
};
const OptionSection config_keys_file = {"", "An experiment is one JSON object", root_fields,
                                        COUNT_OF(root_fields), file_parts};
const OptionSection config_keys_point = {"", "A point of an experiment", root_fields, COUNT_OF(root_fields),
                                         file_parts + FILE_ONLY};

static const OptionPart method_parts[] = {
    {"with", "method", "the method's own choice",
     "for methods that choose positions: the method that uses them", .definition = "method"},
    {"name", "name of a method", "required", "the method; its options are further keys of the object",
     .definition = "methods"},
    {0},
};
const OptionSection config_keys_moving = {
    "method", "A position method as an object; a name alone has the default options", NULL, 0, method_parts};
const OptionSection config_keys_method = {"method", "A position method as an object", NULL, 0,
                                          method_parts + 1};

static const OptionField variant_fields[] = {
    {"name", OPTION_TEXT, offsetof(EvaluateVariant, name), .help = "name of the variant in tables; required"},
};
static const OptionPart variant_parts[] = {
    {"method", "name, or object with a name", "as trained",
     "another method, with the same learned parameters", .definition = "method"},
    {"attention", "object", "as trained", "options of attention, as model.attention",
     .definition = "model.attention"},
    {0},
};
const OptionSection config_keys_variant = {"evaluate.variants[]",
                                           "A change after training: a method, options of attention or both",
                                           variant_fields, COUNT_OF(variant_fields), variant_parts};

const OptionSection *const config_keys_sections[] = {
    &config_keys_file,
    &corpus_section,
    &corpus_split_section,
    &tokenizer_words_section,
    &model_section,
    &attention_section,
    &adaptive_softmax_section,
    &config_keys_moving,
    &train_section,
    &train_stage_section,
    &optimizer_section,
    &optimizer_schedule_section,
    &train_until_section,
    &growth_section,
    &evaluation_config_section,
    &evaluation_config_task_section,
    &evaluation_config_protocol_section,
    &config_keys_variant,
    &slurm_config_section,
    NULL,
};

/* ---- descriptions ---- */

static const char *number(double value, Arena *arena) {
    char text[JSON_NUMBER_SIZE];
    return arena_copy(arena, json_number_text(value, text));
}

static const char *type_text(const OptionField *field, Arena *arena) {
    if (field->type == OPTION_BOOL) return "true or false";
    if (field->type == OPTION_TEXT) return "text";
    if (field->type == OPTION_CHOICE) return options_choices_text(field, "", arena);
    const char *kind = field->type == OPTION_INT ? "whole number" : "number";
    if (!options_ranged(field)) return kind;
    return arena_format(arena, "%s%s from %s to %s", field->or_zero ? "0, or a " : "", kind,
                        number(field->low, arena), number(field->high, arena));
}

static const char *default_text(const OptionField *field, Arena *arena) {
    const char *text = json_print_bare(options_default_json(field, arena), arena);
    return *text ? text : NULL;
}

static bool is_section(const OptionPart *part) {
    return !part->help;
}

static const char *path_of(const OptionSection *section, const char *key, Arena *arena) {
    return arena_format(arena, "%s%s%s", section->path, *section->path ? "." : "", key);
}

ConfigKey *config_keys_list(const OptionSection *section, int *count, Arena *arena) {
    ConfigKey *keys = NULL;
    *count = 0;
    for (const OptionPart *part = section->parts; part && part->key; part++)
        if (!is_section(part))
            *ARENA_PUSH(arena, keys, *count) =
                (ConfigKey){path_of(section, part->key, arena), part->type, part->default_value, part->help};
    for (int i = 0; i < section->field_count; i++) {
        const OptionField *field = &section->fields[i];
        *ARENA_PUSH(arena, keys, *count) =
            (ConfigKey){path_of(section, field->key, arena), type_text(field, arena),
                        default_text(field, arena), field->help};
    }
    return keys;
}

/* ---- JSON Schema ---- */

static Json *typed(const char *type, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set_text(json, "type", type);
    return json;
}

static Json *reference(const char *name, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set_text(json, "$ref", arena_format(arena, "#/$defs/%s", name));
    return json;
}

/* The schema of a list of up to `most` items; 0: no limit. */
static Json *list_of(Json *items, int least, int most, Arena *arena) {
    Json *list = typed("array", arena);
    if (least) json_set_number(list, "minItems", least);
    if (most) json_set_number(list, "maxItems", most);
    json_set(list, "items", items);
    return list;
}

/* Makes a schema accept what one of two schemas accepts. */
static Json *allow_either(Json *schema, Json *one, Json *other, Arena *arena) {
    Json *cases = json_new_array(arena);
    json_append(cases, one);
    json_append(cases, other);
    json_set(schema, "anyOf", cases);
    return schema;
}

static Json *either(Json *one, Json *other, Arena *arena) {
    return allow_either(json_new_object(arena), one, other, arena);
}

static const char *const type_names[] = {[OPTION_INT] = "integer",
                                         [OPTION_REAL] = "number",
                                         [OPTION_BOOL] = "boolean",
                                         [OPTION_CHOICE] = "string",
                                         [OPTION_TEXT] = "string"};

static Json *field_schema(const OptionField *field, Arena *arena) {
    Json *json = typed(type_names[field->type], arena), *range = json;
    json_set_text(json, "description", field->help);
    if (field->type == OPTION_CHOICE) json_set(json, "enum", json_new_texts(field->choices, arena));
    if (field->type != OPTION_TEXT) json_set(json, "default", options_default_json(field, arena));
    if (!options_ranged(field)) return json;
    if (field->or_zero) {
        Json *zero = json_new_object(arena);
        range = json_new_object(arena);
        json_set_number(zero, "const", 0);
        allow_either(json, zero, range, arena);
    }
    json_set_number(range, "minimum", field->low);
    json_set_number(range, "maximum", field->high);
    return json;
}

/* The name of a section among the definitions: its path without "[]". */
static const char *section_name(const OptionSection *section, Arena *arena) {
    return arena_format(arena, "%.*s", (int)strcspn(section->path, "["), section->path);
}

/* The schema of a part, or of an item of its list. */
static Json *item_schema(const OptionPart *part, Arena *arena) {
    if (part->definition) return reference(part->definition, arena);
    Json *json = typed(type_names[part->item], arena);
    if (part->item == OPTION_TEXT && part->most) json_set_number(json, "minLength", 1);
    if (part->item == OPTION_INT) json_set_number(json, "minimum", part->low);
    if (part->item == OPTION_REAL) json_set_number(json, "exclusiveMinimum", part->low);
    if (part->high > 0) json_set_number(json, "maximum", part->high);
    return json;
}

static Json *part_schema(const OptionSection *section, const OptionPart *part, Arena *arena) {
    if (is_section(part)) return reference(path_of(section, part->key, arena), arena);
    Json *json = item_schema(part, arena);
    if (part->most) json = list_of(json, !part->or_empty, part->most, arena);
    if (part->or_item) json = either(item_schema(part, arena), json, arena);
    json_set_text(json, "description", part->help);
    return json;
}

/* The schema of an object with the keys of a section and no others. */
static Json *section_schema(const OptionSection *section, Arena *arena) {
    Json *json = typed("object", arena), *keys = json_new_object(arena);
    for (const OptionPart *part = section->parts; part && part->key; part++)
        json_set(keys, part->key, part_schema(section, part, arena));
    for (int i = 0; i < section->field_count; i++)
        json_set(keys, section->fields[i].key, field_schema(&section->fields[i], arena));
    if (*section->path) json_set_text(json, "description", section->help);
    json_set(json, "properties", keys);
    json_set_bool(json, "additionalProperties", false);
    return json;
}

/* Allows keys that match a pattern. */
static void allow_pattern(Json *schema, const char *pattern, Json *value, Arena *arena) {
    Json *patterns = json_new_object(arena);
    json_set(patterns, pattern, value);
    json_set(schema, "patternProperties", patterns);
}

/* The schema of an object with the name of a method and its options. Keys with a dot are paths that the
   method sets at its points of a sweep. */
static Json *method_schema(const PositionMethod *method, Arena *arena) {
    OptionSection section = method->positions ? config_keys_moving : config_keys_method;
    section.fields = method->fields;
    section.field_count = method->field_count;
    Json *json = section_schema(&section, arena), *name = json_new_object(arena);
    json_set_text(json, "description", method->label);
    json_set_text(name, "const", method->name);
    json_set(json_get_mutable(json, "properties"), "name", name);
    json_set(json, "required", json_new_texts((const char *const[]){"name", NULL}, arena));
    allow_pattern(json, "^[a-z]+\\..", json_new_object(arena), arena);
    return json;
}

static void define_methods(Json *definitions, Arena *arena) {
    Json *names = json_new_object(arena), *method = json_new_object(arena), *cases = json_new_array(arena);
    json_append(cases, reference("methods", arena));
    for (int i = 0; i < encoding_method_count; i++)
        json_append(cases, method_schema(encoding_methods[i], arena));
    json_set(names, "enum", json_new_texts(encoding_names(arena), arena));
    json_set(method, "anyOf", cases);
    json_set(definitions, "methods", names);
    json_set(definitions, "method", method);
}

/* An object with the name of a task and any other keys. None is required: a sweep, or the config that this
   one extends, may have it. */
static void define_task(Json *definitions, Arena *arena) {
    Json *task = typed("object", arena), *keys = json_new_object(arena);
    json_set(keys, "name", typed("string", arena));
    json_set(task, "properties", keys);
    json_set(definitions, "data.task", task);
}

/* Defines a block of a sweep: a list for each path of a value or section. Below `method` and `data.task`
   any key is allowed. */
static void define_sweep(Json *definitions, Arena *arena) {
    Json *paths = json_new_object(arena), *block = typed("object", arena), *any = typed("array", arena);
    for (const OptionSection *const *each = config_keys_sections; *each; each++) {
        const OptionSection *section = *each == &config_keys_file ? &config_keys_point : *each;
        if (strchr(section->path, '[')) continue;
        for (const OptionPart *part = section->parts; part && part->key; part++)
            json_set(paths, path_of(section, part->key, arena),
                     list_of(part_schema(section, part, arena), 1, 0, arena));
        for (int i = 0; i < section->field_count && *section->path; i++)
            json_set(paths, path_of(section, section->fields[i].key, arena),
                     list_of(field_schema(&section->fields[i], arena), 1, 0, arena));
    }
    json_set(block, "properties", paths);
    json_set_number(any, "minItems", 1);
    allow_pattern(block, "^(method|data\\.task)\\..", any, arena);
    json_set_bool(block, "additionalProperties", false);
    json_set(definitions, "sweep.block", block);
    json_set(definitions, "sweep",
             either(reference("sweep.block", arena), list_of(reference("sweep.block", arena), 1, 0, arena),
                    arena));
}

/* The key of a run, or values by path. */
static void define_from(Json *definitions, Arena *arena) {
    Json *key = typed("string", arena), *point = typed("object", arena);
    json_set_text(key, "pattern", "^[0-9a-f]{16}$");
    json_set_number(point, "minProperties", 1);
    json_set(definitions, "train.from", either(key, point, arena));
}

static void define_exclude(Json *definitions, Arena *arena) {
    Json *pattern = typed("object", arena);
    json_set_number(pattern, "minProperties", 1);
    json_set(definitions, "exclude", list_of(pattern, 0, GRID_MAX_EXCLUDED, arena));
}

Json *config_keys_schema(Arena *arena) {
    Json *schema = section_schema(&config_keys_file, arena), *definitions = json_new_object(arena);
    for (const OptionSection *const *each = config_keys_sections; *each; each++)
        if (*(*each)->path && *each != &config_keys_moving)
            json_set(definitions, section_name(*each, arena), section_schema(*each, arena));
    json_set(definitions, "protocol",
             either(reference("evaluate.protocols/properties/name", arena),
                    reference("evaluate.protocols", arena), arena));
    define_methods(definitions, arena);
    define_task(definitions, arena);
    define_sweep(definitions, arena);
    define_exclude(definitions, arena);
    define_from(definitions, arena);
    json_set_text(schema, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_set_text(schema, "title", "poslab experiment");
    json_set(schema, "$defs", definitions);
    return schema;
}
