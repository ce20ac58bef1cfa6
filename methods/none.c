/* No position information: the control.
 *
 * A causal decoder can tell positions apart without being told (the mask makes the first layers' averages
 * depend on how many keys there are; Haviv et al., "Transformer language models without positional encodings
 * still learn positional information", 2022, arXiv 2203.16634). What a method gains is measured against this.
 */
#include "position/position.h"

const PositionMethod method_none = {
    .name = "none",
    .label = "None",
    .citation = "Haviv et al. 2022, arXiv 2203.16634",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    .pytorch = "",
};
