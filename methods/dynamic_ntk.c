/* Dynamic NTK scaling: the base of rotary grows with the text.
 *
 * emozilla, "Dynamically scaled RoPE further increases performance of long context LLaMA with zero
 * fine-tuning", 2023, r/LocalLLaMA; Peng et al., "YaRN", 2023, arXiv 2309.00071, section 3.3. Texts of up to
 * the training length L are seen as in training; for T > L the base is NTK-aware scaling's (ntk.c), by
 *
 *     s = alpha T / L - (alpha - 1),     base' = base s^(n / (n - 2)),     w_i = base'^(-2i/n)
 *
 * (transformers, modeling_rope_utils: type "dynamic", alpha is its `factor`). alpha = 1 is s = T / L; a
 * larger one turns slower than needed to reach T. Keys of an earlier, shorter pass are those of another base:
 * here, as in the post, all are computed at the T of the pass. With T <= L this is rotary.
 */
#include "position/rotary.h"

typedef struct Options {
    RotaryOptions rotation;
    double alpha;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    {"alpha", OPTION_REAL, offsetof(Options, alpha), .default_value = 2, .low = 1, .high = 1e6,
     .help = "growth of the factor with the length: alpha T / L - (alpha - 1)"},
};

static double frequency(const PositionContext *context, int pair) {
    double alpha = ((const Options *)context->options)->alpha;
    double longer = (double)context->length / context->shape->train_length;
    return rotary_ntk_frequency(context, pair, longer > 1 ? alpha * longer - (alpha - 1) : 1);
}

const PositionMethod method_dynamic_ntk = {
    .name = "dynamic_ntk",
    .label = "Rotary + dynamic NTK",
    .citation = "emozilla 2023; Peng et al. 2023, arXiv 2309.00071, section 3.3",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = rotary_check_two_pairs,
    ROTARY_HOOKS(frequency),
};
