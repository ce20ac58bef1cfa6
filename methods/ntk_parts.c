/* NTK by parts: rotary whose slow pairs are interpolated and whose fast pairs are not.
 *
 * bloc97, "NTK by parts", 2023; Peng et al., "YaRN", 2023, arXiv 2309.00071, section 3.2. A pair that turns
 * many times within the training length L tells near positions apart and stays; one that does not complete a
 * turn tells where in the text a position is, and is interpolated; between them goes a ramp, here over the
 * number of turns r_i = L w_i / 2 pi, as in that section (version 2 of the paper):
 *
 *     w'_i = w_i (1 - g_i (1 - 1/s)),     g_i = clamp((beta_fast - r_i) / (beta_fast - beta_slow), 0, 1)
 *
 * with w_i = base^(-2i/n). The factor s is given, or that of the pass: max(1, T / L). The authors' code, and
 * with it yarn.c, ramps over the index i instead, and scales the attention, too. s = 1 is rotary.
 */
#include "position.h"

#include <math.h>

typedef struct Options {
    PositionRotation rotation;
    double factor, beta_fast, beta_slow;
} Options;

static const Field fields[] = {
    POS_ROTATION_FIELDS,
    {"factor", FIELD_REAL, offsetof(Options, factor), .standard = 0, .low = 0, .high = 1e6,
     .help = "how many training lengths are squeezed into one; 0: as many as the pass has"},
    {"beta_fast", FIELD_REAL, offsetof(Options, beta_fast), .standard = 32, .low = 1, .high = 1e6,
     .help = "pairs that turn at least so often in the training length stay as they are"},
    {"beta_slow", FIELD_REAL, offsetof(Options, beta_slow), .standard = 1, .low = 1e-3, .high = 1e3,
     .help = "pairs that turn at most so often in the training length are interpolated wholly"},
};

static bool check(const PositionShape *shape, const void *settings, Err *err) {
    const Options *options = settings;
    if (options->factor > 0 && options->factor < 1)
        return err_set(err, EXIT_USAGE, "ntk_parts needs a 'factor' of at least 1, or 0, got %g",
                       options->factor);
    if (options->beta_slow > options->beta_fast)
        return err_set(err, EXIT_USAGE, "ntk_parts needs 'beta_slow' <= 'beta_fast', got %g and %g",
                       options->beta_slow, options->beta_fast);
    return position_check_rotated("ntk_parts", shape, options, err);
}

static const double PI = 3.14159265358979323846;

/* How far a frequency is interpolated, 0 to 1. */
static double ramp(const PositionShape *shape, const Options *options, double frequency) {
    double turns = shape->train_length * frequency / (2 * PI);
    if (turns >= options->beta_fast) return 0;
    if (turns <= options->beta_slow) return 1;
    return (options->beta_fast - turns) / (options->beta_fast - options->beta_slow);
}

static void *prepare(const PositionShape *shape, const void *settings, int length, const double *positions,
                     Arena *arena) {
    const Options *options = settings;
    int n = position_rotated(shape, options);
    float *table = NEW(arena, (size_t)length * n, float);
    double s = options->factor > 0 ? options->factor : fmax(1, (double)length / shape->train_length);
    for (int i = 0; table && i < n / 2; i++) {
        double frequency = pow(options->rotation.base, -2.0 * i / n);
        frequency *= 1 - ramp(shape, options, frequency) * (1 - 1 / s);
        position_fill_angles(table, i, frequency, 1, positions, length, n);
    }
    return table;
}

const PositionMethod method_ntk_parts = {
    .name = "ntk_parts",
    .label = "Rotary + NTK by parts",
    .citation = "Peng et al. 2023, arXiv 2309.00071, section 3.2",
    .claims = POS_SHIFT_INVARIANT | POS_ISOMETRY,
    .options_size = sizeof(Options),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .check = check,
    .prepare = prepare,
    .transform = position_rotate_forward,
    .transform_backward = position_rotate_backward,
};
