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

static const OptionField fields[] = {ROTARY_EXTENSION_FIELDS};

static double frequency(const PositionContext *context, int pair) {
    return rotary_ntk_frequency(context, pair, rotary_factor(context));
}

const PositionMethod method_ntk = {
    .name = "ntk",
    .label = "Rotary + NTK",
    .citation = "bloc97 2023; Peng et al. 2023, arXiv 2309.00071, section 3.1",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    POSITION_OPTIONS(RotaryExtension, fields),
    .check = rotary_check_two_pairs,
    ROTARY_HOOKS(frequency),
};
