/* mutants_scores: mutants of methods that act on scores. */
#include "mutants.h"

#include <math.h>
#include <string.h>
#include "position/encoding.h"

enum { MOST = 1 << 20 }; /* numbers that a mutant can store */

static float aside[MOST];

static const PositionMethod *real(const char *name) {
    return encoding_find(name);
}

static float *keep(const float *x, size_t count) {
    if (count > MOST) BUG("%zu numbers are too many for a mutant", count);
    return memcpy(aside, x, count * sizeof *x);
}

/* ---- ReRoPE ---- */

static int one_nearer(const PositionShape *shape, const void *options) {
    return real("rerope")->horizon(shape, options) - 1;
}

static void horizon_off_by_one(PositionMethod *m) {
    m->horizon = one_nearer;
}

static void far_key_hook(const PositionContext *context, PositionRole role, float *x, int stride) {
    real("rerope")->transform(context, role == POS_KEY_FAR ? POS_KEY : role, x, stride);
}

static void far_keys_turned(PositionMethod *m) {
    m->transform = far_key_hook;
}

static void far_forward_hook(const PositionContext *context, PositionRole role, const float *input, float *x,
                             int stride) {
    const PositionMethod *m = real("rerope");
    if (role == POS_QUERY_FAR)
        m->transform(context, role, x, stride);
    else
        m->transform_backward(context, role, input, x, stride);
}

static void far_turned_forward(PositionMethod *m) {
    m->transform_backward = far_forward_hook;
}

/* ---- Shaw ---- */

static void next_vector(const PositionContext *context, PositionRole role, float *r) {
    int n = real("shaw")->vector_count(context->shape, context->options, role, context->length);
    size_t size = (size_t)context->shape->head_dim, count = (size_t)n * size;
    real("shaw")->vectors(context, role, r);
    for (int h = 0; h < context->shape->heads; h++, r += count)
        memmove(r, r + size, (count - size) * sizeof *r);
}

static void vectors_off_by_one(PositionMethod *m) {
    m->vectors = next_vector;
}

static int keys_alone(const PositionShape *shape, const void *options, PositionRole role, int length) {
    return role == POS_KEY ? real("shaw")->vector_count(shape, options, role, length) : 0;
}

static void values_forgotten(PositionMethod *m) {
    m->vector_count = keys_alone;
}

static void keys_learn_alone(const PositionContext *context, PositionRole role, const float *dr) {
    if (role == POS_KEY) real("shaw")->vectors_backward(context, role, dr);
}

static void values_not_trained(PositionMethod *m) {
    m->vectors_backward = keys_learn_alone;
}

static void first_head_alone(const PositionContext *context, PositionRole role, const float *dr) {
    PositionContext first = *context;
    PositionShape shape = *context->shape;
    shape.heads = 1, first.shape = &shape;
    real("shaw")->vectors_backward(&first, role, dr);
}

static void gradient_of_first_head(PositionMethod *m) {
    m->vectors_backward = first_head_alone;
}

static void vectors_claimed_by_position(PositionMethod *m) {
    m->claims |= POS_BY_POSITION;
}

static void vectors_alone(PositionMethod *m) {
    m->vectors_backward = NULL;
}

/* ---- Transformer-XL ---- */

enum { XL_U = 1, XL_V };

static PositionContext swapped(const PositionContext *context) {
    PositionContext other = *context;
    other.param[XL_U] = context->param[XL_V], other.param[XL_V] = context->param[XL_U];
    other.grad[XL_U] = context->grad[XL_V], other.grad[XL_V] = context->grad[XL_U];
    return other;
}

static void swapped_transform(const PositionContext *context, PositionRole role, float *x, int stride) {
    PositionContext other = swapped(context);
    real("transformer_xl")->transform(&other, role, x, stride);
}

static void swapped_bias(const PositionContext *context, float *bias) {
    PositionContext other = swapped(context);
    real("transformer_xl")->distance_bias(&other, bias);
}

static void u_and_v_swapped(PositionMethod *m) {
    m->transform = swapped_transform;
    m->distance_bias = swapped_bias;
}

static void v_forgotten(PositionMethod *m) {
    m->distance_bias = NULL;
    m->distance_bias_backward = NULL;
}

static void u_from_transform_alone(const PositionContext *context, const float *dbias) {
    size_t count = (size_t)context->shape->width;
    const float *du = keep(context->grad[XL_U], count);
    real("transformer_xl")->distance_bias_backward(context, dbias);
    memcpy(context->grad[XL_U], du, count * sizeof *du);
}

static void u_half_trained(PositionMethod *m) {
    m->distance_bias_backward = u_from_transform_alone;
}

/* ---- FoX ---- */

static void opened(const PositionContext *context, const float *x, float *gates) {
    real("fox")->gate(context, x, gates);
    for (int i = 0; i < context->shape->heads * context->length; i++) gates[i] = -gates[i];
}

static void gates_open(PositionMethod *m) {
    m->gate = opened;
}

static void one_later(const PositionContext *context, const float *x, float *gates) {
    real("fox")->gate(context, x, gates);
    for (int i = context->shape->heads * context->length - 1; i > 0; i--)
        gates[i] = i % context->length ? gates[i - 1] : 0;
}

static void gate_of_the_row_before(PositionMethod *m) {
    m->gate = one_later;
}

static void into_nothing(const PositionContext *context, const float *x, const float *dgates, float *dx) {
    size_t count = (size_t)context->length * (size_t)context->shape->width;
    const float *was = keep(dx, count);
    real("fox")->gate_backward(context, x, dgates, dx);
    memcpy(dx, was, count * sizeof *dx);
}

static void input_not_reached(PositionMethod *m) {
    m->gate_backward = into_nothing;
}

static void gates_alone(PositionMethod *m) {
    m->gate_backward = NULL;
}

/* ---- FIRE ---- */

/* The bias of (i, j) with the normaliser of query j, or of the first query with the same distance. */
static void normalised_by_key(const PositionContext *context, float *bias, int head, int first, int rows) {
    size_t length = (size_t)context->length;
    if (length * length > MOST) BUG("%d positions are too many for a mutant", context->length);
    real("fire")->pair_bias(context, aside, head, 0, context->length);
    for (int r = 0; r < rows; r++)
        for (int j = 0; j <= first + r; j++) {
            int d = first + r - j, i = j > d ? j : d;
            bias[(size_t)r * length + (size_t)j] = aside[(size_t)i * length + (size_t)(i - d)];
        }
}

static void normaliser_by_key(PositionMethod *m) {
    m->pair_bias = normalised_by_key;
}

static void next_head(const PositionContext *context, float *bias, int head, int first, int rows) {
    real("fire")->pair_bias(context, bias, (head + 1) % context->shape->heads, first, rows);
}

static void bias_of_next_head(PositionMethod *m) {
    m->pair_bias = next_head;
}

enum { FIRE_C = 4, FIRE_MULTIPLIER };

static void with_fixed(const PositionContext *context, int tensor, const float *dbias, int head, int first,
                       int rows) {
    float was = context->grad[tensor][0];
    real("fire")->pair_bias_backward(context, dbias, head, first, rows);
    context->grad[tensor][0] = was;
}

static void multiplier_fixed(const PositionContext *context, const float *dbias, int head, int first,
                             int rows) {
    with_fixed(context, FIRE_MULTIPLIER, dbias, head, first, rows);
}

static void multiplier_not_trained(PositionMethod *m) {
    m->pair_bias_backward = multiplier_fixed;
}

static void c_fixed(const PositionContext *context, const float *dbias, int head, int first, int rows) {
    with_fixed(context, FIRE_C, dbias, head, first, rows);
}

static void c_not_trained(PositionMethod *m) {
    m->pair_bias_backward = c_fixed;
}

static void pairs_claimed_shift_invariant(PositionMethod *m) {
    m->claims |= POS_SHIFT_INVARIANT;
}

static void claimed_normalised(PositionMethod *m) {
    m->claims |= POS_NORMALISED;
}

static void not_claimed_normalised(PositionMethod *m) {
    m->claims &= ~(unsigned)POS_NORMALISED;
}

static void too_far(const PositionContext *context, float *bias, int head, int first, int rows) {
    real("fire")->pair_bias(context, bias, head, first, rows);
    bias[(size_t)rows * (size_t)context->length] = 0;
}

static void row_too_many(PositionMethod *m) {
    m->pair_bias = too_far;
}

/* ---- CoPE ---- */

static void turn_round(float *s, int count) {
    for (int j = 0; j < count / 2; j++) {
        float other = s[j];
        s[j] = s[count - 1 - j], s[count - 1 - j] = other;
    }
}

static void turn_rows(const PositionScores *b, int heads) {
    for (int row = 0; row < heads * b->rows; row++)
        turn_round(b->s + (size_t)row * (size_t)b->columns, b->first + row % b->rows + 1);
}

static void counted_from_first_key(const PositionContext *context, const PositionScores *block) {
    turn_rows(block, context->shape->heads);
    real("cope")->scores(context, block);
    turn_rows(block, context->shape->heads);
}

static void counts_from_first_key(PositionMethod *m) {
    m->scores = counted_from_first_key;
}

static void counts_fixed(const PositionContext *context, const PositionScores *block) {
    size_t count = (size_t)context->shape->heads * (size_t)block->rows * (size_t)block->columns;
    const float *ds = keep(block->ds, count);
    real("cope")->scores_backward(context, block);
    memcpy(block->ds, ds, count * sizeof *ds);
}

static void counts_not_trained(PositionMethod *m) {
    m->scores_backward = counts_fixed;
}

static void no_queries(const PositionContext *context, const PositionScores *block) {
    PositionScores other = *block;
    size_t one = (size_t)block->rows * (size_t)block->stride;
    float *dq[64];
    if (context->shape->heads > COUNT_OF(dq) || (size_t)context->shape->heads * one > MOST)
        BUG("%d heads are too many for a mutant", context->shape->heads);
    for (int h = 0; h < context->shape->heads; h++) dq[h] = aside + (size_t)h * one;
    other.dq = dq;
    real("cope")->scores_backward(context, &other);
}

static void queries_not_reached(PositionMethod *m) {
    m->scores_backward = no_queries;
}

/* ---- DAPE ---- */

/* The block with each head's bias replaced by that of the next head. */
static PositionScores permuted(const PositionContext *context, const PositionScores *block) {
    PositionScores other = *block;
    size_t length = (size_t)context->length, heads = (size_t)context->shape->heads;
    if (heads * length > MOST) BUG("%zu biases are too many for a mutant", heads * length);
    for (size_t h = 0; h < heads; h++)
        memcpy(aside + h * length, block->bias + (h + 1) % heads * length, length * sizeof *aside);
    other.bias = aside;
    return other;
}

static void permuted_hook(const PositionContext *context, const PositionScores *block) {
    PositionScores other = permuted(context, block);
    real("dape")->scores(context, &other);
}

static void heads_permuted(PositionMethod *m) {
    m->scores = permuted_hook;
}

static void bias_fixed(const PositionContext *context, const PositionScores *block) {
    static double nowhere[MOST];
    PositionScores other = *block;
    other.dbias = nowhere;
    real("dape")->scores_backward(context, &other);
}

static void bias_through_scores_alone(PositionMethod *m) {
    m->scores_backward = bias_fixed;
}

static void scores_written_hook(const PositionContext *context, const PositionScores *block) {
    real("dape")->scores_backward(context, block);
    block->s[0] += 1;
}

static void scores_written(PositionMethod *m) {
    m->scores_backward = scores_written_hook;
}

/* ---- methods of 2024 to 2026 ---- */

static void near_tables(const PositionContext *context, PositionRole role, float *x, int stride) {
    real("self_extend")->transform(context, role == POS_QUERY_FAR ? POS_QUERY : role, x, stride);
}

static void far_query_not_grouped(PositionMethod *m) {
    m->transform = near_tables;
}

static int one_nearer_extended(const PositionShape *shape, const void *options) {
    int w = real("self_extend")->horizon(shape, options);
    return w > 1 ? w - 1 : 2;
}

static void extended_off_by_one(PositionMethod *m) {
    m->horizon = one_nearer_extended;
}

static void next_wavelet(const PositionContext *context, PositionRole role, float *r) {
    size_t size = (size_t)context->shape->head_dim;
    size_t rows =
        (size_t)real("wavelet")->vector_count(context->shape, context->options, role, context->length);
    real("wavelet")->vectors(context, role, r);
    for (size_t h = 0; h < (size_t)context->shape->heads; h++, r += rows * size)
        memmove(r, r + size, (rows - 1) * size * sizeof *r);
}

static void wavelet_off_by_one(PositionMethod *m) {
    m->vectors = next_wavelet;
}

static void without_queries(const char *method, const PositionContext *context, const PositionScores *block) {
    PositionScores other = *block;
    size_t one = (size_t)block->rows * (size_t)block->stride;
    float *dq[64];
    if (context->shape->heads > COUNT_OF(dq) || (size_t)context->shape->heads * one > MOST)
        BUG("%d heads are too many for a mutant", context->shape->heads);
    for (int h = 0; h < context->shape->heads; h++) dq[h] = aside + (size_t)h * one;
    other.dq = dq;
    real(method)->scores_backward(context, &other);
}

static void grape_queries_hook(const PositionContext *context, const PositionScores *block) {
    without_queries("grape_a", context, block);
}

static void grape_queries_not_reached(PositionMethod *m) {
    m->scores_backward = grape_queries_hook;
}

/* The remainder of row i, which S[i,i] is, is lost. */
static void remainder_hook(const PositionContext *context, const PositionScores *block) {
    real("stick_breaking")->scores(context, block);
    for (int row = 0; row < context->shape->heads * block->rows; row++)
        block->s[(size_t)row * (size_t)block->columns + (size_t)(block->first + row % block->rows)] = 0;
}

static void remainder_forgotten(PositionMethod *m) {
    m->scores = remainder_hook;
}

static void remainder_fixed_hook(const PositionContext *context, const PositionScores *block) {
    for (int row = 0; row < context->shape->heads * block->rows; row++)
        block->ds[(size_t)row * (size_t)block->columns + (size_t)(block->first + row % block->rows)] = 0;
    real("stick_breaking")->scores_backward(context, block);
}

static void remainder_not_trained(PositionMethod *m) {
    m->scores_backward = remainder_fixed_hook;
}

/* As if every text had another row: the unit after the last query counts. */
static void longer_text_hook(const PositionContext *context, const PositionScores *block) {
    PositionContext longer = *context;
    PositionScores other = *block;
    size_t T = (size_t)context->length, heads = (size_t)context->shape->heads;
    if (heads * (T + 1) > MOST) BUG("%zu biases are too many for a mutant", heads * T);
    for (size_t h = 0; h < heads; h++) memcpy(aside + h * (T + 1), block->bias + h * T, T * sizeof *aside);
    longer.length++, other.bias = aside;
    real("dape_v2")->scores(&longer, &other);
}

static void padded_beyond_the_text(PositionMethod *m) {
    m->scores = longer_text_hook;
}

static void v2_bias_fixed(const PositionContext *context, const PositionScores *block) {
    static double nowhere[MOST];
    PositionScores other = *block;
    other.dbias = nowhere;
    real("dape_v2")->scores_backward(context, &other);
}

static void v2_bias_through_scores_alone(PositionMethod *m) {
    m->scores_backward = v2_bias_fixed;
}

const MethodMutant scores_mutants[] = {
    {"horizon off by one", "rerope", "formulas", NULL, horizon_off_by_one},
    {"keys rotated beyond the horizon", "rerope", "formulas", NULL, far_keys_turned},
    {"far queries rotated in the wrong direction", "rerope", "gradient", NULL, far_turned_forward},
    {"vectors of the next distance", "shaw", "formulas", NULL, vectors_off_by_one},
    {"vectors at values forgotten", "shaw", "formulas", NULL, values_forgotten},
    {"vectors at values not trained", "shaw", "gradient", NULL, values_not_trained},
    {"gradient of the first head alone", "shaw", "gradient", NULL, gradient_of_first_head},
    {"claims to follow positions", "shaw", "positions", NULL, vectors_claimed_by_position},
    {"vectors without backward", "shaw", "form", NULL, vectors_alone},
    {"u and v swapped", "transformer_xl", "formulas", NULL, u_and_v_swapped},
    {"v forgotten", "transformer_xl", "formulas", NULL, v_forgotten},
    {"u without its share of the bias", "transformer_xl", "gradient", NULL, u_half_trained},
    {"gates of the wrong sign", "fox", "formulas", NULL, gates_open},
    {"gate of the row before", "fox", "formulas", NULL, gate_of_the_row_before},
    {"input of the gates without gradient", "fox", "gradient", NULL, input_not_reached},
    {"gate without backward", "fox", "form", NULL, gates_alone},
    {"normaliser by the key", "fire", "formulas", NULL, normaliser_by_key},
    {"bias of the next head", "fire", "formulas", NULL, bias_of_next_head},
    {"multiplier not trained", "fire", "gradient", NULL, multiplier_not_trained},
    {"c not trained", "fire", "gradient", NULL, c_not_trained},
    {"claims to be shift invariant", "fire", "shift", NULL, pairs_claimed_shift_invariant},
    {"writes a row too many", "fire", "purity", NULL, row_too_many},
    {"counts from the first key", "cope", "formulas", NULL, counts_from_first_key},
    {"gates of the counts not trained", "cope", "gradient", NULL, counts_not_trained},
    {"queries without gradient", "cope", "gradient", NULL, queries_not_reached},
    {"heads of the bias permuted", "dape", "formulas", NULL, heads_permuted},
    {"bias learns through scores alone", "dape", "gradient", NULL, bias_through_scores_alone},
    {"far queries not grouped", "self_extend", "formulas", NULL, far_query_not_grouped},
    {"horizon off by one", "self_extend", "formulas", NULL, extended_off_by_one},
    {"wavelets of the next distance", "wavelet", "formulas", NULL, wavelet_off_by_one},
    {"queries without gradient", "grape_a", "gradient", NULL, grape_queries_not_reached},
    {"remainder forgotten", "stick_breaking", "formulas", NULL, remainder_forgotten},
    {"claims not to be normalised", "stick_breaking", "normalised", NULL, not_claimed_normalised},
    {"claims to be normalised", "dape", "normalised", NULL, claimed_normalised},
    {"remainder not trained", "stick_breaking", "gradient", NULL, remainder_not_trained},
    {"text without an end", "dape_v2", "formulas", NULL, padded_beyond_the_text},
    {"bias learns through scores alone", "dape_v2", "gradient", NULL, v2_bias_through_scores_alone},
    {"backward changes the scores", "dape", "purity", NULL, scores_written},
};
const int scores_mutant_count = COUNT_OF(scores_mutants);
