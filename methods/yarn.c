/* YaRN: NTK by parts, and colder attention.
 *
 * Peng, Quesnelle, Fan and Shippole, "YaRN: efficient context window extension of large language models",
 * 2023, arXiv 2309.00071, sections 3.2 and 3.4. Pairs that turn often within the training length L stay, slow
 * ones are interpolated by s, and queries and keys grow, so that the scores of a longer text are as sharp:
 *
 *     w_i = base^(-2i/n),     w'_i = w_i (1 - g_i (1 - 1/s)),     g_i = clamp((i - low) / (high - low), 0, 1)
 *     low = floor(c(beta_fast)),     high = ceil(c(beta_slow)),     c(r) = n ln(L / 2 pi r) / (2 ln base)
 *     q, k -> m q, m k,     m = 0.1 ln s + 1
 *
 * c(r) is the index of the pair that turns r times in L. Section 3.2 (of version 2 of the paper) has the ramp
 * over the number of turns (ntk_parts.c); the authors' code (scaled_rope/LlamaYaRNScaledRotaryEmbedding.py)
 * and transformers have it over the index, low and high kept within 0 and n - 1, and so has this. m
 * multiplies cosines and sines, hence m^2 the scores. The factor s is given, or that of the pass: max(1, T /
 * L). s = 1 is rotary.
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

/* c(r) */
static double pair_of(const PositionContext *context, double turns) {
    const RotaryOptions *rotation = context->options;
    int n = rotary_size(context->shape, rotation);
    return n * log(context->shape->train_length / (2 * M_PI * turns)) / (2 * log(rotation->base));
}

static double frequency(const PositionContext *context, int pair) {
    const RotaryRamp *ramp = context->options;
    int last = rotary_size(context->shape, ramp) - 1;
    double low = fmax(floor(pair_of(context, ramp->beta_fast)), 0);
    double high = fmax(fmin(ceil(pair_of(context, ramp->beta_slow)), last), low);
    return rotary_blend(context, pair, rotary_ramp(pair - low, high - low));
}

static double amplitude(const PositionContext *context) {
    return ((const Options *)context->options)->attention * log(rotary_factor(context)) + 1;
}

const PositionMethod method_yarn = {
    .name = "yarn",
    .label = "Rotary + YaRN",
    .citation = "Peng et al. 2023, arXiv 2309.00071, sections 3.2 and 3.4",
    .claims = POS_SHIFT_INVARIANT,
    POSITION_OPTIONS(Options, fields),
    .check = rotary_check_ramp,
    ROTARY_HOOKS(frequency),
    .amplitude = amplitude,
};
