/* xPos: rotary whose pairs also decay with distance, those of high frequency most.
 *
 * Sun et al., "A length-extrapolatable transformer", 2022, arXiv 2212.10554, section 3. Pair i of the n
 * rotated coordinates is rotated as in rotary, w_i = base^(-2i/n), and scaled up in queries and down in keys:
 *
 *     q -> z_i^(t/b) rotated by t w_i,   k -> z_i^(-t/b) rotated by t w_i,     z_i = (2i + g n) / (n + g n)
 *
 * so that the product of a pair decays by z_i^(d/b) at distance d; with the paper's g = 0.4 and the authors'
 * b = 512 (torchscale/component/xpos_relative_position.py). There t is counted from the middle of the pass,
 * which gives the same scores; here it is counted from the middle of the training length, so that keys do not
 * depend on the length of the pass. Positions with a scale outside 1e-15 to 1e15, within which float is safe,
 * exceed the method's limit. A larger `scale_base` means less decay; the limit is rotary.
 */
#include "position/rotary.h"

#include <math.h>

typedef struct Options {
    RotaryOptions rotation;
    double scale_base, gamma;
} Options;

static const OptionField fields[] = {
    ROTARY_FIELDS,
    {"scale_base", OPTION_REAL, offsetof(Options, scale_base), .default_value = 512, .low = 64, .high = 1e6,
     .help = "distance at which the scores of a pair have decayed by its factor"},
    {"gamma", OPTION_REAL, offsetof(Options, gamma), .default_value = 0.4, .low = 0.05, .high = 100,
     .help = "the factor of the fastest pair is gamma / (1 + gamma)"},
};

static int limit(const PositionShape *shape, const void *opaque) {
    const Options *options = opaque;
    double growth =
        log((1 + options->gamma) / options->gamma) / options->scale_base; /* of the fastest pair */
    int middle = shape->train_length / 2;
    return (int)fmin(middle + 15 * log(10) / growth, 1 << 30);
}

/* Makes a table for queries, scaled up, and one for keys, scaled down. */
static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const Options *options = opaque;
    PositionContext context = {.shape = shape, .options = options, .length = length};
    int n = rotary_size(shape, options), half = n / 2, middle = shape->train_length / 2;
    size_t size = (size_t)length * half;
    RotaryTables *tables = rotary_tables(2, length, n, options->rotation.pairs, arena);
    if (!tables) return NULL;
    float *up = tables->tables, *down = up + 2 * size;
    tables->of[POS_QUERY] = 1, tables->of[POS_KEY] = 2;
    for (int i = 0; i < half; i++) {
        double frequency = rotary_resonance(options, rotary_frequency(&context, i));
        double growth = log((2 * i + options->gamma * n) / (n + options->gamma * n)) / options->scale_base;
        for (int t = 0; t < length; t++) {
            double position = position_at(positions, t), angle = position * frequency;
            double scale = exp(growth * (position - middle));
            float *query = up + (size_t)t * half + i, *key = down + (size_t)t * half + i;
            query[0] = (float)(scale * cos(angle)), query[size] = (float)(scale * sin(angle));
            key[0] = (float)(cos(angle) / scale), key[size] = (float)(sin(angle) / scale);
        }
    }
    return tables;
}

const PositionMethod method_xpos = {
    .name = "xpos",
    .label = "xPos",
    .citation = "Sun et al. 2022, arXiv 2212.10554, section 3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_BY_POSITION,
    POSITION_OPTIONS(Options, fields),
    .check = rotary_check,
    .limit = limit,
    .prepare = prepare,
    .transform = rotary_rotate_role,
    .transform_backward = rotary_rotate_role_backward,
};
