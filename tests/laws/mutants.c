/* mutants: each is one function, or a hook and the function that installs it. */
#include "mutants.h"

#include <math.h>
#include <string.h>
#include "position/encoding.h"

static const PositionMethod *real(const char *name) {
    return encoding_find(name);
}

enum { OPTIONS_BYTES = 256 };

/* A changeable copy of a method's options, and the field to change. */
static const OptionField *copy_options(const char *name, const char *key, const void *options,
                                       unsigned char *copy) {
    const PositionMethod *m = real(name);
    if (m->options_size > OPTIONS_BYTES) BUG("options of %s are too large for a mutant", name);
    memcpy(copy, options, m->options_size);
    for (int i = 0; i < m->field_count; i++)
        if (strcmp(m->fields[i].key, key) == 0) return &m->fields[i];
    BUG("%s has no option '%s'", name, key);
}

/* ---- ALiBi ---- */

/* The real bias, with every element passed through `change`. */
static void alibi_bias(const PositionContext *context, float *bias,
                       float (*change)(const PositionContext *, int h, int d, const float *bias)) {
    int heads = context->shape->heads, length = context->length;
    float copy[64 * 1024];
    real("alibi")->distance_bias(context, bias);
    if ((size_t)heads * (size_t)length > COUNT_OF(copy)) BUG("a case too large for a mutant");
    memcpy(copy, bias, (size_t)heads * (size_t)length * sizeof *copy);
    for (int h = 0; h < heads; h++)
        for (int d = 0; d < length; d++) bias[h * length + d] = change(context, h, d, copy);
}

static float negative(const PositionContext *context, int h, int d, const float *bias) {
    return -bias[h * context->length + d];
}

static void wrong_sign_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, negative);
}

static void wrong_sign(PositionMethod *m) {
    m->distance_bias = wrong_sign_hook;
}

static float next_distance(const PositionContext *context, int h, int d, const float *bias) {
    return context->length > 1 ? bias[h * context->length + 1] * (float)(d + 1) : -1;
}

static void off_by_one_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, next_distance);
}

static void off_by_one(PositionMethod *m) {
    m->distance_bias = off_by_one_hook;
}

static float scaled(const PositionContext *context, int h, int d, const float *bias) {
    return bias[h * context->length + d] / sqrtf((float)context->shape->head_dim);
}

static void scaled_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, scaled);
}

static void bias_scaled(PositionMethod *m) {
    m->distance_bias = scaled_hook;
}

static float other_head(const PositionContext *context, int h, int d, const float *bias) {
    return bias[(h + 1) % context->shape->heads * context->length + d];
}

static void other_head_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, other_head);
}

static void wrong_head(PositionMethod *m) {
    m->distance_bias = other_head_hook;
}

static float power_of_two(const PositionContext *context, int h, int d, const float *bias) {
    (void)bias;
    return -exp2f(-8.0f * (float)(h + 1) / (float)context->shape->heads) * (float)d;
}

static void power_of_two_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, power_of_two);
}

static void slopes_power_of_two(PositionMethod *m) {
    m->distance_bias = power_of_two_hook;
}

static float half_precision(const PositionContext *context, int h, int d, const float *bias) {
    int exponent;
    float mantissa = frexpf(bias[h * context->length + d], &exponent);
    return ldexpf(roundf(mantissa * 2048) / 2048, exponent);
}

static void half_precision_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, half_precision);
}

static void bias_in_half(PositionMethod *m) {
    m->distance_bias = half_precision_hook;
}

static float drifting(const PositionContext *context, int h, int d, const float *bias) {
    static int calls;
    return bias[h * context->length + d] * (1 + 1e-6f * (float)calls++);
}

static void drifting_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, drifting);
}

static void static_state(PositionMethod *m) {
    m->distance_bias = drifting_hook;
}

static float left_out(const PositionContext *context, int h, int d, const float *bias) {
    return d == context->length - 1 ? NAN : bias[h * context->length + d];
}

static void left_out_hook(const PositionContext *context, float *bias) {
    alibi_bias(context, bias, left_out);
}

static void last_distance_unwritten(PositionMethod *m) {
    m->distance_bias = left_out_hook;
}

static void gradient_5_percent_hook(const PositionContext *context, const float *dbias) {
    float before[64];
    int heads = context->shape->heads;
    memcpy(before, context->grad[0], (size_t)heads * sizeof *before);
    real("alibi")->distance_bias_backward(context, dbias);
    for (int h = 0; h < heads; h++) context->grad[0][h] += 0.05f * (context->grad[0][h] - before[h]);
}

static void gradient_5_percent(PositionMethod *m) {
    m->distance_bias_backward = gradient_5_percent_hook;
}

static void no_backward(PositionMethod *m) {
    m->distance_bias_backward = NULL;
}

static void backward_nothing_hook(const PositionContext *context, const float *dbias) {
    (void)context, (void)dbias;
}

static void backward_nothing(PositionMethod *m) {
    m->distance_bias_backward = backward_nothing_hook;
}

static void overwriting_hook(const PositionContext *context, const float *dbias) {
    memset(context->grad[0], 0, (size_t)context->shape->heads * sizeof(float));
    real("alibi")->distance_bias_backward(context, dbias);
}

static void gradient_overwritten(PositionMethod *m) {
    m->distance_bias_backward = overwriting_hook;
}

static void changing_hook(const PositionContext *context, const float *dbias) {
    real("alibi")->distance_bias_backward(context, dbias);
    ((float *)(uintptr_t)dbias)[0] = 0;
}

static void gradient_read_only_changed(PositionMethod *m) {
    m->distance_bias_backward = changing_hook;
}

static void random_init(const PositionContext *context, int index, float *value, Random *rng) {
    static uint64_t calls;
    (void)index, (void)rng;
    for (int h = 0; h < context->shape->heads; h++) value[h] = 0.1f + (float)(calls++ % 7);
}

static void init_by_state(PositionMethod *m) {
    m->init = random_init;
}

static void long_init(const PositionContext *context, int index, float *value, Random *rng) {
    real("alibi")->init(context, index, value, rng);
    value[context->shape->heads] = 1;
}

static void init_too_far(PositionMethod *m) {
    m->init = long_init;
}

static void shift_unclaimed(PositionMethod *m) {
    m->claims &= ~(unsigned)POS_SHIFT_INVARIANT;
}

static void prefix_unclaimed(PositionMethod *m) {
    m->claims &= ~(unsigned)POS_PREFIX_STABLE;
}

static void default_out_of_range(PositionMethod *m) {
    static OptionField fields[8];
    memcpy(fields, m->fields, (size_t)m->field_count * sizeof *fields);
    for (int i = 0; i < m->field_count; i++)
        if (fields[i].high > 0) fields[i].default_value = 2 * fields[i].high;
    m->fields = fields;
}

/* ---- T5 ---- */

static bool no_maximum_check(const PositionShape *shape, const void *options, Error *err) {
    (void)shape, (void)options, (void)err;
    return true;
}

static void *fixed_maximum_prepare(const PositionShape *shape, const void *options, int length,
                                   const double *positions, Arena *arena) {
    unsigned char copy[OPTIONS_BYTES];
    const OptionField *field = copy_options("t5", "max_distance", options, copy);
    int64_t standard = (int64_t)field->default_value;
    memcpy(copy + field->offset, &standard, sizeof standard);
    return encoding_prepare(real("t5"), shape, copy, length, positions, arena);
}

static void max_distance_ignored(PositionMethod *m) {
    m->prepare = fixed_maximum_prepare;
    m->check = no_maximum_check;
}

static void zero_bias_hook(const PositionContext *context, float *bias) {
    memset(bias, 0, (size_t)context->shape->heads * (size_t)context->length * sizeof *bias);
}

static void never_registered(PositionMethod *m) {
    m->layout = NULL;
    m->init = NULL;
    m->distance_bias = zero_bias_hook;
    m->distance_bias_backward = NULL;
}

static void registered_unused(PositionMethod *m) {
    m->distance_bias = zero_bias_hook;
    m->distance_bias_backward = backward_nothing_hook;
}

static void neighbour_hook(const PositionContext *context, const float *dbias) {
    int heads = context->shape->heads, length = context->length;
    const int *buckets = context->tables;
    for (int h = 0; h < heads; h++)
        for (int d = 0; d < length; d++)
            context->grad[0][buckets[d] * heads + h] += dbias[h * length + (d > 0 ? d - 1 : d)];
}

static void gradient_of_neighbour(PositionMethod *m) {
    m->distance_bias_backward = neighbour_hook;
}

/* ---- rotary ---- */

static void turned_forward_hook(const PositionContext *context, PositionRole role, const float *input,
                                float *dx, int stride) {
    (void)input;
    real("rotary")->transform(context, role, dx, stride);
}

static void backward_turned_forward(PositionMethod *m) {
    m->transform_backward = turned_forward_hook;
}

static void transform_alone(PositionMethod *m) {
    m->transform_backward = NULL;
}

static void queries_only_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    if (role == POS_QUERY) real("rotary")->transform(context, role, x, stride);
}

static void queries_only_backward(const PositionContext *context, PositionRole role, const float *input,
                                  float *x, int stride) {
    if (role == POS_QUERY) real("rotary")->transform_backward(context, role, input, x, stride);
}

static void keys_not_turned(PositionMethod *m) {
    m->transform = queries_only_hook;
    m->transform_backward = queries_only_backward;
}

static void other_pairs_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    unsigned char copy[OPTIONS_BYTES];
    const OptionField *field = copy_options("rotary", "pairs", context->options, copy);
    int pairs;
    memcpy(&pairs, copy + field->offset, sizeof pairs);
    pairs = !pairs;
    memcpy(copy + field->offset, &pairs, sizeof pairs);
    PositionContext other = *context;
    other.options = copy;
    real("rotary")->transform(&other, role, x, stride);
}

static void other_pairs(PositionMethod *m) {
    m->transform = other_pairs_hook;
}

static void longer_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    real("rotary")->transform(context, role, x, stride);
    for (int t = 0; t < context->length; t++)
        for (int i = 0; i < context->shape->head_dim; i++) x[(size_t)t * (size_t)stride + (size_t)i] *= 1.01f;
}

static void longer_backward_hook(const PositionContext *context, PositionRole role, const float *input,
                                 float *x, int stride) {
    real("rotary")->transform_backward(context, role, input, x, stride);
    for (int t = 0; t < context->length; t++)
        for (int i = 0; i < context->shape->head_dim; i++) x[(size_t)t * (size_t)stride + (size_t)i] *= 1.01f;
}

static void no_isometry(PositionMethod *m) {
    m->transform = longer_hook;
    m->transform_backward = longer_backward_hook;
}

static void isometry_unclaimed(PositionMethod *m) {
    m->claims &= ~(unsigned)POS_ISOMETRY;
}

static void gap_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    real("rotary")->transform(context, role, x, stride);
    if (stride > context->shape->head_dim) x[context->shape->head_dim] = 0;
}

static void writes_between_rows(PositionMethod *m) {
    m->transform = gap_hook;
}

/* Angles as a float product: errors of about 1e-4 at position 4096. */
static void *float_angles(const PositionShape *shape, const void *options, int length,
                          const double *positions, Arena *arena) {
    int half = shape->head_dim / 2; /* for the default options */
    float *cosines = encoding_prepare(real("rotary"), shape, options, length, positions, arena);
    if (!cosines) return NULL;
    for (int i = 0; i < half; i++) {
        float frequency = powf(10000, -2.0f * (float)i / (float)(2 * half));
        for (int t = 0; t < length; t++) {
            float angle = (float)t * frequency;
            cosines[t * half + i] = cosf(angle);
            cosines[(length + t) * half + i] = sinf(angle);
        }
    }
    return cosines;
}

static void angles_in_float(PositionMethod *m) {
    m->prepare = float_angles;
}

static void *stale_tables(const PositionShape *shape, const void *options, int length,
                          const double *positions, Arena *arena) {
    static Arena *kept;
    static void *tables;
    static int made;
    if (!kept) kept = arena_new(0);
    if (length > made)
        tables = encoding_prepare(real("rotary"), shape, options, made = 2 * length, positions, kept);
    (void)arena;
    return tables;
}

static void stale_table(PositionMethod *m) {
    m->prepare = stale_tables;
}

/* ---- sinusoidal ---- */

static void shift_claimed(PositionMethod *m) {
    m->claims |= POS_SHIFT_INVARIANT;
}

/* Position interpolation that is not declared. */
static void *squeezed_tables(const PositionShape *shape, const void *options, int length,
                             const double *positions, Arena *arena) {
    int width = shape->width;
    float *table = encoding_prepare(real("sinusoidal"), shape, options, length, positions, arena);
    for (int t = length - 1; table && length > shape->train_length && t > 0; t--)
        memcpy(table + (size_t)(t * width), table + (size_t)(t / 2 * width), (size_t)width * sizeof *table);
    return table;
}

static void depends_on_length(PositionMethod *m) {
    m->prepare = squeezed_tables;
}

static void *early_tables(const PositionShape *shape, const void *options, int length,
                          const double *positions, Arena *arena) {
    int width = shape->width;
    float *table = encoding_prepare(real("sinusoidal"), shape, options, length + 1, positions, arena);
    if (table) memmove(table, table + width, (size_t)length * (size_t)width * sizeof *table);
    return table;
}

static void first_position_wrong(PositionMethod *m) {
    m->prepare = early_tables;
}

static void *one_row_short(const PositionShape *shape, const void *options, int length,
                           const double *positions, Arena *arena) {
    if (arena_alloc(arena, 1, 64))
        return encoding_prepare(real("sinusoidal"), shape, options, length, positions, arena);
    return encoding_prepare(real("sinusoidal"), shape, options, length > 1 ? length - 1 : 1, positions,
                            arena);
}

static void counts_wrong(PositionMethod *m) {
    m->prepare = one_row_short;
}

static void too_far_hook(const PositionContext *context, float *x) {
    real("sinusoidal")->embed(context, x);
    x[context->length * context->shape->width] = 1;
}

static void embed_too_far(PositionMethod *m) {
    m->embed = too_far_hook;
}

static void scaling_hook(const PositionContext *context, float *x) {
    for (int i = 0; i < context->length * context->shape->width; i++) x[i] *= 1.001f;
    real("sinusoidal")->embed(context, x);
}

static void embed_scales(PositionMethod *m) {
    m->embed = scaling_hook;
}

static void table_written_hook(const PositionContext *context, float *x) {
    real("sinusoidal")->embed(context, x);
    ((float *)(uintptr_t)context->tables)[0] += 1;
}

static void table_written(PositionMethod *m) {
    m->embed = table_written_hook;
}

static void wrong_name(PositionMethod *m) {
    m->name = "Sinusoidal";
}

const MethodMutant method_mutants[] = {
    {"wrong sign", "alibi", "formulas", NULL, wrong_sign},
    {"distance off by one", "alibi", "formulas", NULL, off_by_one},
    {"bias scaled by 1/sqrt(D)", "alibi", "formulas", NULL, bias_scaled},
    {"bias of the wrong head", "alibi", "formulas", NULL, wrong_head},
    {"slopes as for a power of two", "alibi", "formulas", NULL, slopes_power_of_two},
    {"bias in half precision", "alibi", "formulas", NULL, bias_in_half},
    {"hook with static state", "alibi", "purity", NULL, static_state},
    {"last distance not written", "alibi", "purity", NULL, last_distance_unwritten},
    {"gradient off by 5 %", "alibi", "gradient", "trainable", gradient_5_percent},
    {"missing backward", "alibi", "form", "trainable", no_backward},
    {"backward does nothing", "alibi", "gradient", "trainable", backward_nothing},
    {"gradient overwritten, not added", "alibi", "purity", "trainable", gradient_overwritten},
    {"backward changes its input", "alibi", "purity", "trainable", gradient_read_only_changed},
    {"initial values by hidden state", "alibi", "init", "trainable", init_by_state},
    {"initial values beyond the tensor", "alibi", "init", "trainable", init_too_far},
    {"shift invariant, but no claim", "alibi", "shift", NULL, shift_unclaimed},
    {"prefix stable, but no claim", "alibi", "prefix", NULL, prefix_unclaimed},
    {"default out of range", "alibi", "form", NULL, default_out_of_range},
    {"max_distance ignored", "t5", "options", NULL, max_distance_ignored},
    {"parameter never registered", "t5", "options", NULL, never_registered},
    {"parameter registered, not used", "t5", "gradient", NULL, registered_unused},
    {"gradient of the neighbouring distance", "t5", "gradient", NULL, gradient_of_neighbour},
    {"rotated in the wrong direction in backward", "rotary", "adjoint", NULL, backward_turned_forward},
    {"transform without backward", "rotary", "form", NULL, transform_alone},
    {"keys not rotated", "rotary", "shift", NULL, keys_not_turned},
    {"half-split pairs for neighbours", "rotary", "formulas", NULL, other_pairs},
    {"vectors made longer", "rotary", "isometry", NULL, no_isometry},
    {"isometry, but no claim", "rotary", "isometry", NULL, isometry_unclaimed},
    {"writes between rows", "rotary", "purity", NULL, writes_between_rows},
    {"angles in float", "rotary", "formulas", NULL, angles_in_float},
    {"stale table at a second length", "rotary", "length", NULL, stale_table},
    {"claims to be shift invariant", "sinusoidal", "shift", NULL, shift_claimed},
    {"tables depend on the length", "sinusoidal", "prefix", NULL, depends_on_length},
    {"first position off by one", "sinusoidal", "formulas", NULL, first_position_wrong},
    {"counts other bytes than it takes", "sinusoidal", "length", NULL, counts_wrong},
    {"embed writes one row too far", "sinusoidal", "purity", NULL, embed_too_far},
    {"embed scales its input", "sinusoidal", "adjoint", NULL, embed_scales},
    {"hook writes its table", "sinusoidal", "purity", NULL, table_written},
    {"name is not the key", "sinusoidal", "form", NULL, wrong_name},
};
const int method_mutant_count = COUNT_OF(method_mutants);
