/* RFS: random float sampling of positions.
 *
 * Shimizu, Taniguchi and Matsuo, "Position encoding with random float sampling enhances length generalization
 * of transformers", 2026, arXiv 2602.14050. Positions are random real numbers, in training and in
 * evaluation, so that every length uses positions that occurred in training:
 *
 *     positions = T numbers, uniform in [0, N), sorted
 *
 * This is `randomised` with real numbers instead of whole ones, and without a longest length.
 *
 * Not confirmed: no code was found. The range (here an option) and the random positions in evaluation are
 * from a summary of the paper.
 *
 * Speed: T + 1 uniform numbers, logarithms and additions and T products per sequence. The partner's tables
 * are computed for each sequence: T C sines with sinusoidal, T D with rotary.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    double range;
} Options;

static const OptionField fields[] = {
    {"range", OPTION_REAL, offsetof(Options, range), .default_value = 512, .low = 1, .high = 1 << 16,
     .help = "N: positions are drawn from [0, N)"},
};

static double range(const void *options) {
    return ((const Options *)options)->range;
}

/* Sorted without a sort: the partial sums of T + 1 exponential numbers, divided by their sum, are distributed
   as T sorted uniform numbers (Devroye, Non-uniform random variate generation, section V.3.1). */
static void positions(const PositionShape *shape, const void *options, int length, bool training, Random *rng,
                      double *positions) {
    (void)shape, (void)training;
    double sum = 0;
    for (int t = 0; t < length; t++) positions[t] = sum -= log1p(-random_uniform(rng));
    sum -= log1p(-random_uniform(rng));
    for (int t = 0; t < length; t++) positions[t] *= sum > 0 ? range(options) / sum : 0;
}

static double farthest(const PositionShape *shape, const void *options, int length) {
    (void)shape, (void)length;
    return range(options);
}

const PositionMethod method_rfs = {
    .name = "rfs",
    .label = "RFS",
    .citation = "Shimizu, Taniguchi and Matsuo 2026, arXiv 2602.14050",
    .unconfirmed = "the range of positions, and the random positions in evaluation",
    POSITION_OPTIONS(Options, fields),
    .positions = positions,
    .farthest = farthest,
    .partner = "sinusoidal",
};
