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

static const OptionField fields[] = {ROTARY_RAMP_FIELDS};

static double frequency(const PositionContext *context, int pair) {
    const RotaryRamp *options = context->options;
    double turns = rotary_turns(context, rotary_frequency(context, pair));
    double g = rotary_ramp(options->beta_fast - turns, options->beta_fast - options->beta_slow);
    return rotary_blend(context, pair, g);
}

const PositionMethod method_ntk_parts = {
    .name = "ntk_parts",
    .label = "Rotary + NTK by parts",
    .citation = "Peng et al. 2023, arXiv 2309.00071, section 3.2",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    POSITION_OPTIONS(RotaryRamp, fields),
    .check = rotary_check_ramp,
    ROTARY_HOOKS(frequency),
};
