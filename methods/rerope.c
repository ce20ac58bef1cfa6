/* ReRoPE: rotary with relative positions limited to a window.
 *
 * Su Jianlin, "Transformer upgrade road 12: ReRoPE for infinite extrapolation?", 2023,
 * https://kexue.fm/archives/9708 (code: github.com/bojone/rerope, rerope_patch.py). Queries and keys that are
 * less than w positions apart are rotated as in rotary.c. All larger distances are treated as w: the query is
 * rotated to position w and the key is not rotated:
 *
 *     S[i,j] = (R_i q_i) . (R_j k_j) / sqrt(D)  for i - j < w,      (R_w q_i) . k_j / sqrt(D)  for i - j >= w
 *
 * It has no parameters, and if w is at least the length it equals rotary. It is meant for models that were
 * trained with rotary and are evaluated at larger lengths, with w below the training length, so that all
 * distances occurred in training. The author trains at 512 and evaluates with w = 256; hence the default,
 * half the training length. His code also scales queries by log n, which is an option of attention here
 * (`scale`).
 *
 * Speed: tiles whose keys are all on one side of w cost one product, the other tiles two; the minimum time is
 * that of rotary and a second pair of rotations, a few percent of attention.
 */
#include "position/rotary.h"

#include <math.h>

static const OptionField fields[] = {
    ROTARY_WINDOW_FIELDS("w: larger distances count as w; 0: half of the training length"),
};

static int horizon(const PositionShape *shape, const void *options) {
    return rotary_window(options, shape->train_length / 2);
}

/* Makes two tables: one for the positions of the rows, and one with position w for all rows. */
static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const RotaryWindow *options = opaque;
    int n = shape->head_dim;
    RotaryTables *tables = rotary_tables(2, length, n, options->pairs, arena);
    if (!tables) return NULL;
    float *near = tables->tables, *far = near + (size_t)length * n;
    tables->of[POS_QUERY] = tables->of[POS_KEY] = 1, tables->of[POS_QUERY_FAR] = 2;
    for (int i = 0; i < n / 2; i++) {
        double frequency = pow(options->base, -2.0 * i / n), angle = horizon(shape, options) * frequency;
        for (int t = 0; t < length; t++) {
            rotary_set_angle(near, length, n, t, i, position_at(positions, t) * frequency, 1);
            rotary_set_angle(far, length, n, t, i, angle, 1);
        }
    }
    return tables;
}

const PositionMethod method_rerope = {
    .name = "rerope",
    .label = "ReRoPE",
    .citation = "Su 2023, kexue.fm/archives/9708",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(RotaryWindow, fields),
    .check = rotary_check_head,
    .prepare = prepare,
    .transform = rotary_rotate_role,
    .transform_backward = rotary_rotate_role_backward,
    .horizon = horizon,
};
