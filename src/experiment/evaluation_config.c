/* evaluation_config: reads lists and protocols; a table says which options each protocol has. */
#include "experiment/evaluation_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/linear.h"

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
     "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,\"items\":{\"type\":\"integer\",\"minimum\":1}}"},
    {"hint", "name of a hint", NULL,
     "evaluate rows of this hint, not of the task itself; training need not have had them",
     "{\"type\":\"string\"}"},
    {0},
};
const OptionSection evaluation_config_task_section = {
    "evaluate.task", "With data.task, instead of split, tokens, lengths, multiples and protocols",
    task_fields, COUNT_OF(task_fields), task_parts};

enum { MAX_LENGTH = 1 << 24, MAX_LENGTHS = 1000, MAX_PROTOCOLS = 100 };

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
     "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,\"items\":{\"type\":\"number\","
     "\"exclusiveMinimum\":0}}"},
    {"lengths", "list of whole numbers", "the training length",
     "evaluation lengths in tokens; both lists may be given",
     "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1000,"
     "\"items\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":16777216}}"},
    {"protocols", "list of protocols", "nonoverlapping",
     "how windows are placed: names, or objects with options",
     "{\"type\":\"array\",\"minItems\":1,\"maxItems\":100,\"items\":{\"anyOf\":["
     "{\"$ref\":\"#/$defs/evaluate.protocols/properties/name\"},{\"$ref\":\"#/$defs/"
     "evaluate.protocols\"}]}}"},
    {.key = "task"},
    {"variants", "list of variants", NULL,
     "changes after training; runs are evaluated as trained, and with each of them",
     "{\"type\":\"array\",\"minItems\":1,\"maxItems\":100,\"items\":{\"$ref\":\"#/$defs/"
     "evaluate.variants\"}}"},
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
};
const OptionSection evaluation_config_protocol_section = {
    "evaluate.protocols[]", "A protocol as an object; a name alone has no options", protocol_fields,
    COUNT_OF(protocol_fields), NULL};

static const struct {
    bool stride, targets;   /* the options that the protocol has; targets are required */
    double standard_stride; /* default of the stride; 0: it is required */
} takes[] = {
    [EVALUATE_NONOVERLAPPING] = {0},
    [EVALUATE_STRIDED] = {.stride = true},
    [EVALUATE_EXACT] = {0},
    [EVALUATE_LAST_N] = {.stride = true, .targets = true, .standard_stride = 0.125},
};

/* --- reading --- */

static int by_length(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Adds the lengths of a list: its numbers times `unit`, rounded. */
static bool add_lengths(EvaluationConfig *evaluate, const Json *list, const char *path, double unit,
                        const char *source, Error *err) {
    if (!json_check_list(list, source, path, MAX_LENGTHS, err)) return false;
    for (int i = 0; i < json_count(list); i++) {
        const Json *item = json_at(list, i);
        double number = json_number(item, NAN), length = round(number * unit);
        char where[64];
        snprintf(where, sizeof where, "%s[%d]", path, i);
        if (!(length >= 1 && length <= MAX_LENGTH) || (unit == 1 && length != number))
            return json_value_error(item, source, where,
                                    unit == 1
                                        ? "a whole number in [1, 16777216]"
                                        : "a number that takes 'train.length' to a length in [1, 16777216]",
                                    err);
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

static bool read_lengths(EvaluationConfig *evaluate, const Json *json, int64_t train_length,
                         const char *source, Arena *arena, Error *err) {
    const Json *multiples = json_get(json, "multiples"), *lengths = json_get(json, "lengths");
    evaluate->lengths = NEW(arena, json_count(multiples) + json_count(lengths) + 1, int64_t);
    evaluate->length_count = 0;
    if (!add_lengths(evaluate, multiples, "evaluate.multiples", (double)train_length, source, err) ||
        !add_lengths(evaluate, lengths, "evaluate.lengths", 1, source, err))
        return false;
    if (evaluate->length_count == 0) evaluate->lengths[evaluate->length_count++] = train_length;
    sort_lengths(evaluate);
    return true;
}

/* Checks the options of a protocol against the table; `path` is its path in the config. */
static bool check_protocol(const EvaluationConfigProtocol *protocol, const Json *json, const char *source,
                           const char *path, Error *err) {
    const Json *stride_json = json_get(json, "stride"), *targets_json = json_get(json, "targets");
    double stride = protocol->stride;
    char where[80], wanted[80];
    snprintf(wanted, sizeof wanted, "left out for %s", evaluate_protocol_names[protocol->name]);
    snprintf(where, sizeof where, "%s.stride", path);
    if (!takes[protocol->name].stride && stride != 0)
        return json_value_error(stride_json, source, where, wanted, err);
    if (takes[protocol->name].stride && !(stride > 0 && (stride < 1 || stride == floor(stride))))
        return json_value_error(stride_json, source, where,
                                "a share of the length in (0, 1) or a whole number of tokens", err);
    snprintf(where, sizeof where, "%s.targets", path);
    if (!takes[protocol->name].targets && protocol->targets != 0)
        return json_value_error(targets_json, source, where, wanted, err);
    return !takes[protocol->name].targets || protocol->targets > 0 ||
           json_value_error(targets_json, source, where, "a whole number from 1", err);
}

/* Reads a protocol: an object, or a name, which has no options. */
static bool read_protocol(EvaluationConfigProtocol *protocol, const Json *json, const char *source,
                          const char *path, Arena *arena, Error *err) {
    Json *named = json_new_object(arena);
    if (json_is_text(json)) json_set_text(named, "name", json_text(json, ""));
    const Json *object = json_is_text(json) ? named : json;
    options_default(protocol, protocol_fields, COUNT_OF(protocol_fields));
    bool fine = options_read(protocol, protocol_fields, COUNT_OF(protocol_fields), object, NULL, source, path,
                             arena, err) &&
                (json_get(object, "name") ||
                 json_value_error(json, source, path, "a protocol's name or an object with a \"name\"", err));
    if (fine && protocol->name == EVALUATE_EXACT)
        return error_set(err, EXIT_USAGE,
                         "%s: '%s': \"exact\" is for tasks; give 'data.task' and 'evaluate.task'", source,
                         path);
    if (fine && !json_get(object, "stride")) protocol->stride = takes[protocol->name].standard_stride;
    return fine && check_protocol(protocol, object, source, path, err);
}

/* Reads "sizes"; the default is the largest size in training. */
static bool read_sizes(EvaluationConfig *evaluate, const Json *json, const ExamplesOptions *task,
                       const char *source, Arena *arena, Error *err) {
    const Json *sizes = json_get(json, "sizes");
    if (!json_check_list(sizes, source, "evaluate.task.sizes", MAX_LENGTHS, err)) return false;
    evaluate->length_count = 0;
    evaluate->lengths = NEW(arena, json_count(sizes) + 1, int64_t);
    for (int i = 0; i < json_count(sizes); i++) {
        double size = json_number(json_at(sizes, i), NAN);
        const char *path = arena_format(arena, "evaluate.task.sizes[%d]", i);
        if (size != floor(size) || !(size >= 1 && size <= MAX_LENGTH))
            return json_value_error(json_at(sizes, i), source, path, "a whole number from 1", err);
        if (!examples_check_size(task, (int64_t)size, source, path, err)) return false;
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

static bool read_task(EvaluationConfig *evaluate, const Json *json, const ExamplesOptions *task,
                      const char *source, Arena *arena, Error *err) {
    static const char *const text[] = {"split", "tokens", "multiples", "lengths", "protocols"};
    static const OptionPart parts[] = {{.key = "sizes"}, {0}};
    const OptionField fields[] = {task_fields[0], hint_field(task)};
    TaskEvaluation rows;
    for (int i = 0; i < COUNT_OF(text); i++)
        if (json_get(json, text[i]))
            return error_set(err, EXIT_USAGE,
                             "%s: 'evaluate.%s' is for text; a task is evaluated at 'evaluate.task.sizes'",
                             source, text[i]);
    options_default(&rows, fields, COUNT_OF(fields));
    if (!options_read(evaluate, evaluate_fields, COUNT_OF(evaluate_fields), json, evaluate_parts, source,
                      "evaluate", arena, err) ||
        !options_read(&rows, fields, COUNT_OF(fields), json_get(json, "task"), parts, source, "evaluate.task",
                      arena, err) ||
        !read_sizes(evaluate, json_get(json, "task"), task, source, arena, err))
        return false;
    evaluate->split = SPLIT_TEST;
    evaluate->hint = rows.hint ? examples_hints(task)[rows.hint] : NULL;
    evaluate->tokens = rows.examples;
    evaluate->protocol_count = 1;
    evaluate->protocols = NEW(arena, 1, EvaluationConfigProtocol);
    evaluate->protocols->name = EVALUATE_EXACT;
    return true;
}

bool evaluation_config_read(EvaluationConfig *evaluate, const Json *json, int64_t train_length,
                            const ExamplesOptions *task, const char *source, Arena *arena, Error *err) {
    const Json *protocols = json_get(json, "protocols");
    options_default(evaluate, evaluate_fields, COUNT_OF(evaluate_fields));
    if (task) return read_task(evaluate, json, task, source, arena, err);
    if (json_get(json, "task"))
        return error_set(err, EXIT_USAGE, "%s: 'evaluate.task' needs 'data.task'; name the task there",
                         source);
    if (!options_read(evaluate, evaluate_fields, COUNT_OF(evaluate_fields), json, evaluate_parts, source,
                      "evaluate", arena, err) ||
        !read_lengths(evaluate, json, train_length, source, arena, err) ||
        !json_check_list(protocols, source, "evaluate.protocols", MAX_PROTOCOLS, err))
        return false;
    evaluate->split += SPLIT_VALID;
    evaluate->protocol_count = protocols ? json_count(protocols) : 1; /* all zero: nonoverlapping */
    evaluate->protocols = NEW(arena, evaluate->protocol_count, EvaluationConfigProtocol);
    for (int i = 0; i < json_count(protocols); i++) {
        char path[64];
        snprintf(path, sizeof path, "evaluate.protocols[%d]", i);
        if (!read_protocol(&evaluate->protocols[i], json_at(protocols, i), source, path, arena, err))
            return false;
    }
    return true;
}

/* --- writing --- */

/* The options of each variant, and its name. */
static Json *variants_json(const EvaluationConfig *evaluate, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < evaluate->variant_count; i++) {
        const EvaluateVariant *variant = evaluate->variants[i];
        Error err;
        Json *json = json_parse(variant->options, strlen(variant->options), "variant", arena, &err);
        if (!json) BUG("%s", err.text);
        json_set_text(json, "name", variant->name);
        json_append(list, json);
    }
    return list;
}

static Json *task_json(const EvaluationConfig *evaluate, const ExamplesOptions *options, Arena *arena) {
    Json *json = json_new_object(arena), *task = json_new_object(arena), *sizes = json_new_array(arena);
    const TaskEvaluation rows = {.examples = evaluate->tokens};
    for (int i = 0; i < evaluate->length_count; i++)
        json_append(sizes, json_new_number((double)evaluate->lengths[i], arena));
    json_set_text(json, "precision", precision_names[evaluate->precision]);
    json_set(task, "sizes", sizes);
    options_write(task, &rows, task_fields, COUNT_OF(task_fields));
    json_set_text(task, "hint", evaluate->hint ? evaluate->hint : examples_hints(options)[0]);
    json_set(json, "task", task);
    if (evaluate->variant_count) json_set(json, "variants", variants_json(evaluate, arena));
    return json;
}

Json *evaluation_config_json(const EvaluationConfig *evaluate, const ExamplesOptions *task, Arena *arena) {
    if (task) return task_json(evaluate, task, arena);
    Json *json = json_new_object(arena), *lengths = json_new_array(arena), *protocols = json_new_array(arena);
    EvaluationConfig offered = *evaluate;
    offered.split -= SPLIT_VALID;
    options_write(json, &offered, evaluate_fields, COUNT_OF(evaluate_fields));
    for (int i = 0; i < evaluate->length_count; i++)
        json_append(lengths, json_new_number((double)evaluate->lengths[i], arena));
    for (int i = 0; i < evaluate->protocol_count; i++) {
        Json *protocol = json_new_object(arena);
        options_write(protocol, &evaluate->protocols[i], protocol_fields, COUNT_OF(protocol_fields));
        json_append(protocols, protocol);
    }
    json_set(json, "lengths", lengths);
    json_set(json, "protocols", protocols);
    if (evaluate->variant_count) json_set(json, "variants", variants_json(evaluate, arena));
    return json;
}

/* --- what it asks for --- */

int64_t evaluation_config_stride(const EvaluationConfigProtocol *protocol, int64_t length) {
    if (!takes[protocol->name].stride) return length;
    int64_t stride =
        protocol->stride < 1 ? llround(protocol->stride * (double)length) : (int64_t)protocol->stride;
    int64_t most = takes[protocol->name].targets && protocol->targets < length ? protocol->targets : length;
    return stride < 1 ? 1 : stride < most ? stride : most;
}

/* The request for variant `number`; -1: as trained. */
static EvaluateRequest request_of(const EvaluationConfig *evaluate, const EvaluationConfigProtocol *protocol,
                                  int64_t length, int variant) {
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
