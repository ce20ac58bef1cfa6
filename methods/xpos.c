/* xPos: rotary whose pairs also decay with distance, those of high frequency most.
 *
 * Sun et al., "A length-extrapolatable transformer", 2022, arXiv 2212.10554, section 3. Pair i of the n
 * rotated coordinates is rotated as in rotary.c, and scaled up in queries and down in keys:
 *
 *     q -> z_i^((t - L/2)/b) rotated q,   k -> z_i^(-(t - L/2)/b) rotated k,   z_i = (2i + g n) / (n + g n)
 *
 * so that the product of a pair decays by z_i^(d/b) at distance d; g = 0.4 in the paper, b = 512 in the
 * authors' code (torchscale/component/xpos_relative_position.py). They count t from the middle of the pass,
 * which gives the same scores. The limit is where a scale leaves 1e-15 to 1e15, which is safe in float.
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryOptions rotation;
    double scale_base, gamma;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    {"scale_base", OPTION_REAL, offsetof(Options, scale_base), .default_value = 512, .low = 64, .high = 1e6,
     .help = "distance at which the scores of a pair have decayed by its factor"},
    {"gamma", OPTION_REAL, offsetof(Options, gamma), .default_value = 0.4, .low = 0.05, .high = 100,
     .help = "the factor of the fastest pair is gamma / (1 + gamma)"},
};

static int limit(const PositionShape *shape, const void *opaque) {
    const Options *options = opaque;
    double fastest = log((1 + options->gamma) / options->gamma) / options->scale_base;
    return (int)fmin(shape->train_length / 2 + 15 * log(10) / fastest, 1 << 30);
}

static PositionRotation rotation(const PositionContext *context, PositionRole role, int pair,
                                 double position) {
    const Options *options = context->options;
    double n = rotary_size(context->shape, options), g = options->gamma;
    double growth = log((2 * pair + g * n) / (n + g * n)) / options->scale_base;
    int middle = context->shape->train_length / 2, sign = role == POS_QUERY ? 1 : -1;
    return rotary_turn(context, rotary_frequency(context, pair), position,
                       exp(sign * growth * (position - middle)));
}

const PositionMethod method_xpos = {
    .name = "xpos",
    .label = "xPos",
    .citation = "Sun et al. 2022, arXiv 2212.10554, section 3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .limit = limit,
    ROTARY_ROTATION(rotation),
};
