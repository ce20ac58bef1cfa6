/* NTK-aware scaling: rotary with a larger base for longer texts.
 *
 * bloc97, "NTK-aware scaled RoPE allows LLaMA models to have extended context size without any fine-tuning",
 * 2023, r/LocalLLaMA; Peng et al., "YaRN", 2023, arXiv 2309.00071, section 3.1. The base grows so that the
 * slowest of the n/2 pairs is slowed by exactly s, as position interpolation does, and the fastest is not:
 *
 *     base' = base s^(n / (n - 2)),     w_i = base'^(-2i/n) = base^(-2i/n) s^(-i / (n/2 - 1))
 *
 * The factor s is given, or that of the pass: max(1, T / L) for T positions and the training length L. The
 * fastest pair cannot be the slowest, so there must be two. s = 1 is rotary, whose other options these are.
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
        return err_set(err, EXIT_USAGE, "ntk needs a 'factor' of at least 1, or 0, got %g", options->factor);
    if (position_rotated(shape, options) == 2)
        return err_set(err, EXIT_USAGE,
                       "ntk needs two pairs or more, got one: the fastest pair stays as it is");
    return position_check_rotated("ntk", shape, options, err);
}

static void *prepare(const PositionShape *shape, const void *settings, int length, const double *positions,
                     Arena *arena) {
    const Options *options = settings;
    int n = position_rotated(shape, options);
    float *table = NEW(arena, (size_t)length * n, float);
    double s = options->factor > 0 ? options->factor : fmax(1, (double)length / shape->train_length);
    double base = options->rotation.base * pow(s, n / (n - 2.0));
    for (int i = 0; table && i < n / 2; i++)
        position_fill_angles(table, i, pow(base, -2.0 * i / n), 1, positions, length, n);
    return table;
}

const PositionMethod method_ntk = {
    .name = "ntk",
    .label = "Rotary + NTK",
    .citation = "bloc97 2023; Peng et al. 2023, arXiv 2309.00071, section 3.1",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    .prepare = prepare,
    .transform = position_rotate_forward,
    .transform_backward = position_rotate_backward,
};
