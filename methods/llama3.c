/* Llama 3's scaling of rotary: NTK by parts (ntk_parts.c) with other bounds.
 *
 * Dubey et al., "The Llama 3 herd of models", 2024, arXiv 2407.21783, and the authors' code (llama-models,
 * apply_scaling). With the number of turns r_i = L w_i / 2 pi of pair i within the training length L:
 *
 *     w'_i = (1 - a) w_i / s + a w_i,     a = clamp((r_i - low) / (high - low), 0, 1),     w_i = base^(-2i/n)
 *
 * with low = 1, high = 4, s = 8 and L = 8192 in Llama 3.1. Option `factor` gives s, as in pi.c.
 */
#include "position/rotary.h"

typedef struct Options {
    RotaryExtension extension;
    double low, high;
} Options;

static const OptionField fields[] = {
    ROTARY_EXTENSION_FIELDS,
    {"low", OPTION_REAL, offsetof(Options, low), .default_value = 1, .low = 1e-6, .high = 1e3,
     .help = "pairs with fewer rotations in the training length are fully interpolated"},
    {"high", OPTION_REAL, offsetof(Options, high), .default_value = 4, .low = 1e-3, .high = 1e6,
     .help = "pairs with more rotations in the training length are not interpolated"},
};

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    (void)shape;
    if (options->low < options->high) return true;
    return error_set(err, EXIT_USAGE, "needs 'low' < 'high', got %g and %g", options->low, options->high);
}

static double frequency(const PositionContext *context, int pair) {
    const Options *options = context->options;
    double turns = rotary_turns(context, rotary_frequency(context, pair));
    return rotary_blend(context, pair, 1 - rotary_ramp(turns - options->low, options->high - options->low));
}

const PositionMethod method_llama3 = {
    .name = "llama3",
    .label = "Rotary + Llama 3",
    .citation = "Dubey et al. 2024, arXiv 2407.21783",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    ROTARY_HOOKS(frequency),
};
