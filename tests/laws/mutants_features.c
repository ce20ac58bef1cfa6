/* mutants_features: mutants of methods with the hook `features`. */
#include "mutants.h"

#include <string.h>
#include "position/encoding.h"
#include "position/features.h"

enum { MOST = 1 << 20 }; /* numbers that a mutant can store */

static float aside[MOST];

static const PositionMethod *real(const char *name) {
    return encoding_find(name);
}

static float *keep(const float *x, size_t count) {
    if (count > MOST) BUG("%zu numbers are too many for a mutant", count);
    return memcpy(aside, x, count * sizeof *x);
}

/* The features of a method, those of each head moved by one row; the row without a source keeps its own. */
static void moved(const char *name, const PositionContext *context, const float *x, float *f, int by) {
    const PositionMethod *m = real(name);
    size_t row = (size_t)m->feature_count(context->shape, context->options), rows = (size_t)context->length;
    m->features(context, x, f);
    for (int h = 0; h < context->shape->heads; h++, f += rows * row)
        memmove(by > 0 ? f + row : f, by > 0 ? f : f + row, (rows - 1) * row * sizeof *f);
}

/* The hook with gradients of x that go nowhere. */
static void without_input(const char *name, const PositionContext *context, const float *x, float *f,
                          float *df, float *dx) {
    size_t count = (size_t)context->length * (size_t)context->shape->width;
    const float *was = keep(dx, count);
    real(name)->features_backward(context, x, f, df, dx);
    memcpy(dx, was, count * sizeof *dx);
}

/* The context with gradients of features that go nowhere. */
static PositionContext without_features(const char *name, const PositionContext *context) {
    PositionContext other = *context;
    size_t count = (size_t)real(name)->feature_count(context->shape, context->options);
    count *= (size_t)context->shape->heads * (size_t)context->length;
    if (count > MOST) BUG("%zu features are too many for a mutant", count);
    other.dfeatures = aside;
    return other;
}

/* ---- rotations ---- */

static void carope_row_before(const PositionContext *context, const float *x, float *f) {
    moved("carope", context, x, f, 1);
}

static void angles_of_the_row_before(PositionMethod *m) {
    m->features = carope_row_before;
}

static void queries_alone(const PositionContext *context, PositionRole role, float *x, int stride) {
    if (role == POS_QUERY) real("carope")->transform(context, role, x, stride);
}

static void keys_not_rotated(PositionMethod *m) {
    m->transform = queries_alone;
}

static void carope_without_input(const PositionContext *context, const float *x, float *f, float *df,
                                 float *dx) {
    without_input("carope", context, x, f, df, dx);
}

static void carope_input_not_reached(PositionMethod *m) {
    m->features_backward = carope_without_input;
}

static void carope_without_features(const PositionContext *context, PositionRole role, const float *x,
                                    float *dx, int stride) {
    PositionContext other = without_features("carope", context);
    real("carope")->transform_backward(role == POS_KEY ? &other : context, role, x, dx, stride);
}

static void keys_do_not_learn(PositionMethod *m) {
    m->transform_backward = carope_without_features;
}

static void features_alone(PositionMethod *m) {
    m->features_backward = NULL;
}

static void no_reader(PositionMethod *m) {
    m->transform = NULL, m->transform_backward = NULL;
}

static void claims_positions(PositionMethod *m) {
    m->claims |= POS_BY_POSITION;
}

static void claims_shift(PositionMethod *m) {
    m->claims |= POS_SHIFT_INVARIANT;
}

static void selective_row_after(const PositionContext *context, const float *x, float *f) {
    moved("selective_rope", context, x, f, -1);
}

static void angles_of_the_row_after(PositionMethod *m) {
    m->features = selective_row_after;
}

static void selective_without_input(const PositionContext *context, const float *x, float *f, float *df,
                                    float *dx) {
    without_input("selective_rope", context, x, f, df, dx);
}

static void selective_input_not_reached(PositionMethod *m) {
    m->features_backward = selective_without_input;
}

static void writes_too_far(const PositionContext *context, const float *x, float *f) {
    real("selective_rope")->features(context, x, f);
    f[(size_t)context->shape->width * (size_t)context->length] = 0;
}

static void number_too_many(PositionMethod *m) {
    m->features = writes_too_far;
}

/* ---- biases ---- */

static void gates_of_queries(const PositionContext *context, const PositionScores *block) {
    int n = real("row_alibi")->feature_count(context->shape, context->options) / 2;
    FeatureGates gates = {.size = 2 * n, .b = n, .count = n, .scale = 0.35355339, .own = true};
    features_gate_scores(context, &gates, block);
}

static void gate_of_the_query_counts(PositionMethod *m) {
    m->scores = gates_of_queries;
}

static void later_curves(const PositionContext *context, const PositionScores *block) {
    PositionContext other = *context;
    other.param[0]++;
    real("relative_projection")->scores(&other, block);
}

static void curves_of_the_next_distance(PositionMethod *m) {
    m->scores = later_curves;
}

static void grape_without_features(const PositionContext *context, const PositionScores *block) {
    PositionContext other = without_features("grape_ap", context);
    real("grape_ap")->scores_backward(&other, block);
}

static void gates_do_not_learn(PositionMethod *m) {
    m->scores_backward = grape_without_features;
}

/* ---- matrices of the content ---- */

static void wall_row_before(const PositionContext *context, const float *x, float *f) {
    moved("wall", context, x, f, 1);
}

static void fading_of_the_row_before(PositionMethod *m) {
    m->features = wall_row_before;
}

static void wall_without_keys(const PositionContext *context, const PositionScores *block) {
    PositionScores other = *block;
    size_t one = (size_t)context->length * (size_t)block->stride;
    float *dk[64];
    if (context->shape->heads > COUNT_OF(dk) || (size_t)context->shape->heads * one > MOST)
        BUG("%d heads are too many for a mutant", context->shape->heads);
    for (int h = 0; h < context->shape->heads; h++) dk[h] = aside + (size_t)h * one;
    other.dk = dk;
    real("wall")->scores_backward(context, &other);
}

static void keys_not_reached(PositionMethod *m) {
    m->scores_backward = wall_without_keys;
}

static void path_row_before(const PositionContext *context, const float *x, float *f) {
    moved("path_attention", context, x, f, 1);
}

static void transformation_of_the_row_before(PositionMethod *m) {
    m->features = path_row_before;
}

static void half_beta(const PositionContext *context, const float *x, float *f) {
    int D = context->shape->head_dim;
    int F = real("path_attention")->feature_count(context->shape, context->options);
    real("path_attention")->features(context, x, f);
    for (int row = 0; row < context->shape->heads * context->length; row++) f[row * F + D] /= 2;
}

static void beta_at_most_one(PositionMethod *m) {
    m->features = half_beta;
}

static void path_keeps_ds(const PositionContext *context, const PositionScores *block) {
    size_t count = (size_t)context->shape->heads * (size_t)block->rows * (size_t)block->columns;
    const float *ds = keep(block->ds, count);
    real("path_attention")->scores_backward(context, block);
    memcpy(block->ds, ds, count * sizeof *ds);
}

static void replaced_product_learns(PositionMethod *m) {
    m->scores_backward = path_keeps_ds;
}

static void gates_forgotten(const PositionContext *context, const float *x, float *f) {
    int F = real("path_attention")->feature_count(context->shape, context->options);
    real("path_attention")->features(context, x, f);
    for (int row = 1; row <= context->shape->heads * context->length; row++) f[row * F - 1] = 0;
}

static void without_gates(PositionMethod *m) {
    m->features = gates_forgotten;
}

const MethodMutant feature_mutants[] = {
    {"angles of the row before", "carope", "formulas", NULL, angles_of_the_row_before},
    {"keys not rotated", "carope", "formulas", NULL, keys_not_rotated},
    {"input of the features without gradient", "carope", "gradient", NULL, carope_input_not_reached},
    {"features learn through queries alone", "carope", "gradient", NULL, keys_do_not_learn},
    {"features without backward", "carope", "form", NULL, features_alone},
    {"features that no hook reads", "carope", "form", NULL, no_reader},
    {"claims to follow positions", "carope", "positions", NULL, claims_positions},
    {"angles of the row after", "selective_rope", "causality", NULL, angles_of_the_row_after},
    {"claims to be shift invariant", "selective_rope", "shift", NULL, claims_shift},
    {"input of the features without gradient", "selective_rope", "gradient", NULL,
     selective_input_not_reached},
    {"writes a number too many", "selective_rope", "purity", NULL, number_too_many},
    {"gate of the query counts", "row_alibi", "formulas", NULL, gate_of_the_query_counts},
    {"curves of the next distance", "relative_projection", "formulas", NULL, curves_of_the_next_distance},
    {"gates do not learn", "grape_ap", "gradient", NULL, gates_do_not_learn},
    {"fading of the row before", "wall", "formulas", NULL, fading_of_the_row_before},
    {"keys without gradient", "wall", "gradient", NULL, keys_not_reached},
    {"transformation of the row before", "path_attention", "formulas", NULL,
     transformation_of_the_row_before},
    {"beta of at most one", "path_attention", "formulas", NULL, beta_at_most_one},
    {"replaced product learns", "path_attention", "gradient", NULL, replaced_product_learns},
    {"gates forgotten", "path_attention", "formulas", "forget", without_gates},
};
const int feature_mutant_count = COUNT_OF(feature_mutants);
