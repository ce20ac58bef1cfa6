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
    RotaryOptions rotation;
    double factor, beta_fast, beta_slow, attention;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    ROTARY_FACTOR_FIELD(Options),
    {"beta_fast", OPTION_REAL, offsetof(Options, beta_fast), .default_value = 32, .low = 1, .high = 1e6,
     .help = "pairs with at least this many turns in the training length are not interpolated"},
    {"beta_slow", OPTION_REAL, offsetof(Options, beta_slow), .default_value = 1, .low = 1e-3, .high = 1e3,
     .help = "pairs with at most this many turns in the training length are interpolated fully"},
    {"attention", OPTION_REAL, offsetof(Options, attention), .default_value = 0.1, .low = 0, .high = 1,
     .help = "queries and keys are scaled by attention ln(factor) + 1"},
};

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    (void)shape;
    if (options->beta_slow <= options->beta_fast) return true;
    return error_set(err, EXIT_USAGE, "yarn needs 'beta_slow' <= 'beta_fast', got %g and %g",
                     options->beta_slow, options->beta_fast);
}

/* c(r): the index, not rounded, of the pair that makes r turns within the training length. */
static double pair_of(const PositionShape *shape, const Options *options, int n, double turns) {
    return n * log(shape->train_length / (2 * M_PI * turns)) / (2 * log(options->rotation.base));
}

/* How far a pair is interpolated, 0 to 1. */
static double ramp(const PositionShape *shape, const Options *options, int pair) {
    int n = rotary_size(shape, options);
    double low = fmax(floor(pair_of(shape, options, n, options->beta_fast)), 0);
    double high = fmax(fmin(ceil(pair_of(shape, options, n, options->beta_slow)), n - 1), low);
    double at = (pair - low) / (low == high ? 0.001 : high - low);
    return fmin(fmax(at, 0), 1);
}

static double frequency(const PositionContext *context, int pair, double *amplitude) {
    const Options *options = context->options;
    double s = rotary_factor(context, options->factor);
    *amplitude = options->attention * log(s) + 1;
    return rotary_base_frequency(context, pair) * (1 - ramp(context->shape, options, pair) * (1 - 1 / s));
}

const PositionMethod method_yarn = {
    .name = "yarn",
    .label = "Rotary + YaRN",
    .citation = "Peng et al. 2023, arXiv 2309.00071, sections 3.2 and 3.4",
    .claims = POS_SHIFT_INVARIANT,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    ROTARY_HOOKS(frequency),
};
