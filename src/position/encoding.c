#include "position/encoding.h"
#include "position/rotary.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

const char *const encoding_hook_names[] = {
#define HOOK(name) [ENCODING_HOOK_##name] = #name,
    ENCODING_HOOKS(HOOK)
#undef HOOK
};

unsigned encoding_hooks(const PositionMethod *method) {
    unsigned hooks = 0;
#define HOOK(name)                                                                                           \
    if (method->name) hooks |= 1U << ENCODING_HOOK_##name;
    ENCODING_HOOKS(HOOK)
#undef HOOK
    return hooks;
}

const PositionMethod *encoding_find(const char *name) {
    for (int i = 0; i < encoding_method_count; i++)
        if (strcmp(encoding_methods[i]->name, name) == 0) return encoding_methods[i];
    return NULL;
}

const char *const *encoding_names(Arena *arena) {
    const char **names = NEW(arena, encoding_method_count + 1, const char *);
    for (int i = 0; i < encoding_method_count; i++) names[i] = encoding_methods[i]->name;
    return names;
}

const PositionMethod *encoding_find_or_nearest(const char *name, const char **nearest) {
    const PositionMethod *found = encoding_find(name);
    *nearest = NULL;
    if (found) return found;
    Arena *scratch = arena_new(0);
    *nearest = text_nearest(name, encoding_names(scratch));
    arena_free(scratch);
    for (int i = encoding_method_count - 1; i >= 0; i--)
        if (text_has(encoding_methods[i]->also, ' ', name)) *nearest = encoding_methods[i]->name;
    return NULL;
}

const PositionMethod *encoding_require(const char *name, Error *err) {
    const char *nearest = NULL;
    const PositionMethod *method = encoding_find_or_nearest(name, &nearest);
    if (!method) error_unknown(err, nearest, "`poslab methods` lists them", "there is no method '%s'", name);
    return method;
}

Json *encoding_json(const Encoding *position, Arena *arena) {
    Json *json = json_new_object(arena);
    json_set_text(json, "name", position->method->name);
    options_write(json, position->options, position->method->fields, position->method->field_count);
    if (position->partner) json_set(json, "with", encoding_json(position->partner, arena));
    return json;
}

bool encoding_read(Encoding *position, const PositionMethod *method, const Json *json,
                   const OptionPart *parts, const char *source, const char *path, Arena *arena, Error *err) {
    const OptionSection section = {path, NULL, method->fields, method->field_count, parts};
    *position = (Encoding){.method = method};
    if (method->options_size) position->options = arena_alloc(arena, 1, method->options_size);
    options_default(position->options, method->fields, method->field_count);
    return options_read(position->options, &section, json, source, arena, err);
}

bool encoding_default(Encoding *position, const PositionMethod *method, Arena *arena) {
    encoding_read(position, method, NULL, NULL, "", "", arena, NULL);
    if (!method->positions) return true;
    const PositionMethod *partner = encoding_find(method->partner);
    Encoding *with = NEW(arena, 1, Encoding);
    position->partner = with;
    return partner && encoding_default(with, partner, arena);
}

const char *encoding_changed_options(const Encoding *position, const char *separator, Arena *arena) {
    const PositionMethod *method = position->method;
    Arena *scratch = arena_new(0);
    const Json *changes = options_changes(position->options, method->fields, method->field_count, scratch);
    const char *list = "";
    for (const Json *value = json_first(changes); value; value = json_next(value))
        list = arena_format(arena, "%s%s%s=%s", list, *list ? separator : "", json_name(value),
                            json_print_bare(value, scratch));
    arena_free(scratch);
    return list;
}

static const char *file_of(const PositionMethod *method, Arena *arena) {
    int i = 0;
    while (encoding_methods[i] != method) i++;
    return arena_format(arena, "%s:%s", method->name, encoding_method_hashes[i]);
}

const char *encoding_files(const Encoding *position, Arena *arena) {
    const char *own = file_of(position->method, arena);
    if (!position->partner) return own;
    return arena_format(arena, "%s %s", own, encoding_files(position->partner, arena));
}

bool encoding_files_edited(const char *files) {
    for (; files && *files; files += strspn(files, " ")) {
        size_t size = strcspn(files, " "), name = strcspn(files, ": ");
        for (int i = 0; i < encoding_method_count; i++) {
            const char *known = encoding_methods[i]->name, *hash = encoding_method_hashes[i];
            if (strlen(known) == name && !strncmp(known, files, name) &&
                (size != name + 1 + strlen(hash) || strncmp(files + name + 1, hash, strlen(hash))))
                return true;
        }
        files += size;
    }
    return false;
}

static bool within_limit(const Encoding *position, const PositionShape *shape, double length) {
    const PositionMethod *method = position->method;
    return !method->limit || length <= method->limit(shape, position->options);
}

bool encoding_usable(const Encoding *position, const PositionShape *shape, int64_t length) {
    if (!within_limit(position, shape, (double)length)) return false;
    if (!position->partner) return true;
    return within_limit(position->partner, shape,
                        position->method->farthest(shape, position->options, (int)length) + 1);
}

size_t encoding_table_bytes(const Encoding *position, const PositionShape *shape, int length) {
    Arena *count = arena_new_counting();
    encoding_prepare(position->method, shape, position->options, length, NULL, count);
    return arena_counted(count);
}

bool encoding_draw(const Encoding *position, const PositionShape *shape, EncodingDraw draw, double *positions,
                   int length) {
    if (!position->method->positions) return false;
    Random rng = random_stream(draw.seed, "positions", draw.training ? "train" : "evaluate");
    rng = random_substream(random_substream(rng, (uint64_t)draw.step), (uint64_t)draw.sequence);
    position->method->positions(shape, position->options, length, draw.training, &rng, positions);
    bool moved = false;
    for (int t = 0; t < length; t++) moved |= positions[t] != t;
    return moved;
}

int encoding_layout(const Encoding *position, const PositionShape *shape, PositionTensor tensors[]) {
    const PositionMethod *method = position->method;
    memset(tensors, 0, POS_MAX_TENSORS * sizeof *tensors);
    int count = method->layout ? method->layout(shape, position->options, tensors) : 0;
    if (count > POS_MAX_TENSORS)
        BUG("%s has %d tensors, at most %d are allowed", method->name, count, POS_MAX_TENSORS);
    return count;
}

bool encoding_per_layer(const Encoding *position, const PositionShape *shape) {
    PositionTensor tensors[POS_MAX_TENSORS];
    int count = encoding_layout(position, shape, tensors);
    bool any = position->method->by_layer;
    for (int i = 0; i < count; i++) any |= tensors[i].per_layer;
    return any;
}

const PositionMethod *encoding_control(void) {
    for (int i = 0; i < encoding_method_count; i++)
        if (!encoding_hooks(encoding_methods[i])) return encoding_methods[i];
    return NULL;
}

/* Its tables are those of position/rotary. */
static bool rotates(const PositionMethod *method) {
    return method->frequency || method->rotation;
}

bool encoding_check(const PositionMethod *method, const PositionShape *shape, const void *options,
                    Error *err) {
    Error wrong;
    if ((!rotates(method) || rotary_check(shape, options, &wrong)) &&
        (!method->check || method->check(shape, options, &wrong)))
        return true;
    return error_set(err, wrong.code, "%s %s", method->name, wrong.text);
}

void *encoding_prepare(const PositionMethod *method, const PositionShape *shape, const void *options,
                       int length, const double *positions, Arena *arena) {
    if (method->prepare) return method->prepare(shape, options, length, positions, arena);
    if (!rotates(method)) return NULL;
    PositionContext context = {.shape = shape, .options = options, .length = length};
    return rotary_prepare(method, &context, positions, arena);
}

const char *encoding_options_text(const Encoding *position, Arena *arena) {
    Arena *scratch = arena_new(0);
    Json *json = encoding_json(position, scratch);
    json_remove(json, "name");
    const char *text = json_print(json, arena);
    arena_free(scratch);
    return text;
}
