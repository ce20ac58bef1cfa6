/* Self-Extend: rotary with exact near positions and grouped far positions.
 *
 * Jin et al., "LLM maybe LongLM: Self-Extend LLM context window without tuning", 2024, arXiv 2401.01325
 * (code: github.com/datamllab/LongLM, self_extend_patch/Llama.py). Pairs less than w positions apart are
 * rotated as in rotary.c. For all other pairs, positions are divided by G and rounded down, and the query is
 * shifted so that far distances continue the near ones:
 *
 *     S[i,j] = (R_i q_i) . (R_j k_j) / sqrt(D)                                              for i - j < w
 *     S[i,j] = (R_p q_i) . (R_r k_j) / sqrt(D),  p = i div G + w - w div G,  r = j div G    for i - j >= w
 *
 * It has no parameters, and G = 1 is rotary. It is meant for models trained with rotary at length L: relative
 * positions stay below L up to a length of (L - w) G + w. The paper uses w = 1024 and G = 8 for L = 4096;
 * hence the defaults. The code also scales queries by ln n, which is an option of attention here (`scale`).
 *
 * Speed: as rerope. Each pair costs none's 14 D operations. Panels of 32 keys with pairs on both sides of w
 * cost the products of scores and of their gradients twice: 22 D. The near and the far rotations of queries
 * and keys take 12 D operations per row, forward and backward each.
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryWindow rotation;
    int64_t group;
} Options;

static const OptionField fields[] = {
    ROTARY_WINDOW_FIELDS("w: distance from which positions are grouped; 0: a quarter of the training length"),
    {"group", OPTION_INT, offsetof(Options, group), .default_value = 8, .low = 1, .high = 1 << 16,
     .help = "G: number of positions in a group"},
};

static int horizon(const PositionShape *shape, const void *options) {
    return rotary_window(options, shape->train_length / 4);
}

static PositionRotation rotation(const PositionContext *context, PositionRole role, int pair,
                                 double position) {
    const Options *options = context->options;
    int w = horizon(context->shape, options), moved = w - w / (int)options->group;
    if (role == POS_QUERY_FAR) position = floor(position / (double)options->group) + moved;
    if (role == POS_KEY_FAR) position = floor(position / (double)options->group);
    return rotary_turn(context, rotary_frequency(context, pair), position, 1);
}

const PositionMethod method_self_extend = {
    .name = "self_extend",
    .label = "Self-Extend",
    .citation = "Jin et al. 2024, arXiv 2401.01325",
    .also = "selfextend longlm",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    ROTARY_ROTATION(rotation),
    .horizon = horizon,
};
