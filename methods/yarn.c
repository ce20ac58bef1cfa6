/* YaRN: NTK by parts, and colder attention.
 *
 * Peng, Quesnelle, Fan and Shippole, "YaRN: efficient context window extension of large language models",
 * 2023, arXiv 2309.00071, sections 3.2 and 3.4. Pairs that turn often within the training length L stay, slow
 * ones are interpolated by s, and queries and keys grow, so that the scores of a longer text are as sharp:
 *
 *     w_i = base^(-2i/n),     w'_i = w_i (1 - g_i (1 - 1/s)),     g_i = clamp((i - low) / (high - low), 0, 1)
 *     low = floor(c(beta_fast)),     high = ceil(c(beta_slow)),     c(r) = n ln(L / 2 pi r) / (2 ln base)
 *     q, k -> m q, m k,     m = 0.1 ln s + 1
 *
 * c(r) is the index of the pair that turns r times in L. Section 3.2 (of version 2 of the paper) has the ramp
 * over the number of turns (ntk_parts.c); the authors' code (scaled_rope/LlamaYaRNScaledRotaryEmbedding.py)
 * and transformers have it over the index, low and high kept within 0 and n - 1, and so has this. m
 * multiplies cosines and sines, hence m^2 the scores. The factor s is given, or that of the pass: max(1, T /
 * L). s = 1 is rotary.
 */
#include "position.h"

#include <math.h>

typedef struct Options {
    PositionRotation rotation;
    double factor, beta_fast, beta_slow, attention;
} Options;

static const Field fields[] = {
    POS_ROTATION_FIELDS,
    {"factor", FIELD_REAL, offsetof(Options, factor), .standard = 0, .low = 0, .high = 1e6,
     .help = "how many training lengths are squeezed into one; 0: as many as the pass has"},
    {"beta_fast", FIELD_REAL, offsetof(Options, beta_fast), .standard = 32, .low = 1, .high = 1e6,
     .help = "pairs that turn at least so often in the training length stay as they are"},
    {"beta_slow", FIELD_REAL, offsetof(Options, beta_slow), .standard = 1, .low = 1e-3, .high = 1e3,
     .help = "pairs that turn at most so often in the training length are interpolated wholly"},
    {"attention", FIELD_REAL, offsetof(Options, attention), .standard = 0.1, .low = 0, .high = 1,
     .help = "queries and keys are scaled by attention ln(factor) + 1"},
};

static bool check(const PositionShape *shape, const void *settings, Err *err) {
    const Options *options = settings;
    if (options->factor > 0 && options->factor < 1)
        return err_set(err, EXIT_USAGE, "yarn needs a 'factor' of at least 1, or 0, got %g", options->factor);
    if (options->beta_slow > options->beta_fast)
        return err_set(err, EXIT_USAGE, "yarn needs 'beta_slow' <= 'beta_fast', got %g and %g",
                       options->beta_slow, options->beta_fast);
    return position_check_rotated("yarn", shape, options, err);
}

static const double PI = 3.14159265358979323846;

/* The index i, not rounded, of the pair that turns r times within the training length. */
static double place(const PositionShape *shape, const Options *options, int n, double r) {
    return n * log(shape->train_length / (2 * PI * r)) / (2 * log(options->rotation.base));
}

/* How far pair i is interpolated, 0 to 1: a ramp between the pairs that turn beta_fast and beta_slow times.
 */
static double ramp(const PositionShape *shape, const Options *options, int n, int i) {
    double low = fmax(floor(place(shape, options, n, options->beta_fast)), 0);
    double high = fmax(fmin(ceil(place(shape, options, n, options->beta_slow)), n - 1), low);
    double at = (i - low) / (low == high ? 0.001 : high - low);
    return fmin(fmax(at, 0), 1);
}

static void *prepare(const PositionShape *shape, const void *settings, int length, const double *positions,
                     Arena *arena) {
    const Options *options = settings;
    int n = position_rotated(shape, options);
    float *table = NEW(arena, (size_t)length * n, float);
    double s = options->factor > 0 ? options->factor : fmax(1, (double)length / shape->train_length);
    double amplitude = options->attention * log(s) + 1;
    for (int i = 0; table && i < n / 2; i++) {
        double frequency = pow(options->rotation.base, -2.0 * i / n);
        frequency *= 1 - ramp(shape, options, n, i) * (1 - 1 / s);
        position_fill_angles(table, i, frequency, amplitude, positions, length, n);
    }
    return table;
}

const PositionMethod method_yarn = {
    .name = "yarn",
    .label = "Rotary + YaRN",
    .citation = "Peng et al. 2023, arXiv 2309.00071, sections 3.2 and 3.4",
    .claims = POS_SHIFT_INVARIANT,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    .prepare = prepare,
    .transform = position_rotate_forward,
    .transform_backward = position_rotate_backward,
};
