/* CAPE: continuous augmented positional embedding.
 *
 * Likhomanenko et al., "CAPE", 2021, arXiv 2106.03143, section 3.1. In training the positions of a sequence
 * are shifted together, jittered one by one and scaled together; in evaluation they are unchanged:
 *
 *     position of row t = (t + D + e_t) l,
 *
 *     D uniform in +-max_global_shift, e_t in +-max_local_shift, ln l in +-ln(max_scale)
 *
 * The partner (in the paper: sinusoids) must accept fractional and negative positions. The defaults are the
 * paper's for machine translation and those of the PyTorch code github.com/gcambara/cape for text; a local
 * shift of at most one half keeps rows in order. Option `centred` first subtracts the mean position, also in
 * evaluation ("normalize" in that code).
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    double max_global_shift, max_local_shift, max_scale;
    bool centred;
} Options;

static const OptionField fields[] = {
    {"max_global_shift", OPTION_REAL, offsetof(Options, max_global_shift), .default_value = 5, .low = 0,
     .high = 1 << 20, .help = "largest shift of a training sequence, in either direction"},
    {"max_local_shift", OPTION_REAL, offsetof(Options, max_local_shift), .default_value = 0.5, .low = 0,
     .high = 100, .help = "largest further shift of each position, in either direction"},
    {"max_scale", OPTION_REAL, offsetof(Options, max_scale), .default_value = 1.03, .low = 1, .high = 100,
     .help = "positions are also multiplied by a random factor from 1/max_scale to max_scale"},
    {"centred", OPTION_BOOL, offsetof(Options, centred), .default_value = 0,
     .help = "subtract the mean position first"},
};

static double between(Random *rng, double low, double high) {
    return low + (high - low) * random_uniform(rng);
}

static void positions(const PositionShape *shape, const void *opaque, int length, bool training, Random *rng,
                      double *positions) {
    const Options *options = opaque;
    (void)shape;
    double centre = options->centred ? (length - 1) / 2.0 : 0, shift = 0, scale = 1;
    if (training) {
        shift = between(rng, -options->max_global_shift, options->max_global_shift);
        scale = exp(between(rng, -log(options->max_scale), log(options->max_scale)));
    }
    for (int t = 0; t < length; t++) {
        double local = training ? between(rng, -options->max_local_shift, options->max_local_shift) : 0;
        positions[t] = (t - centre + shift + local) * scale;
    }
}

static double farthest(const PositionShape *shape, const void *opaque, int length) {
    const Options *options = opaque;
    (void)shape;
    return (length - 1 + options->max_global_shift + options->max_local_shift) * options->max_scale;
}

const PositionMethod method_cape = {
    .name = "cape",
    .label = "CAPE",
    .citation = "Likhomanenko et al. 2021, arXiv 2106.03143, section 3.1",
    POSITION_OPTIONS(Options, fields),
    .positions = positions,
    .farthest = farthest,
    .partner = "sinusoidal",
};
