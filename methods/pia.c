/* PIA: position-infused attention.
 *
 * Press, Smith and Lewis, "Shortformer", 2020, arXiv 2012.15832, section 5. Nothing is added to the
 * embeddings; in every layer the sinusoidal vector of position t is added to the input of the projections to
 * queries and keys, but not to that of values, so that the output of a layer contains no position vectors:
 *
 *     q_t = W_q (LN1(x_t) + P_t)    k_t = W_k (LN1(x_t) + P_t)    v_t = W_v LN1(x_t)
 *
 *     P(t, i) = sin(t w_i)    P(t, C/2+i) = cos(t w_i)    w_i = base^(-i/(C/2-1))    t = 2, 3, ...
 *
 * The authors' code (github.com/ofirpress/shortformer, fairseq/modules/transformer_layer.py) adds them after
 * the LayerNorm and uses fairseq's sinusoids, whose first position is 2.
 */
#include "position/position.h"

#include <string.h>

typedef struct Options {
    double base;
} Options;

static const OptionField fields[] = {
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e9,
     .help = "ratio of the longest to the shortest wavelength"},
};

static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->width % 2 == 0 && shape->width >= 4) return true;
    return error_set(err, EXIT_USAGE, "needs an even 'model.width' of at least 4, got %d", shape->width);
}

static void *prepare(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena) {
    const PositionSinusoids kind = {((const Options *)options)->base, shape->width / 2.0 - 1, .first = 2};
    return position_sinusoids(&kind, shape->width, length, positions, arena);
}

static void input(const PositionContext *context, float *p) {
    memcpy(p, context->tables, (size_t)context->length * context->shape->width * sizeof *p);
}

const PositionMethod method_pia = {
    .name = "pia",
    .label = "PIA",
    .citation = "Press, Smith and Lewis 2020, arXiv 2012.15832, section 5",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .prepare = prepare,
    .input = input,
};
