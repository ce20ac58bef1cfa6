/* Bounded ALiBi: ALiBi with a learned factor and a learned lower bound.
 *
 * github.com/google-research/meliad, transformer/position_alibi.py (BoundedALiBi); there is no paper. The
 * bias is ALiBi's, times a factor shared by the heads of a layer, and does not fall below a bound, so that
 * far keys keep some weight:
 *
 *     B[h,d] = max(-|s| m_h d, -|b|),      m_h = 2^(-8 h/H), h = 1..H;      s = b = 1 at the start
 *
 * Option `slopes` learns the slopes m_h instead of s, `by_head` learns one b for each head, and `fixed_bound`
 * sets b (2 in some of meliad's configurations). Unlike alibi.c, the slopes follow the formula for every H.
 * Where the bound does not apply, dB/ds = -sign(s) m_h d and dB/dm_h = -sign(m_h) d; elsewhere dB/db =
 * -sign(b).
 *
 * Speed: H T numbers per layer, of 3 operations each. Each pair costs one addition forward and two backward,
 * where scores are computed again and gradients summed along diagonals, in addition to none's 14 D
 * operations.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    bool slopes, by_head;
    double fixed_bound;
} Options;

static const OptionField fields[] = {
    {"slopes", OPTION_BOOL, offsetof(Options, slopes), .default_value = 0,
     .help = "learn one slope for each head, instead of one factor for each layer"},
    {"by_head", OPTION_BOOL, offsetof(Options, by_head), .default_value = 0,
     .help = "learn one bound for each head, instead of one for each layer"},
    {"fixed_bound", OPTION_REAL, offsetof(Options, fixed_bound), .default_value = 0, .low = 0.01, .high = 1e6,
     .or_zero = true, .help = "fixed bound, instead of a learned one; 0: learned"},
};

enum { SCALE, BOUND };

static int layout(const PositionShape *shape, const void *opaque, PositionTensor tensors[]) {
    const Options *options = opaque;
    tensors[SCALE] = (PositionTensor){.name = options->slopes ? "slope" : "scale",
                                      .rank = 1,
                                      .dims = {options->slopes ? shape->heads : 1},
                                      .per_layer = true};
    tensors[BOUND] = (PositionTensor){
        .name = "bound", .rank = 2, .dims = {options->by_head ? shape->heads : 1, 1}, .per_layer = true};
    return options->fixed_bound > 0 ? 1 : 2;
}

static double slope(int h, int heads) {
    return exp2(-8.0 * (h + 1) / heads);
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    const Options *options = context->options;
    int heads = context->shape->heads;
    (void)rng;
    for (int h = 0; index == SCALE && options->slopes && h < heads; h++) value[h] = (float)slope(h, heads);
    if (index == SCALE && !options->slopes) value[0] = 1;
    for (int h = 0; index == BOUND && h < (options->by_head ? heads : 1); h++) value[h] = 1;
}

/* With the slopes of one or two heads (2^-8, 2^-4) short texts do not reach the bound, so it would not be
   learned. */
static bool check(const PositionShape *shape, const void *options, Error *err) {
    (void)options;
    if (shape->heads > 2) return true;
    return error_set(err, EXIT_USAGE, "needs at least 3 heads, got %d", shape->heads);
}

/* The bias of head h is max(-|rate| step d, -|bound|). */
typedef struct Head {
    float rate, step, bound;
    int rate_at, bound_at;
} Head;

static Head head_of(const PositionContext *context, int h) {
    const Options *options = context->options;
    Head head = {.rate_at = options->slopes ? h : 0, .bound_at = options->by_head ? h : 0};
    head.rate = context->param[SCALE][head.rate_at];
    head.step = options->slopes ? 1 : (float)slope(h, context->shape->heads);
    head.bound =
        options->fixed_bound > 0 ? (float)options->fixed_bound : context->param[BOUND][head.bound_at];
    return head;
}

static void distance_bias(const PositionContext *context, float *bias) {
    for (int h = 0; h < context->shape->heads; h++) {
        Head head = head_of(context, h);
        for (int d = 0; d < context->length; d++) {
            float penalty = -fabsf(head.rate) * head.step * (float)d, lowest = -fabsf(head.bound);
            *bias++ = penalty >= lowest || isnan(penalty) ? penalty : lowest;
        }
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    bool fixed = ((const Options *)context->options)->fixed_bound > 0;
    for (int h = 0; h < context->shape->heads; h++) {
        Head head = head_of(context, h);
        double above = 0, below = 0;
        for (int d = 0; d < context->length; d++, dbias++)
            if (-fabsf(head.rate) * head.step * (float)d < -fabsf(head.bound))
                below += *dbias;
            else
                above += (double)*dbias * d;
        context->grad[SCALE][head.rate_at] -= (float)(copysign(head.step, head.rate) * above);
        if (!fixed) context->grad[BOUND][head.bound_at] -= (float)(copysign(1, head.bound) * below);
    }
}

const PositionMethod method_bounded_alibi = {
    .name = "bounded_alibi",
    .label = "Bounded ALiBi",
    .citation = "google-research/meliad 2022, position_alibi.py",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
};
