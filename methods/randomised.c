/* Randomised positions.
 *
 * Ruoss et al., "Randomized positional encodings boost length generalization of transformers", 2023, arXiv
 * 2305.16843, section 3. The positions of rows are drawn without replacement from a range that is longer than
 * any text, and sorted, so that all positions of the range occur in training:
 *
 *     positions = T of 0, ..., N - 1, sorted
 *
 * both in training and in evaluation, as in the authors' code (models/positional_encodings.py of
 * github.com/google-deepmind/randomized_positional_encodings; N = 2048, "noise_max_length", is that of its
 * experiments/example.py). Texts of more than N rows exceed the method's limit. Drawn by selection sampling
 * (Knuth, The art of computer programming 2, algorithm 3.4.2 S): position n is taken with probability
 * (positions still to be drawn) / (N - n).
 *
 * With order "any" the same positions are in random order (Fisher and Yates). With `learned` as the partner
 * each token then has a random tag that is new in every sequence, as in Shen et al., "Positional description
 * matters for transformers arithmetic", 2023, arXiv 2311.14737: a token can be found again, but its tag says
 * nothing about where it is.
 */
#include "position/position.h"

static const char *const orders[] = {"sorted", "any", NULL};

typedef struct Options {
    int64_t range;
    int order;
} Options;

static const OptionField fields[] = {
    {"range", OPTION_INT, offsetof(Options, range), .default_value = 2048, .low = 32, .high = 1 << 16,
     .help = "N: positions are drawn from 0 to N - 1"},
    {"order", OPTION_CHOICE, offsetof(Options, order), .choices = orders, .newer = true,
     .help = "sorted, or any: as random tags"},
};

static int64_t range(const void *options) {
    return ((const Options *)options)->range;
}

static int limit(const PositionShape *shape, const void *options) {
    (void)shape;
    return (int)range(options);
}

static void positions(const PositionShape *shape, const void *options, int length, bool training, Random *rng,
                      double *positions) {
    (void)shape, (void)training;
    int64_t there = range(options);
    for (int64_t n = 0, t = 0; t < length; n++)
        if (random_below(rng, (uint64_t)(there - n)) < (uint64_t)(length - t)) positions[t++] = (double)n;
    for (int t = length - 1; t > 0 && ((const Options *)options)->order; t--) {
        int other = (int)random_below(rng, (uint64_t)t + 1);
        double swap = positions[t];
        positions[t] = positions[other];
        positions[other] = swap;
    }
}

static double farthest(const PositionShape *shape, const void *options, int length) {
    (void)shape, (void)length;
    return (double)range(options) - 1;
}

const PositionMethod method_randomised = {
    .name = "randomised",
    .label = "Randomised",
    .citation = "Ruoss et al. 2023, arXiv 2305.16843, section 3",
    POSITION_OPTIONS(Options, fields),
    .limit = limit,
    .positions = positions,
    .farthest = farthest,
    .partner = "sinusoidal",
};
