/* HoPE (high-frequency): rotary without the pairs that do not complete a turn in training.
 *
 * Chen et al., "HoPE: a novel positional encoding without long-term decay for enhanced context awareness and
 * extrapolation", 2024, arXiv 2410.21216; not the hyperbolic HoPE of 2025. Slow pairs are not rotated, so
 * that no angle is new at larger lengths. With L the training length:
 *
 *     w_i = base^(-2i/n)  if L w_i >= 2 pi,      otherwise w_i = 0
 *
 * Not confirmed: the threshold of one turn follows from the abstract. The threshold of the paper was not
 * found in a source, and the authors published no code.
 *
 * Speed: that of rotary, 3 D operations per row of queries and of keys, forward and backward each; pairs that
 * are not rotated are multiplied by 1 and 0.
 */
#include "position/rotary.h"

static const OptionField fields[] = {ROTARY_FIELDS};

static double frequency(const PositionContext *context, int pair) {
    double w = rotary_frequency(context, pair);
    return rotary_turns(context, w) >= 1 ? w : 0;
}

const PositionMethod method_hope = {
    .name = "hope",
    .label = "HoPE (2410.21216)",
    .citation = "Chen et al. 2024, arXiv 2410.21216",
    .unconfirmed = "the threshold of one turn in the training length follows from the abstract",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(RotaryOptions, fields),
    ROTARY_HOOKS(frequency),
};
