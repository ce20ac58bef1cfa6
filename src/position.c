/* position: the registry, looked up by name. The list itself is generated from methods/ (see the Makefile).
 */
#include "position.h"

#include <stdlib.h>
#include <string.h>

/* A copied file that still has the other one's name would take its place unseen. Every program that knows
   methods asks before its main. */
__attribute__((constructor)) static void names_are_files(void) {
    for (int i = 0; i < position_method_count; i++) {
        const char *name = position_methods[i]->name, *file = position_files[i];
        if (name && strcmp(name, file) == 0) continue;
        fprintf(stderr,
                "poslab: methods/%s.c: the method's name must be the file's, got '%s'; write .name = \"%s\" "
                "(or rename the file) and build again\n",
                file, name ? name : "", file);
        exit(EXIT_USAGE);
    }
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
    if (!position->method->prepare) return 0;
    Arena *count = arena_new_counting();
    position->method->prepare(shape, position->options, length, NULL, count);
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
    for (int i = 0; i < position_method_count; i++) {
        const PositionMethod *method = position_methods[i];
        bool acts = method->embed || method->input || method->transform || method->distance_bias ||
                    method->pair_bias || method->vectors || method->gate || method->scores ||
                    method->positions;
        if (!acts) return method;
    }
    return NULL;
}
