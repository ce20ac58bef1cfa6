/* YaRN: NTK by parts, and sharper attention.
 *
 * Peng, Quesnelle, Fan and Shippole, "YaRN: efficient context window extension of large language models",
 * 2023, arXiv 2309.00071, sections 3.2 and 3.4. As ntk_parts.c, but the ramp goes over the index of the pair,
 * as in the authors' code (scaled_rope/LlamaYaRNScaledRotaryEmbedding.py), and queries and keys grow:
 *
 *     w'_i = w_i (1 - g_i (1 - 1/s)),     g_i = clamp((i - low) / (high - low), 0, 1),     w_i = base^(-2i/n)
 *     low = floor(c(beta_fast)),     high = ceil(c(beta_slow)),     c(r) = n ln(L / 2 pi r) / (2 ln base)
 *     q, k -> m q, m k,     m = 0.1 ln s + 1;     pair c(r) turns r times in L;  0 <= low <= high <= n - 1
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryRamp ramp;
    double attention;
} Options;

static const OptionField fields[] = {
    ROTARY_RAMP_FIELDS,
    {"attention", OPTION_REAL, offsetof(Options, attention), .default_value = 0.1, .low = 0, .high = 1,
     .help = "queries and keys are scaled by attention ln(factor) + 1"},
};

static PositionRotation rotation(const PositionContext *context, PositionRole role, int pair,
                                 double position) {
    const Options *options = context->options;
    int n = rotary_size(context->shape, options);
    double low = fmax(floor(rotary_pair_of(context, options->ramp.beta_fast)), 0);
    double high = fmax(fmin(ceil(rotary_pair_of(context, options->ramp.beta_slow)), n - 1), low);
    double w = rotary_blend(context, pair, rotary_ramp(pair - low, high - low));
    (void)role;
    return rotary_turn(context, w, position, options->attention * log(rotary_factor(context)) + 1);
}

const PositionMethod method_yarn = {
    .name = "yarn",
    .label = "Rotary + YaRN",
    .citation = "Peng et al. 2023, arXiv 2309.00071, sections 3.2 and 3.4",
    .claims = POS_SHIFT_INVARIANT,
    POSITION_OPTIONS(Options, fields),
    .check = rotary_check_ramp,
    ROTARY_ROTATION(rotation),
};
