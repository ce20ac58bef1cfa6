/* No position information: the control.
 *
 * A causal decoder can distinguish positions without a position method, because with the causal mask the
 * averages of the first layers depend on the number of keys (Haviv et al., "Transformer language models
 * without positional encodings still learn positional information", 2022, arXiv 2203.16634). The gain of a
 * method is measured against this control.
 */
#include "position/position.h"

const PositionMethod method_none = {
    .name = "none",
    .label = "None",
    .citation = "Haviv et al. 2022, arXiv 2203.16634",
    .also = "nope no_position",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    .pytorch = "",
};
