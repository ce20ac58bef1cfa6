/* Position interpolation (PI): rotary with positions scaled down to the training length.
 *
 * Chen, Wong, Chen and Tian, "Extending context window of large language models via positional
 * interpolation", 2023, arXiv 2306.15595, section 2.3; kaiokendev, "Things I'm learning while training
 * SuperHOT", 2023. A model trained on positions below L sees only positions below L if position t is replaced
 * by t / s:
 *
 *     angle of pair i at position t = (t / s) w_i,     w_i = base^(-2i/n)
 *
 * The factor s is an option, or max(1, T / L) for a pass of length T. All frequencies are divided by s, so
 * neighbouring positions are closer together than in training; without fine-tuning this increases the loss at
 * short distances. s = 1 is rotary; the other options are those of rotary.
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
