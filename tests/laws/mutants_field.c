/* mutants_field: mutants of kerple, pia, learned and of methods that draw positions. */
#include "mutants.h"

#include <math.h>
#include <string.h>
#include "position/encoding.h"

static const PositionMethod *real(const char *name) {
    return encoding_find(name);
}

/* ---- KERPLE ---- */

static void swapped_hook(const PositionContext *context, const float *dbias) {
    PositionContext swapped = *context;
    swapped.grad[0] = context->grad[1], swapped.grad[1] = context->grad[0];
    real("kerple")->distance_bias_backward(&swapped, dbias);
}

static void gradients_swapped(PositionMethod *m) {
    m->distance_bias_backward = swapped_hook;
}

static void shrinking_hook(const PositionShape *shape, const void *options, int index, float *value) {
    real("kerple")->project(shape, options, index, value);
    for (int h = 0; h < shape->heads; h++) value[h] *= 0.999f;
}

static void project_shrinks(PositionMethod *m) {
    m->project = shrinking_hook;
}

static void long_project_hook(const PositionShape *shape, const void *options, int index, float *value) {
    real("kerple")->project(shape, options, index, value);
    value[shape->heads] = fmaxf(value[shape->heads], 0.01f);
}

static void project_too_far(PositionMethod *m) {
    m->project = long_project_hook;
}

static int shared_layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int count = real("kerple")->layout(shape, options, tensors);
    for (int i = 0; i < count; i++) tensors[i].per_layer = false;
    return count;
}

static void per_layer_ignored(PositionMethod *m) {
    m->layout = shared_layout;
}

/* A constant for each head, which all other laws allow. */
enum { CONSTANT = 2 };

static int constant_layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int count = real("kerple")->layout(shape, options, tensors);
    tensors[CONSTANT] = (PositionTensor){.name = "constant", .rank = 1, .dims = {shape->heads}};
    return count + 1;
}

static void constant_init(const PositionContext *context, int index, float *value, Random *rng) {
    if (index < CONSTANT) real("kerple")->init(context, index, value, rng);
}

static void constant_project(const PositionShape *shape, const void *options, int index, float *value) {
    if (index < CONSTANT) real("kerple")->project(shape, options, index, value);
}

static void constant_bias(const PositionContext *context, float *bias) {
    real("kerple")->distance_bias(context, bias);
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < context->length; d++)
            bias[h * context->length + d] += context->param[CONSTANT][h];
}

static void constant_backward(const PositionContext *context, const float *dbias) {
    real("kerple")->distance_bias_backward(context, dbias);
    for (int h = 0; h < context->shape->heads; h++) {
        double sum = 0;
        for (int d = 0; d < context->length; d++) sum += dbias[h * context->length + d];
        context->grad[CONSTANT][h] += (float)sum;
    }
}

static void constant_added(PositionMethod *m) {
    m->layout = constant_layout, m->init = constant_init, m->project = constant_project;
    m->distance_bias = constant_bias, m->distance_bias_backward = constant_backward;
}

static int inert_layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    int count = real("kerple")->layout(shape, options, tensors);
    tensors[1].inert = true;
    return count;
}

static void declared_inert(PositionMethod *m) {
    m->layout = inert_layout;
}

/* ---- methods that draw positions ---- */

static void same_hook(const PositionShape *shape, const void *options, int length, bool training, Random *rng,
                      double *positions) {
    static int calls;
    real("shape")->positions(shape, options, length, training, rng, positions);
    if (training) positions[0] -= calls++ % 2;
}

static void positions_by_state(PositionMethod *m) {
    m->positions = same_hook;
}

static void farther_hook(const PositionShape *shape, const void *options, int length, bool training,
                         Random *rng, double *positions) {
    real("shape")->positions(shape, options, length, training, rng, positions);
    positions[length - 1] += 1000;
}

static void positions_too_far(PositionMethod *m) {
    m->positions = farther_hook;
}

static void claims_of_its_own(PositionMethod *m) {
    m->claims = POS_SHIFT_INVARIANT;
}

static void *unmoved_tables(const PositionShape *shape, const void *options, int length,
                            const double *positions, Arena *arena) {
    (void)positions;
    return encoding_prepare(real("learned"), shape, options, length, NULL, arena);
}

static void positions_ignored(PositionMethod *m) {
    m->prepare = unmoved_tables;
}

static void follows_unclaimed(PositionMethod *m) {
    m->claims &= ~(unsigned)POS_BY_POSITION;
}

static void row_after_hook(const PositionContext *context, const float *dx) {
    PositionContext shifted = *context;
    shifted.length--;
    real("learned")->embed_backward(&shifted, dx + context->shape->width);
}

static void gradient_of_row_after(PositionMethod *m) {
    m->embed_backward = row_after_hook;
}

/* ---- PIA ---- */

static void doubled_input(const PositionContext *context, float *p) {
    real("pia")->input(context, p);
    for (int i = 0; i < context->length * context->shape->width; i++) p[i] *= 2;
}

static void input_doubled(PositionMethod *m) {
    m->input = doubled_input;
}

static void long_input(const PositionContext *context, float *p) {
    real("pia")->input(context, p);
    p[context->length * context->shape->width] = 1;
}

static void input_too_far(PositionMethod *m) {
    m->input = long_input;
}

const MethodMutant field_mutants[] = {
    {"positions by hidden state", "shape", "purity", NULL, positions_by_state},
    {"positions beyond the farthest", "shape", "purity", NULL, positions_too_far},
    {"moves rows and claims", "shape", "form", NULL, claims_of_its_own},
    {"positions ignored", "learned", "positions", NULL, positions_ignored},
    {"follows positions, but no claim", "learned", "positions", NULL, follows_unclaimed},
    {"gradient of the row after", "learned", "gradient", NULL, gradient_of_row_after},
    {"input twice as large", "pia", "formulas", NULL, input_doubled},
    {"input writes one row too far", "pia", "purity", NULL, input_too_far},

    {"gradients of a and p swapped", "kerple", "gradient", NULL, gradients_swapped},
    {"project is not idempotent", "kerple", "init", NULL, project_shrinks},
    {"project writes beyond the tensor", "kerple", "init", NULL, project_too_far},
    {"per_layer ignored", "kerple", "options", NULL, per_layer_ignored},
    {"a constant per head", "kerple", "difference", NULL, constant_added},
    {"declared inert, but used", "kerple", "difference", NULL, declared_inert},
};
const int field_mutant_count = COUNT_OF(field_mutants);
