/* mutants_family: mutants of the rotary family and of further biases. */
#include "mutants.h"

#include <math.h>
#include <string.h>
#include "position/encoding.h"
#include "position/rotary.h"

static const PositionMethod *real(const char *name) {
    return encoding_find(name);
}

enum { MOST_OPTIONS = 256 };

/* The method's tables, made with another value of one option. */
static void *with_option(const char *name, const char *key, double value, const PositionShape *shape,
                         const void *options, int length, const double *positions, Arena *arena) {
    const PositionMethod *m = real(name);
    unsigned char copy[MOST_OPTIONS];
    if (m->options_size > MOST_OPTIONS) BUG("options of %s are too large for a mutant", name);
    memcpy(copy, options, m->options_size);
    for (int i = 0; i < m->field_count; i++) {
        if (strcmp(m->fields[i].key, key) != 0) continue;
        int64_t whole = (int64_t)value;
        void *at = copy + m->fields[i].offset;
        if (m->fields[i].type == OPTION_INT) memcpy(at, &whole, sizeof whole);
        if (m->fields[i].type == OPTION_REAL) memcpy(at, &value, sizeof value);
        return encoding_prepare(m, shape, copy, length, positions,
                                arena); // cppcheck-suppress returnDanglingLifetime
    }
    BUG("%s has no option '%s'", name, key);
}

/* The method's tables, made for another training length. */
static void *with_length(const char *name, int train_length, const PositionShape *shape, const void *options,
                         int length, const double *positions, Arena *arena) {
    PositionShape other = *shape;
    other.train_length = train_length;
    return encoding_prepare(real(name), &other, options, length, positions, arena);
}

/* A `prepare` hook that calls with_option or with_length, and the function that installs it. */
#define PREPARED(spoil, call)                                                                                \
    static void *spoil##_tables(const PositionShape *shape, const void *options, int length,                 \
                                const double *positions, Arena *arena) {                                     \
        return call;                                                                                         \
    }                                                                                                        \
    static void spoil(PositionMethod *m) {                                                                   \
        m->prepare = spoil##_tables;                                                                         \
    }

#define OPTION(name, key, value) with_option(name, key, value, shape, options, length, positions, arena)
#define LENGTH(name, train)      with_length(name, train, shape, options, length, positions, arena)

PREPARED(pi_stretches, OPTION("pi", "factor", (double)shape->train_length / length))
PREPARED(ntk_without_exponent,
         OPTION("ntk", "factor",
                sqrt(fmax(1, (double)length / shape->train_length)))) /* n/(n-2) is 2 there */
PREPARED(dynamic_at_first_length, LENGTH("dynamic_ntk", length))
PREPARED(parts_all_interpolated, OPTION("ntk_parts", "beta_fast", 1e6))
PREPARED(llama3_by_eval_length, LENGTH("llama3", length))
PREPARED(yarn_without_attention, OPTION("yarn", "attention", 0))
PREPARED(longrope_scales_first, OPTION("longrope", "unscaled", 0))
PREPARED(p_rope_turns_all, OPTION("p_rope", "p", 1))
PREPARED(xpos_centre_moves, LENGTH("xpos", length))

static void prefix_claimed(PositionMethod *m) {
    m->claims |= POS_PREFIX_STABLE;
}

static void rotates_twice(PositionMethod *m) {
    m->frequency = rotary_frequency;
}

static void yarn_queries_alone_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    real("yarn")->transform(context, role, x, stride);
    float m = (float)(0.1 * log(fmax(1, (double)context->length / context->shape->train_length)) + 1);
    for (int t = 0; t < context->length && role == POS_KEY; t++)
        for (int i = 0; i < context->shape->head_dim; i++) x[(size_t)t * (size_t)stride + (size_t)i] /= m;
}

static void yarn_scales_queries_alone(PositionMethod *m) {
    m->transform = yarn_queries_alone_hook;
}

static void xpos_same_scale_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    (void)role;
    real("xpos")->transform(context, POS_QUERY, x, stride);
}

static void xpos_same_scale_backward(const PositionContext *context, PositionRole role, const float *input,
                                     float *x, int stride) {
    (void)role;
    real("xpos")->transform_backward(context, POS_QUERY, input, x, stride);
}

static void xpos_keys_grow_too(PositionMethod *m) {
    m->transform = xpos_same_scale_hook;
    m->transform_backward = xpos_same_scale_backward;
}

static void xpos_inverse_hook(const PositionContext *context, PositionRole role, const float *input, float *x,
                              int stride) {
    real("xpos")->transform_backward(context, role == POS_QUERY ? POS_KEY : POS_QUERY, input, x, stride);
}

static void xpos_backward_inverts(PositionMethod *m) {
    m->transform_backward = xpos_inverse_hook;
}

/* ---- biases ---- */

static void without_cosines(const PositionContext *context, float *bias) {
    int length = context->length;
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < length; d++) {
            double sum = -64;
            for (int k = 1; k <= 64; k++) sum += d * pow(10000, -k / 64.0);
            bias[h * length + d] = (float)(sum * context->shape->heads / (8.0 * (h + 1)));
        }
}

static void sandwich_without_cosines(PositionMethod *m) {
    m->distance_bias = without_cosines;
}

static void next_head(const PositionContext *context, float *bias) {
    int length = context->length;
    real("sandwich")->distance_bias(context, bias);
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < length; d++) bias[h * length + d] *= (float)(h + 1) / (float)(h + 2);
}

static void sandwich_head_off_by_one(PositionMethod *m) {
    m->distance_bias = next_head;
}

enum { IN_WEIGHT, IN_BIAS, OUT_WEIGHT, OUT_BIAS, HIDDEN = 32 };

/* The gradient of the input's weights without the factor of the input. */
static void input_missing_hook(const PositionContext *context, const float *dbias) {
    float before[HIDDEN], weights[HIDDEN];
    memcpy(before, context->grad[IN_BIAS], sizeof before);
    memcpy(weights, context->grad[IN_WEIGHT], sizeof weights);
    real("cpb")->distance_bias_backward(context, dbias);
    for (int w = 0; w < HIDDEN; w++)
        context->grad[IN_WEIGHT][w] = weights[w] + (context->grad[IN_BIAS][w] - before[w]);
}

static void cpb_input_missing(PositionMethod *m) {
    m->distance_bias_backward = input_missing_hook;
}

static void last_bias_hook(const PositionContext *context, const float *dbias) {
    float before[64];
    int heads = context->shape->heads;
    memcpy(before, context->grad[OUT_BIAS], (size_t)heads * sizeof *before);
    real("cpb")->distance_bias_backward(context, dbias);
    memcpy(context->grad[OUT_BIAS], before, (size_t)heads * sizeof *before);
}

static void cpb_last_bias_forgotten(PositionMethod *m) {
    m->distance_bias_backward = last_bias_hook;
}

/* The gradient of T5's biases without the sqrt(D) of `scaled`. */
static void unscaled_hook(const PositionContext *context, const float *dbias) {
    int heads = context->shape->heads, length = context->length;
    const int *buckets = context->tables;
    for (int h = 0; h < heads; h++)
        for (int d = 0; d < length; d++) context->grad[0][buckets[d] * heads + h] += dbias[h * length + d];
}

static void t5_gradient_unscaled(PositionMethod *m) {
    m->distance_bias_backward = unscaled_hook;
}

/* ---- absolute ---- */

static void sum_hook(const PositionContext *context, const float *dx) {
    for (int i = 0; i < context->length * context->shape->width; i++) *context->grad[0] += dx[i];
}

static void alpha_without_table(PositionMethod *m) {
    m->embed_backward = sum_hook;
}

static void table_alone_hook(const PositionContext *context, float *x) {
    const float *table = context->tables;
    for (int i = 0; i < context->length * context->shape->width; i++) x[i] += table[i];
}

static void alpha_not_used(PositionMethod *m) {
    m->embed = table_alone_hook;
}

/* ---- methods of 2024 to 2026 ---- */

static void hope_cuts_nothing(PositionMethod *m) {
    m->frequency = rotary_frequency;
}

/* The bias of each head is that of the head before; of the first, none. */
static void shift_heads(const PositionContext *context, float *bias) {
    size_t length = (size_t)context->length, others = (size_t)(context->shape->heads - 1) * length;
    memmove(bias + length, bias, others * sizeof *bias);
    memset(bias, 0, length * sizeof *bias);
}

static void nape_hook(const PositionContext *context, float *bias) {
    real("nape")->distance_bias(context, bias);
    shift_heads(context, bias);
}

static void nape_head_off_by_one(PositionMethod *m) {
    m->distance_bias = nape_hook;
}

static void hard_hook(const PositionContext *context, float *bias) {
    real("hard_alibi")->distance_bias(context, bias);
    shift_heads(context, bias);
}

static void hard_window_off_by_one(PositionMethod *m) {
    m->distance_bias = hard_hook;
}

static void unbounded_hook(const PositionContext *context, float *bias) {
    PositionContext other = *context;
    float bound = 1e9f;
    other.param[1] = &bound;
    real("bounded_alibi")->distance_bias(&other, bias);
}

static void bound_forgotten(PositionMethod *m) {
    m->distance_bias = unbounded_hook;
}

static void one_tensor_alone(const char *method, const PositionContext *context, const float *dbias,
                             int fixed) {
    float before[64];
    int heads = context->shape->heads;
    memcpy(before, context->grad[fixed], (size_t)heads * sizeof *before);
    real(method)->distance_bias_backward(context, dbias);
    memcpy(context->grad[fixed], before, (size_t)heads * sizeof *before);
}

static void bam_shape_hook(const PositionContext *context, const float *dbias) {
    one_tensor_alone("bam", context, dbias, 0);
}

static void bam_shape_not_trained(PositionMethod *m) {
    m->distance_bias_backward = bam_shape_hook;
}

static void bam_location_hook(const PositionContext *context, float *bias) {
    int length = context->length;
    real("bam")->distance_bias(context, bias);
    for (int h = 0; h < context->shape->heads; h++)
        memmove(bias + h * length, bias + h * length + 1, (size_t)(length - 1) * sizeof *bias);
}

static void bam_location_off_by_one(PositionMethod *m) {
    m->distance_bias = bam_location_hook;
}

static void fope_inverse_hook(const PositionContext *context, PositionRole role, const float *x, float *dx,
                              int stride) {
    (void)x;
    real("fope")->transform(context, role, dx, stride);
}

static void fope_not_transposed(PositionMethod *m) {
    m->transform_backward = fope_inverse_hook;
}

static void fope_first_head_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    PositionContext other = *context;
    other.head = 0;
    real("fope")->transform(&other, role, x, stride);
}

static void fope_heads_share(PositionMethod *m) {
    m->transform = fope_first_head_hook;
}

static void rfs_claimed_prefix_stable(PositionMethod *m) {
    m->claims |= POS_PREFIX_STABLE;
}

static void pope_key_as_query_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    (void)role;
    real("pope")->transform(context, POS_QUERY, x, stride);
}

static void pope_angles_forgotten(PositionMethod *m) {
    m->transform = pope_key_as_query_hook;
}

static void pope_angles_fixed_hook(const PositionContext *context, PositionRole role, const float *x,
                                   float *dx, int stride) {
    static float nowhere[64 * 1024];
    PositionContext other = *context;
    other.grad[0] = nowhere;
    real("pope")->transform_backward(&other, role, x, dx, stride);
}

static void pope_angles_not_trained(PositionMethod *m) {
    m->transform_backward = pope_angles_fixed_hook;
}

/* As if the derivative of softplus were 1. */
static void pope_straight_hook(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride) {
    static float large[64 * 1024];
    size_t count = (size_t)context->length * stride;
    (void)x;
    if (count > COUNT_OF(large)) BUG("a case too large for a mutant");
    for (size_t i = 0; i < count; i++) large[i] = 80;
    real("pope")->transform_backward(context, role, large, dx, stride);
}

static void pope_straight_through(PositionMethod *m) {
    m->transform_backward = pope_straight_hook;
}

static void pope_claims_lengths(PositionMethod *m) {
    m->claims |= POS_ISOMETRY;
}

static void pope_widens_by_one(PositionMethod *m) {
    m->widening = 1;
}

const MethodMutant family_mutants[] = {
    {"positions stretched, not squeezed", "pi", "formulas", NULL, pi_stretches},
    {"claims to be prefix stable", "pi", "prefix", NULL, prefix_claimed},
    {"base without n/(n-2)", "ntk", "formulas", NULL, ntk_without_exponent},
    {"frequencies of another length", "dynamic_ntk", "formulas", NULL, dynamic_at_first_length},
    {"every pair interpolated", "ntk_parts", "formulas", NULL, parts_all_interpolated},
    {"wavelengths against the pass, not training", "llama3", "formulas", NULL, llama3_by_eval_length},
    {"scores not scaled", "yarn", "isometry", NULL, yarn_without_attention},
    {"queries scaled alone", "yarn", "formulas", NULL, yarn_scales_queries_alone},
    {"first positions scaled too", "longrope", "shift", NULL, longrope_scales_first},
    {"frequency beside rotation", "longrope", "form", NULL, rotates_twice},
    {"low frequencies rotated too", "p_rope", "formulas", NULL, p_rope_turns_all},
    {"centre follows the length", "xpos", "prefix", NULL, xpos_centre_moves},
    {"keys grow as queries do", "xpos", "shift", NULL, xpos_keys_grow_too},
    {"backward inverts the scale", "xpos", "adjoint", NULL, xpos_backward_inverts},
    {"cosines left out", "sandwich", "formulas", NULL, sandwich_without_cosines},
    {"head counted from 2", "sandwich", "formulas", NULL, sandwich_head_off_by_one},
    {"gradient without the input", "cpb", "gradient", NULL, cpb_input_missing},
    {"last bias not trained", "cpb", "gradient", NULL, cpb_last_bias_forgotten},
    {"gradient without sqrt(D)", "t5", "gradient", "scaled", t5_gradient_unscaled},
    {"gradient without the table", "scaled_sinusoidal", "gradient", NULL, alpha_without_table},
    {"slow pairs rotated too", "hope", "formulas", NULL, hope_cuts_nothing},
    {"slopes of the head before", "nape", "formulas", NULL, nape_head_off_by_one},
    {"windows of the head before", "hard_alibi", "formulas", NULL, hard_window_off_by_one},
    {"bound not used", "bounded_alibi", "formulas", NULL, bound_forgotten},
    {"shape not trained", "bam", "gradient", NULL, bam_shape_not_trained},
    {"mode at distance 1", "bam", "formulas", NULL, bam_location_off_by_one},
    {"backward not transposed", "fope", "adjoint", NULL, fope_not_transposed},
    {"heads share coefficients", "fope", "formulas", NULL, fope_heads_share},
    {"claims to be prefix stable", "rfs", "form", NULL, rfs_claimed_prefix_stable},
    {"angles of keys forgotten", "pope", "formulas", NULL, pope_angles_forgotten},
    {"angles of keys not trained", "pope", "gradient", NULL, pope_angles_not_trained},
    {"backward without the slope of softplus", "pope", "adjoint", NULL, pope_straight_through},
    {"claims to keep lengths", "pope", "isometry", NULL, pope_claims_lengths},
    {"widening by 1", "pope", "form", NULL, pope_widens_by_one},
    {"scale registered, not used", "scaled_sinusoidal", "gradient", NULL, alpha_not_used},
};
const int family_mutant_count = COUNT_OF(family_mutants);
