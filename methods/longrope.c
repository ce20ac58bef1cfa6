/* LongRoPE: rotary with a factor of its own for each frequency.
 *
 * Ding et al., "LongRoPE: extending LLM context window beyond 2 million tokens", 2024, arXiv 2402.13753,
 * sections 2 and 3. Beyond the first n0 positions, which are as in rotary.c, the frequencies w_i =
 * base^(-2i/n) are divided by factors that a search found on the trained model:
 *
 *     angle of pair i: t w_i / l_i,     q, k -> m q, m k,     m = sqrt(1 + ln s / ln L)     for t >= n0
 *
 * with s as in pi.c; m is that of the authors' released models (transformers, modeling_rope_utils), n0 that
 * of their code (microsoft/LongRoPE, MixedLongRoPEScaledRotaryEmbedding). `factors` takes the l_i of a
 * search; without them l_i = s^(i / (n/2 - 1)), as in ntk.c, or s, as in pi.c: two of the points where it
 * starts.
 */
#include "position/rotary.h"

#include <math.h>

typedef enum Preset { PRESET_GEOMETRIC, PRESET_UNIFORM } Preset;
static const char *const presets[] = {"geometric", "uniform", NULL};

typedef struct Options {
    RotaryExtension extension;
    double attention;
    int64_t unscaled;
    int preset;
    const char *factors;
} Options;

static const OptionField fields[] = {
    ROTARY_EXTENSION_FIELDS,
    {"preset", OPTION_CHOICE, offsetof(Options, preset), .default_value = PRESET_GEOMETRIC,
     .choices = presets, .help = "factors of the pairs if 'factors' is empty: growing from 1 to s, or all s"},
    {"factors", OPTION_TEXT, offsetof(Options, factors),
     .help = "a factor of at least 1 for each pair, fastest first, separated by commas"},
    {"unscaled", OPTION_INT, offsetof(Options, unscaled), .default_value = 4, .low = 0, .high = 1 << 20,
     .help = "number of first positions that are not interpolated"},
    {"attention", OPTION_REAL, offsetof(Options, attention), .default_value = 0, .low = 0, .high = 4,
     .help = "queries and keys after the first are scaled by this; 0: by sqrt(1 + ln s / ln L)"},
};

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    int half = rotary_size(shape, options) / 2;
    for (int pair = 0; *options->factors && pair < half; pair++)
        if (!(options_number_of(options->factors, pair, half) >= 1))
            return error_set(err, EXIT_USAGE,
                             "needs 'factors' to be %d numbers from 1 on, as \"1,1.5\", got \"%s\"", half,
                             options->factors);
    return true;
}

static PositionRotation rotation(const PositionContext *context, PositionRole role, int pair,
                                 double position) {
    const Options *options = context->options;
    double s = rotary_factor(context), w = rotary_frequency(context, pair), divisor = s,
           m = options->attention;
    int n = rotary_size(context->shape, options);
    (void)role;
    if (s <= 1 || position < (double)options->unscaled) return rotary_turn(context, w, position, 1);
    if (*options->factors)
        divisor = options_number_of(options->factors, pair, n / 2);
    else if (options->preset == PRESET_GEOMETRIC && n > 2)
        divisor = pow(s, 2.0 * pair / (n - 2));
    if (m == 0) m = sqrt(1 + log(s) / log(fmax(context->shape->train_length, 2)));
    return rotary_turn(context, w / divisor, position, m);
}

const PositionMethod method_longrope = {
    .name = "longrope",
    .label = "Rotary + LongRoPE",
    .citation = "Ding et al. 2024, arXiv 2402.13753, sections 2 and 3",
    POSITION_OPTIONS(Options, fields),
    .check = check,
    ROTARY_ROTATION(rotation),
};
