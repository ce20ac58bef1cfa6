#include "position/features.h"

#include <math.h>
#include <string.h>

/* The part of head h. */
static float *head_of(const PositionContext *context, FeaturePart part, int h, float *f) {
    return f + (size_t)h * (size_t)context->length * (size_t)part.size + part.first;
}

static const float *given_head(const PositionContext *context, FeaturePart part, int h, const float *f) {
    return f + (size_t)h * (size_t)context->length * (size_t)part.size + part.first;
}

/* ---- linear maps ---- */

void features_map(const PositionContext *context, FeaturePart part, int tensor, const float *x, float *f) {
    int C = context->shape->width;
    for (int h = 0; h < context->shape->heads; h++)
        position_product(head_of(context, part, h, f), part.size, x, C,
                         context->param[tensor] + (size_t)(h * part.count) * (size_t)C, C, context->length,
                         part.count, C, POS_TRANSPOSE_B);
}

void features_map_backward(const PositionContext *context, FeaturePart part, int tensor, const float *x,
                           const float *df, float *dx) {
    int C = context->shape->width, T = context->length;
    for (int h = 0; h < context->shape->heads; h++) {
        size_t at = (size_t)(h * part.count) * (size_t)C;
        const float *d = given_head(context, part, h, df);
        position_product(dx, C, d, part.size, context->param[tensor] + at, C, T, C, part.count, POS_ADD);
        position_product(context->grad[tensor] + at, C, d, part.size, x, C, part.count, C, T,
                         POS_ADD | POS_TRANSPOSE_A);
    }
}

/* ---- low rank ---- */

enum { SOME_ROWS = 16 };

/* Some rows of x, and what the inner map makes of them. */
typedef struct InnerRows {
    int rows;
    float inner[SOME_ROWS * FEATURES_RANK]; /* [rows,R] */
    float unit[SOME_ROWS];                  /* of the current stretch: one over its length; 1 without */
} InnerRows;

/* The factors of stretch g of each row. */
static void find_units(const PositionContext *context, FeatureRank map, const float *x, int g,
                       InnerRows *some) {
    int D = context->shape->head_dim;
    for (int r = 0; r < some->rows; r++) {
        const float *part = x + (size_t)r * (size_t)context->shape->width + (size_t)(g * D);
        float sum = 1e-6F;
        for (int e = 0; e < D; e++) sum += part[e] * part[e];
        some->unit[r] = map.unit_heads ? 1 / sqrtf(sum) : 1;
    }
}

static void inner_rows(const PositionContext *context, FeatureRank map, const float *x, int rows,
                       InnerRows *some) {
    int C = context->shape->width, D = context->shape->head_dim;
    float product[SOME_ROWS * FEATURES_RANK];
    some->rows = rows;
    memset(some->inner, 0, (size_t)(rows * map.rank) * sizeof *some->inner);
    for (int g = 0; g < context->shape->heads; g++) {
        find_units(context, map, x, g, some);
        position_product(product, map.rank, x + g * D, C, context->param[map.inner] + g * D, C, rows,
                         map.rank, D, POS_TRANSPOSE_B);
        for (int i = 0; i < rows * map.rank; i++) some->inner[i] += some->unit[i / map.rank] * product[i];
    }
}

/* From the gradient d[rows,R] of the inner rows to that of x and of the inner map. With u = x / |x|, the
   gradient of x is (du - u (u . du)) / |x|. */
static void inner_backward(const PositionContext *context, FeatureRank map, const float *x, float *d,
                           InnerRows *some, float *dx) {
    int C = context->shape->width, D = context->shape->head_dim, R = map.rank;
    float du[SOME_ROWS * FEATURES_HEAD];
    for (int g = 0; g < context->shape->heads; g++) {
        const float *w = context->param[map.inner] + g * D;
        find_units(context, map, x, g, some);
        position_product(du, D, d, R, w, C, some->rows, D, R, 0);
        for (int r = 0; r < some->rows; r++) {
            size_t at = (size_t)r * (size_t)C + (size_t)(g * D);
            float unit = some->unit[r], along = 0;
            for (int e = 0; e < D; e++) along += x[at + (size_t)e] * du[r * D + e];
            along *= map.unit_heads ? unit * unit : 0;
            for (int e = 0; e < D; e++)
                dx[at + (size_t)e] += unit * (du[r * D + e] - along * x[at + (size_t)e]);
        }
        for (int i = 0; i < some->rows * R; i++) d[i] *= some->unit[i / R];
        position_product(context->grad[map.inner] + g * D, C, d, R, x + g * D, C, R, D, some->rows,
                         POS_ADD | POS_TRANSPOSE_A);
        for (int i = 0; i < some->rows * R; i++) d[i] /= some->unit[i / R];
    }
}

static int rows_from(const PositionContext *context, int t) {
    return context->length - t < SOME_ROWS ? context->length - t : SOME_ROWS;
}

void features_low_rank(const PositionContext *context, FeaturePart part, FeatureRank map, const float *x,
                       float *f) {
    InnerRows some;
    for (int t = 0; t < context->length; t += SOME_ROWS) {
        inner_rows(context, map, x + (size_t)t * (size_t)context->shape->width, rows_from(context, t), &some);
        for (int h = 0; h < context->shape->heads; h++)
            position_product(head_of(context, part, h, f) + (size_t)t * (size_t)part.size, part.size,
                             some.inner, map.rank,
                             context->param[map.outer] + (size_t)(h * part.count) * (size_t)map.rank,
                             map.rank, some.rows, part.count, map.rank, POS_TRANSPOSE_B);
    }
}

void features_low_rank_backward(const PositionContext *context, FeaturePart part, FeatureRank map,
                                const float *x, const float *df, float *dx) {
    InnerRows some;
    float dinner[SOME_ROWS * FEATURES_RANK];
    for (int t = 0; t < context->length; t += SOME_ROWS) {
        size_t row = (size_t)t * (size_t)context->shape->width;
        inner_rows(context, map, x + row, rows_from(context, t), &some);
        memset(dinner, 0, sizeof dinner);
        for (int h = 0; h < context->shape->heads; h++) {
            const float *d = given_head(context, part, h, df) + (size_t)t * (size_t)part.size;
            size_t at = (size_t)(h * part.count) * (size_t)map.rank;
            position_product(dinner, map.rank, d, part.size, context->param[map.outer] + at, map.rank,
                             some.rows, map.rank, part.count, POS_ADD);
            position_product(context->grad[map.outer] + at, map.rank, d, part.size, some.inner, map.rank,
                             part.count, map.rank, some.rows, POS_ADD | POS_TRANSPOSE_A);
        }
        inner_backward(context, map, x + row, dinner, &some, dx + row);
    }
}

/* ---- convolutions ---- */

void features_convolve(const PositionContext *context, FeaturePart part, int tensor, int taps, float *f) {
    for (int h = 0; h < context->shape->heads; h++) {
        const float *w = context->param[tensor] + (size_t)(h * part.count) * (size_t)taps;
        float *head = head_of(context, part, h, f);
        for (int t = context->length - 1; t >= 0; t--) {
            float *row = head + (size_t)t * (size_t)part.size;
            for (int e = 0; e < part.count; e++) {
                float sum = 0;
                for (int k = 0; k < taps && k <= t; k++)
                    sum += w[e * taps + taps - 1 - k] * row[e - k * part.size];
                row[e] = sum;
            }
        }
    }
}

void features_convolve_backward(const PositionContext *context, FeaturePart part, int tensor, int taps,
                                const float *f, float *df) {
    int T = context->length;
    for (int h = 0; h < context->shape->heads; h++) {
        size_t first = (size_t)(h * part.count) * (size_t)taps;
        const float *w = context->param[tensor] + first, *head = given_head(context, part, h, f);
        float *dw = context->grad[tensor] + first, *dhead = head_of(context, part, h, df);
        for (int t = 0; t < T; t++) {
            const float *row = head + (size_t)t * (size_t)part.size;
            float *drow = dhead + (size_t)t * (size_t)part.size;
            for (int e = 0; e < part.count; e++) {
                float sum = 0;
                for (int k = 0; k < taps && k < T - t; k++) {
                    dw[e * taps + taps - 1 - k] += drow[e + k * part.size] * row[e];
                    sum += w[e * taps + taps - 1 - k] * drow[e + k * part.size];
                }
                drow[e] = sum;
            }
        }
    }
}

/* ---- gates between two positions ---- */

enum { STRETCH = 64 };

/* The scaled products of some rows and the keys from `begin` on. */
typedef struct GateRows {
    int r, rows; /* of the block */
    int begin, end;
    float z[SOME_ROWS * STRETCH];
} GateRows;

static const float *feature_row(const PositionContext *context, const FeatureGates *gates, int h, int t) {
    return context->features + ((size_t)h * (size_t)context->length + (size_t)t) * (size_t)gates->size;
}

static void gate_products(const PositionContext *context, const FeatureGates *gates, int h, int first,
                          GateRows *some) {
    position_product(some->z, STRETCH, feature_row(context, gates, h, first + some->r) + gates->a,
                     gates->size, feature_row(context, gates, h, some->begin) + gates->b, gates->size,
                     some->rows, some->end - some->begin, gates->count, POS_TRANSPOSE_B);
    for (int i = 0; i < some->rows * STRETCH; i++)
        some->z[i] = i % STRETCH < some->end - some->begin ? (float)gates->scale * some->z[i] : 0;
}

static float slope_of(const PositionContext *context, const FeatureGates *gates, int h) {
    if (gates->max_exponent <= 0) return 1;
    return (float)position_slope(h, context->shape->heads, gates->max_exponent);
}

/* Whether the gate of key l belongs to query i. */
static bool belongs(const FeatureGates *gates, int l, int i) {
    return gates->own ? l <= i : l < i;
}

static float *row_at(const PositionScores *block, float *s, int h, int r) {
    return s + ((size_t)h * (size_t)block->rows + (size_t)r) * (size_t)block->columns;
}

static void gate_forward_rows(const PositionContext *context, const FeatureGates *gates, int h,
                              const PositionScores *block, GateRows *some) {
    float sums[SOME_ROWS] = {0}, slope = slope_of(context, gates, h);
    int last = block->first + some->r + some->rows - 1;
    for (some->begin = last / STRETCH * STRETCH; some->begin >= 0; some->begin -= STRETCH) {
        some->end = some->begin + STRETCH < last + 1 ? some->begin + STRETCH : last + 1;
        gate_products(context, gates, h, block->first, some);
        for (int i = 0; i < some->rows * STRETCH; i++) some->z[i] = -some->z[i];
        position_softplus(some->z, some->z, some->rows * STRETCH);
        for (int r = 0; r < some->rows; r++) {
            float *s = row_at(block, block->s, h, some->r + r), *z = some->z + r * STRETCH;
            int i = block->first + some->r + r;
            for (int j = (some->end <= i + 1 ? some->end : i + 1) - 1; j >= some->begin; j--) {
                float gate = belongs(gates, j, i) ? slope * z[j - some->begin] : 0, before = sums[r];
                sums[r] += gate;
                s[j] -= gates->own ? before : sums[r];
            }
        }
    }
}

void features_gate_scores(const PositionContext *context, const FeatureGates *gates,
                          const PositionScores *block) {
    GateRows some;
    for (int h = 0; h < context->shape->heads; h++)
        for (some.r = 0; some.r < block->rows; some.r += SOME_ROWS) {
            some.rows = block->rows - some.r < SOME_ROWS ? block->rows - some.r : SOME_ROWS;
            gate_forward_rows(context, gates, h, block, &some);
        }
}

/* With P the sum of dS over the keys whose sums contain the gate of l: dz = slope P sigmoid(-z). */
static void gate_backward_rows(const PositionContext *context, const FeatureGates *gates, int h,
                               const PositionScores *block, GateRows *some) {
    float sums[SOME_ROWS] = {0}, closed[SOME_ROWS * STRETCH], slope = slope_of(context, gates, h);
    int F = gates->size, i0 = block->first + some->r, last = i0 + some->rows - 1;
    float *da = context->dfeatures + (feature_row(context, gates, h, i0) - context->features) + gates->a;
    for (some->begin = 0; some->begin <= last; some->begin += STRETCH) {
        some->end = some->begin + STRETCH < last + 1 ? some->begin + STRETCH : last + 1;
        int keys = some->end - some->begin;
        gate_products(context, gates, h, block->first, some);
        for (int i = 0; i < some->rows * STRETCH; i++) some->z[i] = -some->z[i];
        position_sigmoid(closed, some->z, some->rows * STRETCH);
        for (int r = 0; r < some->rows; r++) {
            const float *ds = row_at(block, block->ds, h, some->r + r);
            for (int j = some->begin; j < some->end; j++) {
                float before = sums[r], d = j <= i0 + r ? ds[j] : 0;
                sums[r] += d;
                float sum = belongs(gates, j, i0 + r) ? (gates->own ? before : sums[r]) : 0;
                some->z[r * STRETCH + j - some->begin] =
                    slope * (float)gates->scale * sum * closed[r * STRETCH + j - some->begin];
            }
        }
        const float *keys_of = feature_row(context, gates, h, some->begin);
        float *db = context->dfeatures + (keys_of - context->features) + gates->b;
        position_product(da, F, some->z, STRETCH, keys_of + gates->b, F, some->rows, gates->count, keys,
                         POS_ADD);
        position_product(db, F, some->z, STRETCH, feature_row(context, gates, h, i0) + gates->a, F, keys,
                         gates->count, some->rows, POS_ADD | POS_TRANSPOSE_A);
    }
}

void features_gate_scores_backward(const PositionContext *context, const FeatureGates *gates,
                                   const PositionScores *block) {
    GateRows some;
    for (int h = 0; h < context->shape->heads; h++)
        for (some.r = 0; some.r < block->rows; some.r += SOME_ROWS) {
            some.rows = block->rows - some.r < SOME_ROWS ? block->rows - some.r : SOME_ROWS;
            gate_backward_rows(context, gates, h, block, &some);
        }
}
