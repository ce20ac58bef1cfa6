/* Position interpolation (PI): rotary with its positions squeezed into the training length.
 *
 * Chen, Wong, Chen and Tian, "Extending context window of large language models via positional
 * interpolation", 2023, arXiv 2306.15595, section 2.3; kaiokendev, "Things I'm learning while training
 * SuperHOT", 2023. A model trained on positions below L meets none beyond it if position t stands at t / s:
 *
 *     angle of pair i at position t = (t / s) w_i,     w_i = base^(-2i/n)
 *
 * The factor s is given, or that of the pass: max(1, T / L) for T positions. All frequencies are divided by
 * s, so near positions come closer together than in training: without tuning this costs at short distances.
 * s = 1 is rotary, whose other options these are.
 */
#include "position.h"

#include <math.h>

typedef struct Options {
    PositionRotation rotation;
    double factor;
} Options;

static const Field fields[] = {
    POS_ROTATION_FIELDS,
    {"factor", FIELD_REAL, offsetof(Options, factor), .standard = 0, .low = 0, .high = 1e6,
     .help = "how many training lengths are squeezed into one; 0: as many as the pass has"},
};

static bool check(const PositionShape *shape, const void *settings, Err *err) {
    const Options *options = settings;
    if (options->factor > 0 && options->factor < 1)
        return err_set(err, EXIT_USAGE, "pi needs a 'factor' of at least 1, or 0, got %g", options->factor);
    return position_check_rotated("pi", shape, options, err);
}

static void *prepare(const PositionShape *shape, const void *settings, int length, const double *positions,
                     Arena *arena) {
    const Options *options = settings;
    int n = position_rotated(shape, options);
    float *table = NEW(arena, (size_t)length * n, float);
    double s = options->factor > 0 ? options->factor : fmax(1, (double)length / shape->train_length);
    for (int i = 0; table && i < n / 2; i++)
        position_fill_angles(table, i, pow(options->rotation.base, -2.0 * i / n) / s, 1, positions, length,
                             n);
    return table;
}

const PositionMethod method_pi = {
    .name = "pi",
    .label = "Rotary + PI",
    .citation = "Chen et al. 2023, arXiv 2306.15595, section 2.3",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    .prepare = prepare,
    .transform = position_rotate_forward,
    .transform_backward = position_rotate_backward,
};
