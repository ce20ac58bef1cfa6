/* position: the registry, looked up by name. The list itself is generated from methods/ (see the Makefile).
 */
#include "position/encoding.h"
#include "position/rotary.h"

#include <string.h>

const char *const position_hook_names[] = {
#define HOOK(name) [POS_HOOK_##name] = #name,
    POSITION_HOOKS(HOOK)
#undef HOOK
};

unsigned position_hooks(const PositionMethod *method) {
    unsigned hooks = 0;
#define HOOK(name)                                                                                           \
    if (method->name) hooks |= 1U << POS_HOOK_##name;
    POSITION_HOOKS(HOOK)
#undef HOOK
    return hooks;
}

const PositionMethod *position_find(const char *name) {
    for (int i = 0; i < position_method_count; i++)
        if (strcmp(position_methods[i]->name, name) == 0) return position_methods[i];
    return NULL;
}

const PositionMethod *position_find_or_nearest(const char *name, const char **nearest) {
    *nearest = NULL;
    for (int i = 0; i < position_method_count; i++) {
        const char *candidate = position_methods[i]->name;
        *nearest =
            nearest_name(name, (const char *const[]){*nearest ? *nearest : candidate, candidate, NULL});
    }
    return position_find(name);
}

Json *position_json(const Position *position) {
    Json *json = json_new_object();
    json_set_text(json, "name", position->method->name);
    fields_write(json, position->options, position->method->fields, position->method->field_count);
    if (position->with) json_set(json, "with", position_json(position->with));
    return json;
}

bool position_default(Position *position, const PositionMethod *method, Arena *arena) {
    *position = (Position){.method = method};
    if (method->options_size) position->options = arena_alloc(arena, 1, method->options_size);
    fields_default(position->options, method->fields, method->field_count);
    if (!method->positions) return true;
    const PositionMethod *partner = position_find(method->partner);
    Position *with = NEW(arena, 1, Position);
    position->with = with;
    return partner && position_default(with, partner, arena);
}

static bool within_limit(const Position *position, const PositionShape *shape, double length) {
    const PositionMethod *method = position->method;
    return !method->limit || length <= method->limit(shape, position->options);
}

bool position_usable(const Position *position, const PositionShape *shape, int64_t length) {
    if (!within_limit(position, shape, (double)length)) return false;
    if (!position->with) return true;
    return within_limit(position->with, shape,
                        position->method->farthest(shape, position->options, (int)length) + 1);
}

size_t position_table_bytes(const Position *position, const PositionShape *shape, int length) {
    Arena *count = arena_new_counting();
    position_prepare(position->method, shape, position->options, length, NULL, count);
    size_t bytes = arena_peak(count);
    arena_free(count);
    return bytes;
}

bool position_draw(const Position *position, const PositionShape *shape, PositionPlace place,
                   double *positions, int length) {
    if (!position->method->positions) return false;
    Rng rng = rng_stream(place.seed, "positions", place.training ? "train" : "evaluate");
    rng = rng_substream(rng_substream(rng, (uint64_t)place.step), (uint64_t)place.sequence);
    position->method->positions(shape, position->options, length, place.training, &rng, positions);
    bool moved = false;
    for (int t = 0; t < length; t++) moved |= positions[t] != t;
    return moved;
}

int position_layout(const Position *position, const PositionShape *shape, PositionTensor tensors[]) {
    const PositionMethod *method = position->method;
    memset(tensors, 0, POS_MAX_TENSORS * sizeof *tensors);
    int count = method->layout ? method->layout(shape, position->options, tensors) : 0;
    if (count > POS_MAX_TENSORS)
        BUG("%s has %d tensors, at most %d are allowed", method->name, count, POS_MAX_TENSORS);
    return count;
}

size_t position_tensor_size(const PositionTensor *tensor) {
    return (size_t)tensor->dims[0] * (size_t)(tensor->rank == 2 ? tensor->dims[1] : 1);
}

bool position_per_layer(const Position *position, const PositionShape *shape) {
    PositionTensor tensors[POS_MAX_TENSORS];
    int count = position_layout(position, shape, tensors);
    bool any = false;
    for (int i = 0; i < count; i++) any |= tensors[i].per_layer;
    return any;
}

const PositionMethod *position_control(void) {
    for (int i = 0; i < position_method_count; i++)
        if (!position_hooks(position_methods[i])) return position_methods[i];
    return NULL;
}

bool position_check(const PositionMethod *method, const PositionShape *shape, const void *options, Err *err) {
    if (method->frequency && !position_check_rotated(method->name, shape, options, err)) return false;
    return !method->check || method->check(shape, options, err);
}

/* cosines[T,n/2], then sines[T,n/2] */
static void *prepare_rotation(const PositionMethod *method, const PositionContext *context,
                              const double *positions, Arena *arena) {
    int n = position_rotated(context->shape, context->options);
    float *table = NEW(arena, (size_t)context->length * n, float);
    for (int pair = 0; table && pair < n / 2; pair++) {
        double amplitude = 1, frequency = method->frequency(context, pair, &amplitude);
        position_fill_angles(table, pair, frequency, amplitude, positions, context->length, n);
    }
    return table;
}

void *position_prepare(const PositionMethod *method, const PositionShape *shape, const void *options,
                       int length, const double *positions, Arena *arena) {
    if (method->prepare) return method->prepare(shape, options, length, positions, arena);
    if (!method->frequency) return NULL;
    PositionContext context = {.shape = shape, .options = options, .length = length};
    return prepare_rotation(method, &context, positions, arena);
}
