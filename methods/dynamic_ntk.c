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

#include <math.h>

typedef struct Options {
    RotaryOptions rotation;
    double alpha;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    {"alpha", OPTION_REAL, offsetof(Options, alpha), .default_value = 2, .low = 1, .high = 1e6,
     .help = "how fast the scale grows with the length: alpha T / L - (alpha - 1)"},
};

static bool check(const PositionShape *shape, const void *options, Error *err) {
    if (rotary_size(shape, options) != 2) return true;
    return error_set(err, EXIT_USAGE,
                     "dynamic_ntk needs at least two pairs, got one: the fastest pair is not scaled");
}

static double frequency(const PositionContext *context, int pair, double *amplitude) {
    const Options *options = context->options;
    int n = rotary_size(context->shape, options);
    double longer = (double)context->length / context->shape->train_length;
    double s = longer > 1 ? options->alpha * longer - (options->alpha - 1) : 1;
    (void)amplitude;
    return pow(options->rotation.base * pow(s, n / (n - 2.0)), -2.0 * pair / n);
}

const PositionMethod method_dynamic_ntk = {
    .name = "dynamic_ntk",
    .label = "Rotary + dynamic NTK",
    .citation = "emozilla 2023; Peng et al. 2023, arXiv 2309.00071, section 3.3",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    ROTARY_HOOKS(frequency),
};
