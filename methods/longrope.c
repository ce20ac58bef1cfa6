/* LongRoPE: rotary with a factor of its own for each frequency.
 *
 * Ding et al., "LongRoPE: extending LLM context window beyond 2 million tokens", 2024, arXiv 2402.13753,
 * sections 2 and 3. For texts longer than the training length L the n/2 frequencies are divided by factors
 * that a search found on the trained model, except at the first n0 positions:
 *
 *     angle of pair i at position t = t w_i           for t < n0,           w_i = base^(-2i/n)
 *                                     t w_i / l_i     for t >= n0
 *     q, k -> m q, m k                                for t >= n0,          m = sqrt(1 + ln s / ln L)
 *
 * m is that of the authors' released models (transformers, modeling_rope_utils, type "longrope"; n0 is not in
 * that code). The first n0 positions have the rotary of the trained model, without m, as in the authors' own
 * (github.com/microsoft/LongRoPE, rope/longrope.py, MixedLongRoPEScaledRotaryEmbedding). There is no search
 * here: option `factors` takes the l_i that one has found, as a text of n/2 numbers ("1,1.2,..."). Without
 * them l_i = s^(i / (n/2 - 1)), which are the frequencies of NTK-aware scaling (ntk.c), or l_i = s, those of
 * position interpolation (pi.c): two of the points from which the authors' search starts. s is given, or that
 * of the pass: max(1, T / L). Where s = 1 this is rotary.
 */
#include "position/rotary.h"

#include <math.h>
#include <stdlib.h>

typedef enum Preset { PRESET_GEOMETRIC, PRESET_UNIFORM } Preset;
static const char *const presets[] = {"geometric", "uniform", NULL};

typedef struct Options {
    RotaryExtension extension;
    double attention;
    int64_t unscaled;
    int preset;
    const char *factors;
} Options;

static const OptionField fields[] = {
    ROTARY_EXTENSION_FIELDS,
    {"preset", OPTION_CHOICE, offsetof(Options, preset), .default_value = PRESET_GEOMETRIC,
     .choices = presets, .help = "factors of the pairs if 'factors' is empty: growing from 1 to s, or all s"},
    {"factors", OPTION_TEXT, offsetof(Options, factors),
     .help = "a factor of at least 1 for each pair, fastest first, separated by commas"},
    {"unscaled", OPTION_INT, offsetof(Options, unscaled), .default_value = 4, .low = 0, .high = 1 << 20,
     .help = "number of first positions that are not interpolated"},
    {"attention", OPTION_REAL, offsetof(Options, attention), .default_value = 0, .low = 0, .high = 4,
     .help = "queries and keys after the first are scaled by this; 0: by sqrt(1 + ln s / ln L)"},
};

/* Number `index` of the list in the option; NAN if that is not a list of `count` numbers from 1 on. */
static double given_factor(const char *list, int index, int count) {
    double found = NAN;
    for (int i = 0; i < count; i++) {
        char *end;
        double factor = strtod(list, &end);
        bool last = i + 1 == count;
        if (end == list || !(factor >= 1 && factor <= 1e6) || *end != (last ? '\0' : ',')) return NAN;
        if (i == index) found = factor;
        list = end + 1;
    }
    return found;
}

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    int half = rotary_size(shape, options) / 2;
    if (*options->factors && half > 0 && isnan(given_factor(options->factors, 0, half)))
        return error_set(err, EXIT_USAGE,
                         "needs 'factors' to be %d numbers from 1 on, as \"1,1.5\", got \"%s\"", half,
                         options->factors);
    return rotary_check(shape, options, err);
}

/* l_i */
static double divisor(const PositionContext *context, int pair, double s) {
    const Options *options = context->options;
    int n = rotary_size(context->shape, options);
    if (s <= 1) return 1;
    if (*options->factors) return given_factor(options->factors, pair, n / 2);
    return options->preset == PRESET_UNIFORM || n == 2 ? s : pow(s, 2.0 * pair / (n - 2));
}

static double frequency(const PositionContext *context, int pair) {
    return rotary_frequency(context, pair) / divisor(context, pair, rotary_factor(context));
}

static double amplitude(const PositionShape *shape, const Options *options, double s) {
    if (s == 1) return 1;
    return options->attention > 0 ? options->attention : sqrt(1 + log(s) / log(fmax(shape->train_length, 2)));
}

static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const Options *options = opaque;
    PositionContext context = {.shape = shape, .options = options, .length = length};
    double first = (double)options->unscaled, m = amplitude(shape, options, rotary_factor(&context));
    float *table = NEW(arena, (size_t)length * rotary_size(shape, options), float);
    if (!table) return NULL;
    rotary_fill(table, &context, positions, rotary_frequency, 1, -INFINITY, first);
    rotary_fill(table, &context, positions, frequency, m, first, INFINITY);
    return table;
}

const PositionMethod method_longrope = {
    .name = "longrope",
    .label = "Rotary + LongRoPE",
    .citation = "Ding et al. 2024, arXiv 2402.13753, sections 2 and 3",
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .prepare = prepare,
    .transform = rotary_rotate,
    .transform_backward = rotary_rotate_backward,
};
