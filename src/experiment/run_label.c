/* run_label: configs are compared as JSON, path by path, so that every option can be a setting. */
#include "experiment/run_label.h"

#include <string.h>

#include "base/text.h"
#include "position/encoding.h"

/* Options that have columns of their own or do not affect training; they are not settings. */
static const char *const own_columns[] = {"name", "method", "evaluate", "train.length", "train.seed", NULL};

/* Sections that are one setting. */
static const char *const whole_sections[] = {"train.growth", NULL};

/* Options that may be tuned for each method: settings only if points of the same method differ in them. */
static const char *const tuning[] = {"train.optimizer", "train.schedule", NULL};

static bool same_value(const Json *a, const Json *b, Arena *arena) {
    if (!a || !b) return a == b;
    ArenaMark mark = arena_mark(arena);
    bool same = strcmp(json_print(a, arena), json_print(b, arena)) == 0;
    arena_release(arena, mark);
    return same;
}

/* The label of a method without its partner. */
static const char *label_alone(const Encoding *position, Arena *arena) {
    const char *label = position->method->label, *list = encoding_changed_options(position, ", ", arena);
    return *list ? arena_format(arena, "%s (%s)", label, list) : label;
}

const char *run_label_method(const Encoding *position, Arena *arena) {
    const char *label = label_alone(position, arena);
    return position->partner ? arena_format(arena, "%s + %s", label_alone(position->partner, arena), label)
                             : label;
}

static bool same_at(const Json *a, const Json *b, const char *path, Arena *arena) {
    return same_value(json_at_path(a, path), json_at_path(b, path), arena);
}

typedef struct Paths {
    const char **items;
    int count;
} Paths;

static void paths_add(Paths *paths, const char *path, Arena *arena) {
    if (!text_among(path, paths->items, paths->count)) *ARENA_PUSH(arena, paths->items, paths->count) = path;
}

/* Adds the paths of all leaves of `node`, which is at `path` of its tree, that differ in the tree
   `other`. */
static void add_differences(Paths *paths, const Json *node, const char *path, const Json *other,
                            bool same_method, Arena *arena) {
    if (text_index(path, own_columns) >= 0 || (!same_method && text_index(path, tuning) >= 0)) return;
    if (!json_is_object(node) || text_index(path, whole_sections) >= 0) {
        if (!same_value(node, json_at_path(other, path), arena)) paths_add(paths, path, arena);
        return;
    }
    for (const Json *each = json_first(node); each; each = json_next(each)) {
        const char *below = arena_format(arena, "%s%s%s", path, *path ? "." : "", json_name(each));
        add_differences(paths, each, below, other, same_method, arena);
    }
}

static void add_both_ways(Paths *paths, const Json *a, const Json *b, bool same_method, Arena *arena) {
    add_differences(paths, a, "", b, same_method, arena);
    add_differences(paths, b, "", a, same_method, arena);
}

static const char *from_text(const Json *values, Arena *arena) {
    const char *text = "";
    for (const Json *each = json_first(values); each; each = json_next(each)) {
        const char *path = json_name(each), *value = json_print_bare(each, arena);
        bool method = !strcmp(path, "method");
        if (method && json_count(each) == 1) value = json_print_bare(json_get(each, "name"), arena);
        text = arena_format(arena, "%s%s%s%s%s", text, *text ? "," : "", method ? "" : path,
                            method ? "" : ":", value);
    }
    return text;
}

static Json *parse_resolved(const PlanPoint *point, Arena *arena) {
    Json *json = json_parse_own(point->config->resolved, arena);
    const TrainOptions *train = &point->config->train;
    if (train->from_point) /* the key of a parent differs between seeds */
        json_set_text(json_get_mutable(json, "train"), "from",
                      from_text(train_from_point(train, arena), arena));
    return json;
}

const char *run_label_value(const Json *value, Arena *arena) {
    const Json *item = json_is_array(value) ? json_first(value) : value;
    if (!json_is_object(item)) return json_print_bare(value, arena);
    const char *text = "";
    for (; item; item = value == item ? NULL : json_next(item))
        for (const Json *each = json_first(item); each; each = json_next(each))
            text = arena_format(arena, "%s%s%s", text,
                                each != json_first(item) ? ":"
                                : *text                  ? ","
                                                         : "",
                                json_print_bare(each, arena));
    return text;
}

const char *run_label_setting_path(const char *path) {
    for (int i = 0; whole_sections[i]; i++) {
        size_t size = strlen(whole_sections[i]);
        if (!strncmp(path, whole_sections[i], size) && path[size] == '.') return whole_sections[i];
    }
    return path;
}

const char **run_label_compare(const Json *const *configs, int count, Arena *arena) {
    const char **settings = NEW(arena, count, const char *);
    Paths paths = {0};
    for (int i = 0; i < count; i++) {
        /* the first config of the same training length, and the first that also has the same method */
        int length = 0, alike = 0;
        while (!same_at(configs[length], configs[i], "train.length", arena)) length++;
        while (!same_at(configs[alike], configs[i], "train.length", arena) ||
               !same_at(configs[alike], configs[i], "method", arena))
            alike++;
        add_both_ways(&paths, configs[i], configs[alike], true, arena);
        add_both_ways(&paths, configs[i], configs[length], false, arena);
    }
    for (int i = 0; i < count; i++) {
        settings[i] = "";
        for (int k = 0; k < paths.count; k++) {
            const Json *value = json_at_path(configs[i], paths.items[k]);
            settings[i] = arena_format(arena, "%s%s%s=%s", settings[i], k ? " " : "", paths.items[k],
                                       value ? run_label_value(value, arena) : "absent");
        }
    }
    return settings;
}

const char **run_label_differing(const Json *const *configs, int count, int *path_count, Arena *arena) {
    Paths paths = {0};
    for (int i = 1; i < count; i++) add_both_ways(&paths, configs[0], configs[i], true, arena);
    *path_count = paths.count;
    return paths.items;
}

const char **run_label_settings(const Plan *plan, Arena *arena) {
    Arena *scratch = arena_new(0);
    const Json **configs = NEW(scratch, plan->count, const Json *);
    for (int i = 0; i < plan->count; i++) configs[i] = parse_resolved(&plan->points[i], scratch);
    const char **settings = run_label_compare(configs, plan->count, arena);
    arena_free(scratch);
    return settings;
}

/* --- reading settings --- */

/* The length of the path at the start of `text`, if "=" follows it; else 0. */
static size_t path_length(const char *text) {
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    return text[length] == '=' ? length : 0;
}

/* The last `count` components of a path, in which the name of an object stands for the object: "hint" of
   "data.task.hint.name". */
static const char *path_end(const char *path, int count, Arena *arena) {
    static const char name[] = ".name";
    size_t size = strlen(path), end = strlen(name);
    if (size > end && !strcmp(path + size - end, name)) size -= end;
    size_t from = size;
    while (from > 0 && (path[from - 1] != '.' || --count > 0)) from--;
    return arena_format(arena, "%.*s", (int)(size - from), path + from);
}

const char *run_label_short_path(const char *path, Arena *arena) {
    return path_end(path, 1, arena);
}

/* Names are lengthened until they differ. */
static void choose_names(RunLabelSetting *settings, int count, Arena *arena) {
    bool *same = NEW(arena, count, bool), again = true;
    for (int i = 0; i < count; i++) settings[i].name = path_end(settings[i].path, 1, arena);
    for (int components = 2; again; components++) {
        again = false;
        for (int i = 0; i < count; i++) {
            same[i] = false;
            for (int k = 0; k < count; k++)
                same[i] |= strcmp(settings[i].path, settings[k].path) != 0 &&
                           strcmp(settings[i].name, settings[k].name) == 0;
        }
        for (int i = 0; i < count; i++) {
            const char *name = same[i] ? path_end(settings[i].path, components, arena) : settings[i].name;
            again |= strcmp(name, settings[i].name) != 0;
            settings[i].name = name;
        }
    }
}

RunLabelSetting *run_label_read(const char *text, int *count, Arena *arena) {
    RunLabelSetting *settings = NULL;
    *count = 0;
    while (*text) {
        size_t length = path_length(text);
        const char *value = text + (length ? length + 1 : 0), *end = value;
        while (*end && !(*end == ' ' && path_length(end + 1))) end++;
        *ARENA_PUSH(arena, settings, *count) =
            (RunLabelSetting){.path = arena_format(arena, "%.*s", (int)length, text),
                              .value = arena_format(arena, "%.*s", (int)(end - value), value)};
        text = *end ? end + 1 : end;
    }
    choose_names(settings, *count, arena);
    return settings;
}

const char *run_label_name(const char *label, const char *text, Arena *arena) {
    int count;
    const RunLabelSetting *settings = run_label_read(text, &count, arena);
    for (int i = 0; i < count; i++)
        label = arena_format(arena, "%s %s%s%s", label, settings[i].name, *settings[i].name ? "=" : "",
                             settings[i].value);
    return label;
}

/* The method whose label `text` begins with, before its options or the end; NULL: there is none. */
static const PositionMethod *labelled(const char *text) {
    for (int i = 0; i < encoding_method_count; i++) {
        size_t size = strlen(encoding_methods[i]->label);
        const char *end = text + size;
        if (!strncmp(text, encoding_methods[i]->label, size) &&
            (!*end || !strncmp(end, " (", 2) || !strncmp(end, " + ", 3)))
            return encoding_methods[i];
    }
    return NULL;
}

const char *run_label_plain_name(const char *label, const char *text, Arena *arena) {
    const char *name = "";
    while (*label) {
        const PositionMethod *method = labelled(label);
        const char *rest = label + (method ? strlen(method->label) : 0), *next = strstr(rest, " + ");
        size_t size = next ? (size_t)(next - rest) + 3 : strlen(rest);
        name = arena_format(arena, "%s%s%.*s", name, method ? method->name : "", (int)size, rest);
        label = rest + size;
    }
    return run_label_name(name, text, arena);
}

/* --- strides --- */

const char *run_label_stride_rule(const EvaluateRequest *request, const EvaluationConfigProtocol *protocol,
                                  Arena *arena) {
    if (request->protocol != protocol->name) return NULL;
    if (protocol->name == EVALUATE_NONOVERLAPPING || protocol->name == EVALUATE_EXACT) return "L";
    double rule = protocol->stride;
    if (evaluate_uses_cache(request) &&
        evaluation_config_stride(protocol, request->length) == request->stride)
        return protocol->cache ? arena_format(arena, "L - %lld", (long long)protocol->cache) : "0.5 L";
    if (evaluation_config_stride(protocol, request->length) != request->stride) return NULL;
    if (protocol->targets && protocol->targets != request->tokens) return NULL;
    return rule < 1 ? arena_format(arena, "%g L", rule) : arena_format(arena, "%g", rule);
}
