/* SHAPE: shifted absolute position embedding.
 *
 * Kiyono, Kobayashi, Suzuki and Inui, "SHAPE", 2021, arXiv 2109.05644, section 3. In training each sequence
 * is shifted as a whole, so that the partner (in the paper: sinusoids) cannot learn absolute positions:
 *
 *     position of row t = t + k,   k uniform in {0, ..., K - 1}, K = max_shift
 *
 * K = 500 and the bound are those of the authors' code (github.com/butsugiri/shape,
 * onmt/modules/embeddings.py and config_shape). There, evaluation begins at position K; here
 * `evaluation_shift` sets that position.
 */
#include "position/position.h"

typedef struct Options {
    int64_t max_shift, evaluation_shift;
} Options;

static const OptionField fields[] = {
    {"max_shift", OPTION_INT, offsetof(Options, max_shift), .default_value = 500, .low = 1, .high = 1 << 20,
     .help = "K: training sequences are shifted by 0 to K - 1"},
    {"evaluation_shift", OPTION_INT, offsetof(Options, evaluation_shift), .default_value = 0, .low = 0,
     .high = 1 << 20, .help = "the shift in evaluation (the authors' code: K)"},
};

static void positions(const PositionShape *shape, const void *opaque, int length, bool training, Random *rng,
                      double *positions) {
    const Options *options = opaque;
    (void)shape;
    double shift = training ? (double)random_below(rng, (uint64_t)options->max_shift)
                            : (double)options->evaluation_shift;
    for (int t = 0; t < length; t++) positions[t] = t + shift;
}

static double farthest(const PositionShape *shape, const void *opaque, int length) {
    const Options *options = opaque;
    (void)shape;
    double shift = (double)options->max_shift - 1, evaluation = (double)options->evaluation_shift;
    return length - 1 + (shift > evaluation ? shift : evaluation);
}

const PositionMethod method_shape = {
    .name = "shape",
    .label = "SHAPE",
    .citation = "Kiyono et al. 2021, arXiv 2109.05644, section 3",
    POSITION_OPTIONS(Options, fields),
    .positions = positions,
    .farthest = farthest,
    .partner = "sinusoidal",
};
