/* probe: arrays of hooks are surrounded by canaries, which are checked after each call. */
#include "probe.h"

#include <string.h>
#include "position/encoding.h"

const char *const probe_hooks[PARTS] = {"embed", "input", "transform of q", "transform of k",
                                        "distance_bias"};

enum { GUARD = 16, GAP = 3 }; /* floats around each array; floats between the rows of q and k */

static const uint32_t canary = 0xfeedface; /* as a float: -9.2e37 */

static void guard(float *at, size_t count) {
    for (size_t i = 0; i < count; i++) memcpy(at + i, &canary, sizeof canary);
}

static bool guarded(const float *at, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (memcmp(at + i, &canary, sizeof canary) != 0) return false;
    return true;
}

float *guarded_new(Arena *arena, size_t count) {
    float *at = NEW(arena, count + (size_t)2 * GUARD, float);
    guard(at, GUARD);
    guard(at + GUARD + count, GUARD);
    return at + GUARD;
}

bool guarded_intact(const float *at, size_t count) {
    return guarded(at - GUARD, GUARD) && guarded(at + count, GUARD);
}

/* The tables, and the block of memory that prepare() allocated for them (empty if it spans chunks of the
   arena). The bytes after it are filled so that reading them is noticed. */
static void prepare(Probe *p, Arena *arena) {
    p->tables = (const unsigned char *)arena_alloc(arena, 1, 64) + 64;
    size_t used = arena_used(arena);
    p->context.tables =
        encoding_prepare(p->method, &p->shape, p->options, p->context.length, p->positions, arena);
    p->table_bytes = arena_used(arena) - used;
    unsigned char *behind = memset(arena_alloc(arena, 1, 64), 0x7e, 64);
    if (behind != p->tables + p->table_bytes) p->table_bytes = 0;
}

Probe probe_new(const LawCase *c, int length, Arena *arena) {
    double *positions = NEW(arena, length, double);
    PositionShape shape = law_shape(c);
    EncodingDraw place = {.seed = c->seed, .training = true, .step = 3};
    bool moved = encoding_draw(&c->position, &shape, place, positions, length);
    return probe_new_at(c, length, moved ? positions : NULL, arena);
}

Probe probe_new_at(const LawCase *c, int length, const double *positions, Arena *arena) {
    const Encoding *acting = encoding_acting(&c->position);
    Probe p = {.method = acting->method, .options = acting->options, .positions = positions};
    p.shape = law_shape(c);
    p.context = (PositionContext){.options = p.options, .length = length, .layer = -1};
    if (p.method->layout) p.count = p.method->layout(&p.shape, p.options, p.tensors);
    for (int i = 0; i < p.count; i++) {
        char name[80];
        snprintf(name, sizeof name, "position.%s", p.tensors[i].name);
        Random rng = random_stream(c->seed, "init", name);
        p.sizes[i] = law_tensor_size(&p.tensors[i]);
        p.value[i] = guarded_new(arena, p.sizes[i]), p.grad[i] = guarded_new(arena, p.sizes[i]);
        PositionContext context = {
            .shape = &p.shape, .options = p.options, .layer = p.tensors[i].per_layer - 1};
        if (p.method->init) p.method->init(&context, i, p.value[i], &rng);
        law_away(p.value[i], p.sizes[i], c->seed, name);
        if (p.method->project) p.method->project(&p.shape, p.options, i, p.value[i]);
        p.context.param[i] = p.value[i];
    }
    prepare(&p, arena);
    p.row = p.shape.head_dim * (p.method->widening ? p.method->widening : 1);
    p.stride = p.row + GAP;
    size_t T = (size_t)length;
    p.size[EMBED] = p.method->embed ? T * (size_t)p.shape.width : 0;
    p.size[INPUT] = p.method->input ? T * (size_t)p.shape.width : 0;
    p.size[QUERY] = p.size[KEY] = p.method->transform ? T * (size_t)p.stride : 0;
    p.size[BIAS] = p.method->distance_bias ? T * (size_t)p.shape.heads : 0;
    p.total = GUARD;
    for (int part = 0; part < PARTS; part++) p.start[part] = p.total, p.total += p.size[part] + GUARD;
    p.input = probe_data(&p, c->seed, "input", arena);
    return p;
}

bool probe_inside(const Probe *p, int part, size_t i) {
    return (part != QUERY && part != KEY) || (int)(i % (size_t)p->stride) < p->row;
}

float *probe_data(const Probe *p, uint64_t seed, const char *name, Arena *arena) {
    float *data = NEW(arena, p->total, float);
    Random rng = random_stream(seed, "data", name);
    guard(data, p->total);
    for (int part = 0; part < PARTS; part++)
        for (size_t i = 0; i < p->size[part]; i++)
            if (probe_inside(p, part, i)) data[p->start[part] + i] = (float)random_normal(&rng);
    return data;
}

float *probe_copy(const Probe *p, const float *data, Arena *arena) {
    return memcpy(NEW(arena, p->total, float), data, p->total * sizeof *data);
}

/* Half of the guard between two parts belongs to each of them. */
const char *probe_spoilt(const Probe *p, const float *data) {
    bool all = guarded(data + p->total - GUARD, GUARD);
    for (int part = 0; part < PARTS; part++) {
        const float *at = data + p->start[part];
        all = all && guarded(at - GUARD, GUARD);
        bool intact = guarded(at - GUARD / 2, GUARD / 2) && guarded(at + p->size[part], GUARD / 2);
        for (size_t row = 0; (part == QUERY || part == KEY) && row < p->size[part]; row += (size_t)p->stride)
            intact = intact && guarded(at + row + p->row, GAP);
        if (!intact && p->size[part]) return probe_hooks[part];
    }
    return all ? NULL : "a hook";
}

/* Before the first layer, tensors of layers are not accessible. */
static PositionContext entrance(const Probe *p, const PositionContext *context) {
    PositionContext entrance = *context;
    for (int i = 0; i < p->count; i++)
        if (p->tensors[i].per_layer) entrance.param[i] = NULL, entrance.grad[i] = NULL;
    return entrance;
}

void probe_forward(const Probe *p, float *data) {
    PositionContext context = p->context;
    context.shape = &p->shape;
    PositionContext before = entrance(p, &context);
    if (p->method->embed) p->method->embed(&before, data + p->start[EMBED]);
    memset(data + p->start[INPUT], 0, p->size[INPUT] * sizeof *data);
    if (p->method->input) p->method->input(&context, data + p->start[INPUT]);
    if (p->method->transform) p->method->transform(&context, POS_QUERY, data + p->start[QUERY], p->stride);
    if (p->method->transform) p->method->transform(&context, POS_KEY, data + p->start[KEY], p->stride);
    if (p->method->distance_bias) p->method->distance_bias(&context, data + p->start[BIAS]);
}

void probe_backward(const Probe *p, float *data) {
    PositionContext context = p->context;
    const PositionMethod *m = p->method;
    context.shape = &p->shape;
    for (int i = 0; i < p->count; i++) context.grad[i] = p->grad[i];
    PositionContext before = entrance(p, &context);
    if (m->embed_backward) m->embed_backward(&before, data + p->start[EMBED]);
    if (m->input_backward) m->input_backward(&context, data + p->start[INPUT]);
    if (m->transform_backward)
        m->transform_backward(&context, POS_QUERY, p->input + p->start[QUERY], data + p->start[QUERY],
                              p->stride);
    if (m->transform_backward)
        m->transform_backward(&context, POS_KEY, p->input + p->start[KEY], data + p->start[KEY], p->stride);
    if (m->distance_bias_backward) m->distance_bias_backward(&context, data + p->start[BIAS]);
}
