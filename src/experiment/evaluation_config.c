/* evaluation_config: reads lists and protocols; a table says which options each protocol has. */
#include "experiment/evaluation_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/linear.h"

enum { MAX_LENGTH = 1 << 24, MAX_LENGTHS = 1000, MAX_PROTOCOLS = 100 };

/* The section `evaluate.task`. */
typedef struct TaskEvaluation {
    int64_t examples;
    int hint;
} TaskEvaluation;

static const OptionField task_fields[] = {
    {"examples", OPTION_INT, offsetof(TaskEvaluation, examples), .default_value = 1000, .low = 1, .high = 1e7,
     .help = "number of examples of each size"},
};
static const OptionPart task_parts[] = {
    {"sizes", "list of whole numbers", "the largest size in training", "sizes of examples to evaluate",
     .item = OPTION_INT, .low = 1, .most = MAX_LENGTHS},
    {"hint", "name of a hint", NULL,
     "evaluate rows of this hint, not of the task itself; training need not have had them",
     .item = OPTION_TEXT},
    {0},
};
const OptionSection evaluation_config_task_section = {
    "evaluate.task", "With data.task, instead of split, tokens, lengths, multiples and protocols",
    task_fields, COUNT_OF(task_fields), task_parts};

/* the index of a name is its Split minus SPLIT_VALID */
static const char *const offered_splits[] = {"valid", "test", NULL};

static const OptionField evaluate_fields[] = {
    {"split", OPTION_CHOICE, offsetof(EvaluationConfig, split), .choices = offered_splits,
     .help = "the part of the corpus that is evaluated"},
    {"tokens", OPTION_INT, offsetof(EvaluationConfig, tokens), .default_value = 0, .low = 0, .high = 1e15,
     .help = "evaluate the first N targets of the split, at least the longest length; 0: all"},
    {"precision", OPTION_CHOICE, offsetof(EvaluationConfig, precision), .choices = precision_names,
     .help = "as train.precision"},
};

static const OptionPart evaluate_parts[] = {
    {"multiples", "list of numbers", NULL, "evaluation lengths, as multiples of the training length",
     .item = OPTION_REAL, .most = MAX_LENGTHS},
    {"lengths", "list of whole numbers", "the training length",
     "evaluation lengths in tokens; both lists may be given", .item = OPTION_INT, .low = 1,
     .high = MAX_LENGTH, .most = MAX_LENGTHS},
    {"protocols", "list of protocols", "nonoverlapping",
     "how windows are placed: names, or objects with options", .definition = "protocol",
     .most = MAX_PROTOCOLS},
    {.key = "task"},
    {"variants", "list of variants", NULL,
     "changes after training; runs are evaluated as trained, and with each of them",
     .definition = "evaluate.variants", .most = EVALUATION_CONFIG_MAX_VARIANTS},
    {0},
};
const OptionSection evaluation_config_section = {"evaluate", "What is evaluated after training",
                                                 evaluate_fields, COUNT_OF(evaluate_fields), evaluate_parts};

static const OptionField protocol_fields[] = {
    {"name", OPTION_CHOICE, offsetof(EvaluationConfigProtocol, name), .choices = evaluate_protocol_names,
     .help = "how windows are placed on the stream"},
    {"stride", OPTION_REAL, offsetof(EvaluationConfigProtocol, stride), .low = 0, .high = MAX_LENGTH,
     .help =
         "stride of strided (required) and last_n (0.125): below 1 a share of the length, otherwise tokens"},
    {"targets", OPTION_INT, offsetof(EvaluationConfigProtocol, targets), .low = 0, .high = 1e15,
     .help = "number of targets of last_n (required), at the end of the split"},
    {"cache", OPTION_INT, offsetof(EvaluationConfigProtocol, cache), .default_value = 0, .low = 0,
     .high = MAX_LENGTH,
     .help = "cached and token: rows of earlier segments that every layer attends to; 0: the length"},
};
const OptionSection evaluation_config_protocol_section = {
    "evaluate.protocols[]", "A protocol as an object; a name alone has no options", protocol_fields,
    COUNT_OF(protocol_fields), NULL};

static const struct {
    bool stride, targets, cache; /* the options that the protocol has; targets are required */
    double standard_stride;      /* default of the stride; 0: it is required */
} takes[] = {
    [EVALUATE_NONOVERLAPPING] = {0},
    [EVALUATE_STRIDED] = {.stride = true},
    [EVALUATE_EXACT] = {0},
    [EVALUATE_CACHED] = {.cache = true},
    [EVALUATE_TOKEN] = {.cache = true},
    [EVALUATE_LAST_N] = {.stride = true, .targets = true, .standard_stride = 0.125},
};

/* --- reading --- */

static int by_length(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Adds the lengths of a list: its numbers times `unit`, rounded. */
static bool add_lengths(const OptionReader *reader, EvaluationConfig *evaluate, const Json *list,
                        const char *path, double unit) {
    if (!options_check_list(reader, list, path, MAX_LENGTHS)) return false;
    for (int i = 0; i < json_count(list); i++) {
        const Json *item = json_at(list, i);
        double number = json_number(item, NAN), length = round(number * unit);
        if (!(length >= 1 && length <= MAX_LENGTH) || (unit == 1 && length != number))
            return options_refuse(reader, item, arena_format(reader->arena, "%s[%d]", path, i),
                                  unit == 1
                                      ? "a whole number in [1, 16777216]"
                                      : "a number that takes 'train.length' to a length in [1, 16777216]");
        evaluate->lengths[evaluate->length_count++] = (int64_t)length;
    }
    return true;
}

static void sort_lengths(EvaluationConfig *evaluate) {
    qsort(evaluate->lengths, (size_t)evaluate->length_count, sizeof *evaluate->lengths, by_length);
    int unique = 1;
    for (int i = 1; i < evaluate->length_count; i++)
        if (evaluate->lengths[i] != evaluate->lengths[unique - 1])
            evaluate->lengths[unique++] = evaluate->lengths[i];
    evaluate->length_count = unique;
}

static bool read_lengths(const OptionReader *reader, EvaluationConfig *evaluate, const Json *json,
                         int64_t train_length) {
    const Json *multiples = json_get(json, "multiples"), *lengths = json_get(json, "lengths");
    evaluate->lengths = NEW(reader->arena, json_count(multiples) + json_count(lengths) + 1, int64_t);
    evaluate->length_count = 0;
    if (!add_lengths(reader, evaluate, multiples, "evaluate.multiples", (double)train_length) ||
        !add_lengths(reader, evaluate, lengths, "evaluate.lengths", 1))
        return false;
    if (evaluate->length_count == 0) evaluate->lengths[evaluate->length_count++] = train_length;
    sort_lengths(evaluate);
    return true;
}

/* Checks the options of a protocol against the table; `path` is its path in the config. */
static bool check_protocol(const OptionReader *reader, const EvaluationConfigProtocol *protocol,
                           const Json *json, const char *path) {
    bool has_stride = takes[protocol->name].stride, has_targets = takes[protocol->name].targets;
    double stride = protocol->stride;
    const char *wanted = NULL, *key = "stride";
    const char *left_out =
        arena_format(reader->arena, "left out for %s", evaluate_protocol_names[protocol->name]);
    if (!has_stride && stride != 0)
        wanted = left_out;
    else if (has_stride && !(stride > 0 && (stride < 1 || stride == floor(stride))))
        wanted = "a share of the length in (0, 1) or a whole number of tokens";
    else if (has_targets != (protocol->targets > 0))
        key = "targets", wanted = has_targets ? "a whole number from 1" : left_out;
    else if (!takes[protocol->name].cache && protocol->cache)
        key = "cache", wanted = left_out;
    return !wanted || options_refuse(reader, json_get(json, key),
                                     arena_format(reader->arena, "%s.%s", path, key), wanted);
}

/* Reads a protocol: an object, or a name, which has no options. */
static bool read_protocol(const OptionReader *reader, EvaluationConfigProtocol *protocol, const Json *json,
                          const char *path) {
    Json *named = json_new_object(reader->arena);
    if (json_is_text(json)) json_set_text(named, "name", json_text(json, ""));
    const Json *object = json_is_text(json) ? named : json;
    OptionSection section = evaluation_config_protocol_section;
    section.path = path;
    options_default(protocol, protocol_fields, COUNT_OF(protocol_fields));
    if (!options_read(protocol, &section, object, reader->source, reader->arena, reader->err)) return false;
    if (!json_get(object, "name"))
        return options_refuse(reader, json, path, "a protocol's name or an object with a \"name\"");
    if (protocol->name == EVALUATE_EXACT)
        return error_set(reader->err, EXIT_USAGE,
                         "%s: '%s': \"exact\" is for tasks; give 'data.task' and 'evaluate.task'",
                         reader->source, path);
    if (!json_get(object, "stride")) protocol->stride = takes[protocol->name].standard_stride;
    return check_protocol(reader, protocol, object, path);
}

/* Reads "sizes"; the default is the largest size in training. */
static bool read_sizes(const OptionReader *reader, EvaluationConfig *evaluate, const Json *sizes,
                       const ExamplesOptions *task) {
    if (!options_check_list(reader, sizes, "evaluate.task.sizes", MAX_LENGTHS)) return false;
    evaluate->length_count = 0;
    evaluate->lengths = NEW(reader->arena, json_count(sizes) + 1, int64_t);
    for (int i = 0; i < json_count(sizes); i++) {
        double size = json_number(json_at(sizes, i), NAN);
        const char *path = arena_format(reader->arena, "evaluate.task.sizes[%d]", i);
        if (size != floor(size) || !(size >= 1 && size <= MAX_LENGTH))
            return options_refuse(reader, json_at(sizes, i), path, "a whole number from 1");
        if (!examples_check_size(task, (int64_t)size, reader->source, path, reader->err)) return false;
        evaluate->lengths[evaluate->length_count++] = (int64_t)size;
    }
    if (!sizes) evaluate->lengths[evaluate->length_count++] = task->high;
    sort_lengths(evaluate);
    return true;
}

/* The option "hint", whose choices are those of the task. */
static OptionField hint_field(const ExamplesOptions *task) {
    return (OptionField){"hint", OPTION_CHOICE, offsetof(TaskEvaluation, hint),
                         .choices = examples_hints(task)};
}

static bool read_task(const OptionReader *reader, EvaluationConfig *evaluate, const Json *json,
                      const ExamplesOptions *task) {
    static const char *const text[] = {"split", "tokens", "multiples", "lengths", "protocols"};
    static const OptionPart parts[] = {{.key = "sizes"}, {0}};
    const OptionField fields[] = {task_fields[0], hint_field(task)};
    const OptionSection rows_section = {"evaluate.task", NULL, fields, COUNT_OF(fields), parts};
    const Json *section = json_get(json, "task");
    TaskEvaluation rows;
    for (int i = 0; i < COUNT_OF(text); i++)
        if (json_get(json, text[i]))
            return error_set(reader->err, EXIT_USAGE,
                             "%s: 'evaluate.%s' is for text; a task is evaluated at 'evaluate.task.sizes'",
                             reader->source, text[i]);
    options_default(&rows, fields, COUNT_OF(fields));
    if (!options_read(evaluate, &evaluation_config_section, json, reader->source, reader->arena,
                      reader->err) ||
        !options_read(&rows, &rows_section, section, reader->source, reader->arena, reader->err) ||
        !read_sizes(reader, evaluate, json_get(section, "sizes"), task))
        return false;
    evaluate->split = SPLIT_TEST;
    evaluate->hint = rows.hint ? examples_hints(task)[rows.hint] : NULL;
    evaluate->tokens = rows.examples;
    evaluate->protocol_count = 1;
    evaluate->protocols = NEW(reader->arena, 1, EvaluationConfigProtocol);
    evaluate->protocols->name = EVALUATE_EXACT;
    return true;
}

bool evaluation_config_read(const OptionReader *reader, EvaluationConfig *evaluate, const Json *json,
                            int64_t train_length, const ExamplesOptions *task) {
    const Json *protocols = json_get(json, "protocols");
    options_default(evaluate, evaluate_fields, COUNT_OF(evaluate_fields));
    if (task) return read_task(reader, evaluate, json, task);
    if (json_get(json, "task"))
        return error_set(reader->err, EXIT_USAGE,
                         "%s: 'evaluate.task' needs 'data.task'; name the task there", reader->source);
    if (!options_read(evaluate, &evaluation_config_section, json, reader->source, reader->arena,
                      reader->err) ||
        !read_lengths(reader, evaluate, json, train_length) ||
        !options_check_list(reader, protocols, "evaluate.protocols", MAX_PROTOCOLS))
        return false;
    evaluate->split += SPLIT_VALID;
    evaluate->protocol_count = protocols ? json_count(protocols) : 1; /* all zero: nonoverlapping */
    evaluate->protocols = NEW(reader->arena, evaluate->protocol_count, EvaluationConfigProtocol);
    for (int i = 0; i < json_count(protocols); i++)
        if (!read_protocol(reader, &evaluate->protocols[i], json_at(protocols, i),
                           arena_format(reader->arena, "evaluate.protocols[%d]", i)))
            return false;
    return true;
}

/* --- writing --- */

/* The options of each variant, and its name. */
static Json *variants_json(const EvaluationConfig *evaluate, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < evaluate->variant_count; i++) {
        const EvaluateVariant *variant = evaluate->variants[i];
        Json *json = json_parse_own(variant->options, arena);
        json_set_text(json, "name", variant->name);
        json_append(list, json);
    }
    return list;
}

static Json *task_json(const EvaluationConfig *evaluate, const ExamplesOptions *options, Arena *arena) {
    Json *json = json_new_object(arena), *task = json_new_object(arena);
    const TaskEvaluation rows = {.examples = evaluate->tokens};
    json_set_text(json, "precision", precision_names[evaluate->precision]);
    json_set(task, "sizes", json_new_integers(evaluate->lengths, evaluate->length_count, arena));
    options_write(task, &rows, task_fields, COUNT_OF(task_fields));
    json_set_text(task, "hint", evaluate->hint ? evaluate->hint : examples_hints(options)[0]);
    json_set(json, "task", task);
    if (evaluate->variant_count) json_set(json, "variants", variants_json(evaluate, arena));
    return json;
}

Json *evaluation_config_json(const EvaluationConfig *evaluate, const ExamplesOptions *task, Arena *arena) {
    if (task) return task_json(evaluate, task, arena);
    Json *json = json_new_object(arena), *protocols = json_new_array(arena);
    EvaluationConfig offered = *evaluate;
    offered.split -= SPLIT_VALID;
    options_write(json, &offered, evaluate_fields, COUNT_OF(evaluate_fields));
    for (int i = 0; i < evaluate->protocol_count; i++) {
        Json *protocol = json_new_object(arena);
        bool cache = takes[evaluate->protocols[i].name].cache;
        options_write(protocol, &evaluate->protocols[i], protocol_fields, COUNT_OF(protocol_fields));
        if (!cache) json_remove(protocol, "cache");
        json_append(protocols, protocol);
    }
    json_set(json, "lengths", json_new_integers(evaluate->lengths, evaluate->length_count, arena));
    json_set(json, "protocols", protocols);
    if (evaluate->variant_count) json_set(json, "variants", variants_json(evaluate, arena));
    return json;
}

/* --- what it asks for --- */

bool evaluation_config_check_caches(const OptionReader *reader, const EvaluationConfig *evaluate,
                                    int64_t train_cache, const char *without) {
    const char *path = train_cache ? "train.cache" : NULL;
    for (int i = 0; i < evaluate->protocol_count && !path; i++)
        if (takes[evaluate->protocols[i].name].cache)
            path = arena_format(reader->arena, "evaluate.protocols[%d]", i);
    return !path || !without ||
           error_set(reader->err, EXIT_USAGE,
                     "%s: '%s' requires consecutive segments of text, which '%s' does not have; remove it",
                     reader->source, path, without);
}

int64_t evaluation_config_stride(const EvaluationConfigProtocol *protocol, int64_t length) {
    if (takes[protocol->name].cache) return protocol->cache ? length - protocol->cache : length / 2;
    if (!takes[protocol->name].stride) return length;
    int64_t stride =
        protocol->stride < 1 ? llround(protocol->stride * (double)length) : (int64_t)protocol->stride;
    int64_t most = takes[protocol->name].targets && protocol->targets < length ? protocol->targets : length;
    return stride < 1 ? 1 : stride < most ? stride : most;
}

/* The request for variant `number`; -1: as trained. */
static EvaluateRequest request_of(const EvaluationConfig *evaluate, const EvaluationConfigProtocol *protocol,
                                  int64_t length, int variant) {
    if (takes[protocol->name].cache) length += protocol->cache ? protocol->cache : length;
    EvaluateRequest request = {.split = evaluate->split,
                               .hint = evaluate->hint,
                               .tokens = evaluate->tokens,
                               .precision = evaluate->precision,
                               .protocol = protocol->name,
                               .length = length,
                               .stride = evaluation_config_stride(protocol, length),
                               .variant = variant < 0 ? NULL : evaluate->variants[variant]};
    if (takes[protocol->name].targets)
        request.tokens = protocol->targets;
    else if (request.stride == length && request.protocol != EVALUATE_EXACT)
        request.protocol = EVALUATE_NONOVERLAPPING;
    return request;
}

Json *evaluation_config_attention(const AttentionOptions *options, const AttentionOptions *trained,
                                  Arena *arena) {
    Json *json = options_json(options, attention_fields, attention_field_count, arena);
    const Json *set = options_changes(trained, attention_fields, attention_field_count, arena);
    for (int i = 0; i < attention_field_count; i++) {
        const OptionField *field = &attention_fields[i];
        if (json_get(set, field->key) && !json_get(json, field->key))
            json_set(json, field->key, options_default_json(field, arena));
    }
    return json;
}

EvaluateRequest *evaluation_config_requests(const EvaluationConfig *evaluate, int *count, Arena *arena) {
    size_t most = (size_t)evaluate->length_count * (size_t)evaluate->protocol_count;
    EvaluateRequest *requests = NEW(arena, most * (size_t)(evaluate->variant_count + 1), EvaluateRequest);
    *count = 0;
    for (int l = 0; l < evaluate->length_count; l++) {
        int first = *count; /* the first request of this length; different protocols can have equal strides */
        for (int v = -1; v < evaluate->variant_count; v++)
            for (int p = 0; p < evaluate->protocol_count; p++) {
                EvaluateRequest request =
                    request_of(evaluate, &evaluate->protocols[p], evaluate->lengths[l], v);
                int known = first;
                while (known < *count && !evaluate_same_request(&requests[known], &request)) known++;
                if (known == *count) requests[(*count)++] = request;
            }
    }
    return requests;
}
