/* Position interpolation (PI): rotary with its positions squeezed into the training length.
 *
 * Chen, Wong, Chen and Tian, "Extending context window of large language models via positional
 * interpolation", 2023, arXiv 2306.15595, section 2.3; kaiokendev, "Things I'm learning while training
 * SuperHOT", 2023. A model trained on positions below L meets none beyond it if position t stands at t / s:
 *
 *     angle of pair i at position t = (t / s) w_i,     w_i = base^(-2i/n)
 *
 * The factor s is given, or that of the pass: max(1, T / L) for T positions. All frequencies are divided by
 * s, so near positions come closer together than in training: without tuning this costs at short distances.
 * s = 1 is rotary, whose other options these are.
 */
#include "position/rotary.h"

static const OptionField fields[] = {ROTARY_EXTENSION_FIELDS};

static double frequency(const PositionContext *context, int pair) {
    return rotary_frequency(context, pair) / rotary_factor(context);
}

const PositionMethod method_pi = {
    .name = "pi",
    .label = "Rotary + PI",
    .citation = "Chen et al. 2023, arXiv 2306.15595, section 2.3",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    POSITION_OPTIONS(RotaryExtension, fields),
    ROTARY_HOOKS(frequency),
};
