/* NTK by parts: rotary whose slow pairs are interpolated and whose fast pairs are not.
 *
 * bloc97, "NTK by parts", 2023; Peng et al., "YaRN", 2023, arXiv 2309.00071, section 3.2. A pair that turns
 * many times within the training length L tells near positions apart and stays; one that does not complete a
 * turn tells where in the text a position is, and is interpolated; between them goes a ramp, here over the
 * number of turns r_i = L w_i / 2 pi, as in that section (version 2 of the paper):
 *
 *     w'_i = w_i (1 - g_i (1 - 1/s)),     g_i = clamp((beta_fast - r_i) / (beta_fast - beta_slow), 0, 1)
 *
 * with w_i = base^(-2i/n). The factor s is given, or that of the pass: max(1, T / L). The authors' code, and
 * with it yarn.c, ramps over the index i instead, and scales the attention, too. s = 1 is rotary.
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryOptions rotation;
    double factor, beta_fast, beta_slow;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    ROTARY_FACTOR_FIELD(Options),
    {"beta_fast", OPTION_REAL, offsetof(Options, beta_fast), .default_value = 32, .low = 1, .high = 1e6,
     .help = "pairs with at least this many turns in the training length are not interpolated"},
    {"beta_slow", OPTION_REAL, offsetof(Options, beta_slow), .default_value = 1, .low = 1e-3, .high = 1e3,
     .help = "pairs with at most this many turns in the training length are interpolated fully"},
};

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    (void)shape;
    if (options->beta_slow <= options->beta_fast) return true;
    return error_set(err, EXIT_USAGE, "ntk_parts needs 'beta_slow' <= 'beta_fast', got %g and %g",
                     options->beta_slow, options->beta_fast);
}

/* How far a frequency is interpolated, 0 to 1. */
static double ramp(const PositionShape *shape, const Options *options, double frequency) {
    double turns = shape->train_length * frequency / (2 * M_PI);
    if (turns >= options->beta_fast) return 0;
    if (turns <= options->beta_slow) return 1;
    return (options->beta_fast - turns) / (options->beta_fast - options->beta_slow);
}

static double frequency(const PositionContext *context, int pair, double *amplitude) {
    const Options *options = context->options;
    double base = rotary_base_frequency(context, pair), s = rotary_factor(context, options->factor);
    (void)amplitude;
    return base * (1 - ramp(context->shape, options, base) * (1 - 1 / s));
}

const PositionMethod method_ntk_parts = {
    .name = "ntk_parts",
    .label = "Rotary + NTK by parts",
    .citation = "Peng et al. 2023, arXiv 2309.00071, section 3.2",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    ROTARY_HOOKS(frequency),
};
