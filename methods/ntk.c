/* NTK-aware scaling: rotary with a larger base for longer texts.
 *
 * bloc97, "NTK-aware scaled RoPE allows LLaMA models to have extended context size without any fine-tuning",
 * 2023, r/LocalLLaMA; Peng et al., "YaRN", 2023, arXiv 2309.00071, section 3.1. The base grows so that the
 * slowest of the n/2 pairs is slowed by exactly s, as position interpolation does, and the fastest is not:
 *
 *     base' = base s^(n / (n - 2)),     w_i = base'^(-2i/n) = base^(-2i/n) s^(-i / (n/2 - 1))
 *
 * The factor s is given, or that of the pass: max(1, T / L) for T positions and the training length L. The
 * fastest pair cannot be the slowest, so there must be two. s = 1 is rotary, whose other options these are.
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryOptions rotation;
    double factor;
} Options;

static const OptionField fields[] = {ROTARY_FIELDS, ROTARY_FACTOR_FIELD(Options)};

static bool check(const PositionShape *shape, const void *options, Error *err) {
    if (rotary_size(shape, options) != 2) return true;
    return error_set(err, EXIT_USAGE,
                     "ntk needs at least two pairs, got one: the fastest pair is not scaled");
}

static double frequency(const PositionContext *context, int pair, double *amplitude) {
    const Options *options = context->options;
    int n = rotary_size(context->shape, options);
    double s = rotary_factor(context, options->factor);
    (void)amplitude;
    return pow(options->rotation.base * pow(s, n / (n - 2.0)), -2.0 * pair / n);
}

const PositionMethod method_ntk = {
    .name = "ntk",
    .label = "Rotary + NTK",
    .citation = "bloc97 2023; Peng et al. 2023, arXiv 2309.00071, section 3.1",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    ROTARY_HOOKS(frequency),
};
