/* options: numbers, booleans and choices are checked as doubles; NAN means that the JSON value has another
 * type.
 */
#include "base/options.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* 2^53: doubles represent all whole numbers up to here */
static const double whole_limit = 9007199254740992.0;

static double whole(double number) {
    return number == floor(number) && fabs(number) <= whole_limit ? number : NAN;
}

static double choice_index(const OptionField *field, const char *word) {
    int index = text_index(word, field->choices);
    return index < 0 ? NAN : index;
}

/* The value of any option but a text; NAN if it has another type. */
static double value_of(const OptionField *field, const Json *json) {
    switch (field->type) {
    case OPTION_INT:
        return whole(json_number(json, NAN));
    case OPTION_BOOL:
        return json_is_bool(json) ? json_bool(json) : NAN;
    case OPTION_CHOICE:
        return choice_index(field, json_text(json, ""));
    default:
        return json_number(json, NAN);
    }
}

static void store(const OptionField *field, void *member, double number) {
    if (field->type == OPTION_INT)
        *(int64_t *)member = (int64_t)number;
    else if (field->type == OPTION_BOOL)
        *(bool *)member = number != 0;
    else if (field->type == OPTION_CHOICE)
        *(int *)member = (int)number;
    else
        *(double *)member = number + 0; /* -0 becomes 0 */
}

static Json *member_json(const OptionField *field, const void *member, Arena *arena) {
    switch (field->type) {
    case OPTION_INT:
        return json_new_number((double)*(const int64_t *)member, arena);
    case OPTION_BOOL:
        return json_new_bool(*(const bool *)member, arena);
    case OPTION_CHOICE:
        return json_new_text(field->choices[*(const int *)member], arena);
    case OPTION_TEXT:
        return json_new_text(*(const char *const *)member, arena);
    default:
        return json_new_number(*(const double *)member, arena);
    }
}

void options_default(void *options, const OptionField *fields, int count) {
    for (int i = 0; i < count; i++) {
        const OptionField *field = &fields[i];
        void *member = (char *)options + field->offset;
        if (field->type == OPTION_TEXT)
            *(const char **)member = field->choices ? field->choices[0] : "";
        else
            store(field, member, field->default_value);
    }
}

static bool is_default(const OptionField *field, const void *member) {
    switch (field->type) {
    case OPTION_INT:
        return *(const int64_t *)member == (int64_t)field->default_value;
    case OPTION_BOOL:
        return *(const bool *)member == (field->default_value != 0);
    case OPTION_CHOICE:
        return *(const int *)member == (int)field->default_value;
    case OPTION_TEXT:
        return !strcmp(*(const char *const *)member, field->choices ? field->choices[0] : "");
    default:
        return *(const double *)member == field->default_value;
    }
}

void options_write(Json *object, const void *options, const OptionField *fields, int count) {
    for (int i = 0; i < count; i++) {
        const void *member = (const char *)options + fields[i].offset;
        if (!fields[i].newer || !is_default(&fields[i], member))
            json_set(object, fields[i].key, member_json(&fields[i], member, json_arena(object)));
    }
}

Json *options_json(const void *options, const OptionField *fields, int count, Arena *arena) {
    Json *object = json_new_object(arena);
    options_write(object, options, fields, count);
    return object;
}

Json *options_default_json(const OptionField *field, Arena *arena) {
    union {
        int64_t whole;
        double real;
        const char *text;
    } member;
    OptionField alone = *field;
    alone.offset = 0;
    options_default(&member, &alone, 1);
    return member_json(field, &member, arena);
}

Json *options_changes(const void *options, const OptionField *fields, int count, Arena *arena) {
    Json *object = json_new_object(arena);
    for (int i = 0; i < count; i++) {
        const void *member = (const char *)options + fields[i].offset;
        if (!is_default(&fields[i], member))
            json_set(object, fields[i].key, member_json(&fields[i], member, arena));
    }
    return object;
}

/* ---- reading ---- */

/* The object that is read, for errors: "SOURCE: 'PATH.KEY' must be ..., got VALUE". */
typedef struct Site {
    const OptionSection *section;
    const char *source, *key;
    Arena *arena;
    Error *err;
} Site;

static bool is_in_config(const char *path);

static bool complain(const Site *site, const Json *json, const char *wanted) {
    const char *path = site->section->path;
    bool swept = json_is_array(json) && is_in_config(path) && !strchr(path, '[');
    path = arena_format(site->arena, "%s%s%s", path, *path ? "." : "", site->key);
    if (swept)
        wanted =
            arena_format(site->arena, "%s (several values: \"sweep\": {\"%s\": [...]}, --set sweep.%s=[...])",
                         wanted, path, path);
    return json_value_error(json, site->source, path, wanted, site->err);
}

static bool refuse_choice(const Site *site, const Json *json, const OptionField *field) {
    const char *near = text_nearest(json_text(json, ""), field->choices);
    return complain(site, json,
                    arena_format(site->arena, "one of %s%s%s%s", text_list(field->choices, site->arena),
                                 near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : ""));
}

bool options_ranged(const OptionField *field) {
    return field->low != 0 || field->high != 0;
}

static bool in_range(const OptionField *field, double number) {
    return !options_ranged(field) || (number >= field->low && number <= field->high) ||
           (field->or_zero && number == 0);
}

static bool read_member(void *member, const OptionField *field, const Json *json, const Site *site) {
    static const char *const wanted[] = {[OPTION_INT] = "a whole number",
                                         [OPTION_REAL] = "a number",
                                         [OPTION_BOOL] = "true or false",
                                         [OPTION_TEXT] = "text"};
    char low[JSON_NUMBER_SIZE], high[JSON_NUMBER_SIZE];
    if (field->type == OPTION_TEXT) {
        if (!json_is_text(json)) return complain(site, json, wanted[OPTION_TEXT]);
        *(const char **)member = arena_copy(site->arena, json_text(json, ""));
        return true;
    }
    double number = value_of(field, json);
    if (isnan(number))
        return field->choices ? refuse_choice(site, json, field) : complain(site, json, wanted[field->type]);
    if (!in_range(field, number))
        return complain(site, json,
                        arena_format(site->arena, "%sin [%s, %s]", field->or_zero ? "0 or " : "",
                                     json_number_text(field->low, low), json_number_text(field->high, high)));
    store(field, member, number);
    return true;
}

/* Common names of keys that have another name, or are in another section. */
static const struct {
    const char *word, *path;
} synonyms[] = {
    {"adaptive_softmax", "model.adaptive"},
    {"attention_window", "model.attention.window"},
    {"batch", "train.tokens_per_step"},
    {"batch_size", "train.tokens_per_step"},
    {"beta1", "train.optimizer.beta1"},
    {"beta2", "train.optimizer.beta2"},
    {"block_size", "train.length"},
    {"clip", "train.optimizer.clip"},
    {"context_length", "train.length"},
    {"corpus", "data.files"},
    {"d_ff", "model.ffn"},
    {"d_model", "model.width"},
    {"dataset", "data.files"},
    {"depth", "model.layers"},
    {"dim", "model.width"},
    {"dropout", "model.dropout"},
    {"embedding_dim", "model.width"},
    {"epochs", "train.tokens"},
    {"eval", "evaluate"},
    {"evaluation", "evaluate"},
    {"ffn_dim", "model.ffn"},
    {"files", "data.files"},
    {"grad_clip", "train.optimizer.clip"},
    {"gradient_clip", "train.optimizer.clip"},
    {"grid", "sweep"},
    {"heads", "model.heads"},
    {"hidden_size", "model.width"},
    {"iterations", "train.tokens"},
    {"layers", "model.layers"},
    {"learning_rate", "train.optimizer.lr"},
    {"length", "train.length"},
    {"lengths", "evaluate.lengths"},
    {"lr", "train.optimizer.lr"},
    {"max_iters", "train.tokens"},
    {"max_steps", "train.tokens"},
    {"methods", "method"},
    {"min_lr", "train.schedule.floor"},
    {"momentum", "train.optimizer.momentum"},
    {"multiples", "evaluate.multiples"},
    {"n_embd", "model.width"},
    {"n_head", "model.heads"},
    {"n_layer", "model.layers"},
    {"num_heads", "model.heads"},
    {"num_layers", "model.layers"},
    {"optimizer", "train.optimizer"},
    {"position", "method"},
    {"precision", "train.precision"},
    {"protocols", "evaluate.protocols"},
    {"schedule", "train.schedule"},
    {"seed", "train.seed"},
    {"seeds", "train.seed"},
    {"seq_len", "train.length"},
    {"sequence_length", "train.length"},
    {"slurm", "cluster"},
    {"split", "data.split"},
    {"steps", "train.tokens"},
    {"tokenizer", "data.tokenizer"},
    {"tokens", "train.tokens"},
    {"tokens_per_step", "train.tokens_per_step"},
    {"training", "train"},
    {"valid_files", "data.valid_files"},
    {"variants", "evaluate.variants"},
    {"vocab_size", "model.vocabulary"},
    {"vocabulary", "model.vocabulary"},
    {"warmup", "train.schedule.warmup"},
    {"wd", "train.optimizer.decay"},
    {"weight_decay", "train.optimizer.decay"},
    {"width", "model.width"},
    {"window", "model.attention.window"},
};

/* Whether the object at this path is part of a config. Other JSON files have lists of objects at the
   root. */
static bool is_in_config(const char *path) {
    size_t size = strcspn(path, ".[");
    bool found = !*path;
    for (int i = 0; !found && i < COUNT_OF(synonyms); i++)
        found = strncmp(synonyms[i].path, path, size) == 0 && strchr(".", synonyms[i].path[size]);
    return found;
}

const char *options_synonym(const char *word) {
    for (int i = 0; i < COUNT_OF(synonyms); i++)
        if (strcmp(word, synonyms[i].word) == 0) return synonyms[i].path;
    return NULL;
}

/* The keys of a section, those of its fields first. */
static const char *const *keys_of(const OptionSection *section, Arena *arena) {
    const char **keys = NULL;
    int count = 0;
    for (int i = 0; i < section->field_count; i++) *ARENA_PUSH(arena, keys, count) = section->fields[i].key;
    for (const OptionPart *part = section->parts; part && part->key; part++)
        *ARENA_PUSH(arena, keys, count) = part->key;
    *ARENA_PUSH(arena, keys, count) = NULL;
    return keys;
}

static bool refuse_key(const Site *site) {
    char key[JSON_EXCERPT_SIZE];
    const char *path = site->section->path, *near = is_in_config(path) ? options_synonym(site->key) : NULL;
    const char *const *keys = keys_of(site->section, site->arena);
    const char *own = near ? NULL : text_nearest(site->key, keys);
    if (own) near = arena_format(site->arena, "%s%s%s", path, *path ? "." : "", own);
    const char *known =
        arena_format(site->arena, "known here: %s", *keys ? text_list(keys, site->arena) : "nothing");
    return error_unknown(site->err, near, known, "%s: unknown key '%s%s%s'", site->source, path,
                         *path ? "." : "", json_excerpt_text(site->key, key));
}

static bool is_part(const OptionPart *parts, const char *key) {
    while (parts && parts->key && strcmp(parts->key, key) != 0) parts++;
    return parts && parts->key;
}

bool options_read(void *options, const OptionSection *section, const Json *object, const char *source,
                  Arena *arena, Error *err) {
    Error one = {0};
    Site site = {.section = section, .source = source, .arena = arena, .err = &one};
    bool fine = true;
    if (!json_is_object(object))
        return !object || json_value_error(object, source, section->path, "an object", err);
    for (const Json *member = json_first(object); member; member = json_next(member)) {
        site.key = json_name(member);
        site.source = json_origin(member) ? json_origin(member) : source;
        if (is_part(section->parts, site.key)) continue;
        const OptionField *field = section->fields, *end = field + section->field_count;
        while (field < end && strcmp(site.key, field->key) != 0) field++;
        bool read = field < end ? read_member((char *)options + field->offset, field, member, &site)
                                : refuse_key(&site);
        if (!read) error_add(err, &one, fine);
        fine &= read;
    }
    return fine;
}

bool options_note(const OptionReader *reader, bool fine) {
    return fine || error_add(reader->errors, reader->err, !reader->errors->code);
}

bool options_refuse(const OptionReader *reader, const Json *json, const char *path, const char *wanted) {
    return json_value_error(json, reader->source, path, wanted, reader->err);
}

bool options_check_list(const OptionReader *reader, const Json *json, const char *path, int most) {
    return json_check_list(json, reader->source, path, most, reader->err);
}

bool options_read_section(const OptionReader *reader, void *options, const OptionSection *section,
                          const Json *json) {
    options_default(options, section->fields, section->field_count);
    return options_note(reader,
                        options_read(options, section, json, reader->source, reader->arena, reader->err));
}

/* ---- arguments of a command line ---- */

const char *options_choices_text(const OptionField *field, const char *quote, Arena *arena) {
    const char *text = "";
    for (int i = 0; field->choices[i]; i++)
        text = arena_format(arena, "%s%s%s%s%s", text,
                            !i                      ? ""
                            : field->choices[i + 1] ? ", "
                                                    : " or ",
                            quote, field->choices[i], quote);
    return text;
}

static double argument_value(const OptionField *field, const char *text) {
    if (field->type == OPTION_CHOICE) return choice_index(field, text);
    return field->type == OPTION_INT ? whole(text_number(text)) : text_number(text);
}

static bool refuse_argument(const OptionField *field, const char *text, Arena *arena, Error *err) {
    const char *wanted, *near = NULL, *noun = field->type == OPTION_INT ? "whole number" : "number";
    char shown[JSON_EXCERPT_SIZE], low[JSON_NUMBER_SIZE], high[JSON_NUMBER_SIZE];
    if (field->type == OPTION_CHOICE) {
        wanted = options_choices_text(field, "'", arena);
        near = text_nearest(text, field->choices);
    } else if (field->list != OPTION_SINGLE) {
        const char *limit = field->most ? arena_format(arena, "up to %d ", field->most) : "";
        const char *range = options_ranged(field)
                                ? arena_format(arena, " from %s to %s", json_number_text(field->low, low),
                                               json_number_text(field->high, high))
                                : "";
        wanted = arena_format(arena, "%s%ss%s separated by commas", limit, noun, range);
    } else
        wanted = arena_format(arena, "a %s from %s to %s", noun, json_number_text(field->low, low),
                              json_number_text(field->high, high));
    return error_set(err, EXIT_USAGE, "--%s takes %s, got '%s'%s%s%s", field->key, wanted,
                     json_excerpt_text(text, shown), near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
}

/* The next item of an argument, or NULL; *rest becomes the text after it. */
static const char *next_item(const OptionField *field, char **rest) {
    char *whole_rest = *rest;
    if (field->list == OPTION_COMMAS) return strsep(rest, ",");
    *rest = NULL;
    return whole_rest;
}

static void add_text(const char *const **member, const char *item, Arena *arena) {
    int count = 0;
    while (*member && (*member)[count]) count++;
    const char **items = NEW(arena, count + 2, const char *);
    for (int i = 0; i < count; i++) items[i] = (*member)[i];
    items[count] = item;
    *member = items;
}

static void add_number(OptionNumbers *numbers, double number, Arena *arena) {
    size_t count = (size_t)numbers->count++;
    numbers->values = arena_grow(arena, numbers->values, count, count + 1, sizeof *numbers->values);
    numbers->values[count] = number;
}

static bool read_list(void *member, const OptionField *field, const char *text, Arena *arena, Error *err) {
    char *rest = arena_copy(arena, text);
    for (const char *item; (item = next_item(field, &rest)) != NULL;) {
        if (field->type == OPTION_TEXT) {
            add_text(member, item, arena);
            continue;
        }
        double number = argument_value(field, item);
        bool full = field->most && ((OptionNumbers *)member)->count == field->most;
        if (isnan(number) || !in_range(field, number) || full)
            return refuse_argument(field, text, arena, err);
        add_number(member, number, arena);
    }
    return true;
}

bool options_read_argument(void *options, const OptionField *field, const char *text, Arena *arena,
                           Error *err) {
    void *member = (char *)options + field->offset;
    if (!field->argument) return *(bool *)member = true;
    if (field->list != OPTION_SINGLE) return read_list(member, field, text, arena, err);
    if (field->type == OPTION_TEXT) return *(const char **)member = text, true;
    double number = argument_value(field, text);
    if (isnan(number) || !in_range(field, number)) return refuse_argument(field, text, arena, err);
    store(field, member, number);
    return true;
}

double options_number_of(const char *list, int index, int count) {
    double found = NAN;
    for (int i = 0; i < count; i++) {
        char *end;
        double number = strtod(list, &end);
        bool last = i + 1 == count;
        if (end == list || !isfinite(number) || *end != (last ? '\0' : ',')) return NAN;
        if (i == index) found = number;
        list = end + 1;
    }
    return found;
}
