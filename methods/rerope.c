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

static const OptionField fields[] = {
    ROTARY_WINDOW_FIELDS("w: larger distances count as w; 0: half of the training length"),
};

static int horizon(const PositionShape *shape, const void *options) {
    return rotary_window(options, shape->train_length / 2);
}

static PositionRotation rotation(const PositionContext *context, PositionRole role, int pair,
                                 double position) {
    if (role == POS_QUERY_FAR) position = horizon(context->shape, context->options);
    if (role == POS_KEY_FAR) position = 0;
    return rotary_turn(context, rotary_frequency(context, pair), position, 1);
}

const PositionMethod method_rerope = {
    .name = "rerope",
    .label = "ReRoPE",
    .citation = "Su 2023, kexue.fm/archives/9708",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(RotaryWindow, fields),
    ROTARY_ROTATION(rotation),
    .horizon = horizon,
};
