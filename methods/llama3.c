/* Llama 3's scaling of rotary.
 *
 * Dubey et al., "The Llama 3 herd of models", 2024, arXiv 2407.21783, and the authors' code (llama-models,
 * apply_scaling). By the number of turns r_i = L w_i / 2 pi that pair i makes within the training length L:
 *
 *     r_i > high:  w'_i = w_i           r_i < low:  w'_i = w_i / s
 *     between:     w'_i = (1 - a) w_i / s + a w_i,     a = (r_i - low) / (high - low)
 *
 * with w_i = base^(-2i/n), low = 1, high = 4, s = 8 and L = 8192 in Llama 3.1. It is NTK by parts
 * (ntk_parts.c) with other bounds. The factor s is given, or that of the pass: max(1, T / L). s = 1 is
 * rotary.
 */
#include "position.h"

#include <math.h>

typedef struct Options {
    PositionRotation rotation;
    double factor, low, high;
} Options;

static const Field fields[] = {
    POS_ROTATION_FIELDS,
    {"factor", FIELD_REAL, offsetof(Options, factor), .standard = 0, .low = 0, .high = 1e6,
     .help = "how many training lengths are squeezed into one; 0: as many as the pass has"},
    {"low", FIELD_REAL, offsetof(Options, low), .standard = 1, .low = 1e-6, .high = 1e3,
     .help = "pairs that turn less often in the training length are interpolated wholly"},
    {"high", FIELD_REAL, offsetof(Options, high), .standard = 4, .low = 1e-3, .high = 1e6,
     .help = "pairs that turn more often in the training length stay as they are"},
};

static bool check(const PositionShape *shape, const void *settings, Err *err) {
    const Options *options = settings;
    if (options->factor > 0 && options->factor < 1)
        return err_set(err, EXIT_USAGE, "llama3 needs a 'factor' of at least 1, or 0, got %g",
                       options->factor);
    if (options->low >= options->high)
        return err_set(err, EXIT_USAGE, "llama3 needs 'low' < 'high', got %g and %g", options->low,
                       options->high);
    return position_check_rotated("llama3", shape, options, err);
}

static const double PI = 3.14159265358979323846;

static double scaled(const PositionShape *shape, const Options *options, double frequency, double s) {
    double turns = shape->train_length * frequency / (2 * PI);
    if (turns > options->high) return frequency;
    if (turns < options->low) return frequency / s;
    double kept = (turns - options->low) / (options->high - options->low);
    return frequency * (1 - (1 - kept) * (1 - 1 / s));
}

static void *prepare(const PositionShape *shape, const void *settings, int length, const double *positions,
                     Arena *arena) {
    const Options *options = settings;
    int n = position_rotated(shape, options);
    float *table = NEW(arena, (size_t)length * n, float);
    double s = options->factor > 0 ? options->factor : fmax(1, (double)length / shape->train_length);
    for (int i = 0; table && i < n / 2; i++) {
        double frequency = scaled(shape, options, pow(options->rotation.base, -2.0 * i / n), s);
        position_fill_angles(table, i, frequency, 1, positions, length, n);
    }
    return table;
}

const PositionMethod method_llama3 = {
    .name = "llama3",
    .label = "Rotary + Llama 3",
    .citation = "Dubey et al. 2024, arXiv 2407.21783",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    .prepare = prepare,
    .transform = position_rotate_forward,
    .transform_backward = position_rotate_backward,
};
