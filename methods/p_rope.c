/* p-RoPE: rotary without its lowest frequencies.
 *
 * Barbero et al., "Round and round we go! What makes rotary positional encodings useful?", 2024, arXiv
 * 2410.06205, section 6. Of a head's n/2 pairs with frequencies w_i = base^(-2i/n), the first floor(p n/2),
 * which have the highest frequencies, are rotated; the others carry content that does not depend on position:
 *
 *     w_i = base^(-2i/n)  for i < floor(p n/2);     w_i = 0  for the others
 *
 * p = 1 is rotary, p = 0 is no position information. The frequencies are those of the whole head: rotary's
 * option `fraction` spreads them over fewer pairs instead (both can be given). The paper found p = 0.75 best
 * for a Gemma with 2 billion weights; Gemma 4's "proportional" rotary of transformers is p = 0.25 with
 * half-split pairs.
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryOptions rotation;
    double p;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    {"p", OPTION_REAL, offsetof(Options, p), .default_value = 0.75, .low = 0, .high = 1,
     .help = "share of the pairs that are rotated, those of highest frequency"},
};

static double frequency(const PositionContext *context, int pair) {
    const Options *options = context->options;
    int pairs = rotary_size(context->shape, options) / 2;
    return pair < (int)floor(options->p * pairs + 1e-6) ? rotary_frequency(context, pair) : 0;
}

const PositionMethod method_p_rope = {
    .name = "p_rope",
    .label = "p-RoPE",
    .citation = "Barbero et al. 2024, arXiv 2410.06205, section 6",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    ROTARY_HOOKS(frequency),
};
