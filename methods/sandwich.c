/* Sandwich: the inner products of sinusoidal position embeddings as a bias.
 *
 * Chi, Fan, Rudnicky and Ramadge, "Dissecting transformer length extrapolation via the lens of receptive
 * field analysis", 2023, arXiv 2212.10356, section 5. If sinusoidal embeddings are added to tokens, the score
 * has four terms. Only the product of the two position vectors is kept, p_i . p_j, which depends only on the
 * distance. Each head divides it by its own factor, as ALiBi does with its slopes:
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) + (sum over k = 1..m/2 of cos(d base^(-2k/m)) - m/2) / (8 h / H)
 *
 * for d = i - j >= 0 and heads h = 1..H; m is the size of the embeddings, 128 for models of any size. The
 * bias falls approximately as -ln d. It has no parameters. NVIDIA's NeMo
 * (sandwich_relative_position_embedding.py) has the same formula with the head size for m. attention-gym
 * (meta-pytorch, attn_gym/mods/sandwich.py) has m = 128 and the same factor, but its sum begins at k = 0: its
 * scores differ by cos(d) - cos(d / base), divided by 8 h / H. No code of the authors was found.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    int64_t size;
    double base;
} Options;

static const OptionField fields[] = {
    {"size", OPTION_INT, offsetof(Options, size), .default_value = 128, .low = 2, .high = 1024,
     .help = "size of the embeddings whose inner products are the bias; even"},
    {"base", OPTION_REAL, offsetof(Options, base), .default_value = 10000, .low = 1.01, .high = 1e9,
     .help = "ratio of the longest to the shortest wavelength"},
};

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    (void)shape;
    if (options->size % 2 == 0) return true;
    return error_set(err, EXIT_USAGE, "needs an even 'size', got %lld", (long long)options->size);
}

/* p_i . p_(i-d) - p_i . p_i by distance d, [T] */
static void *prepare(const PositionShape *shape, const void *opaque, int length, const double *positions,
                     Arena *arena) {
    const Options *options = opaque;
    double *products = NEW(arena, length, double);
    (void)shape, (void)positions;
    for (int64_t k = 1; products && k <= options->size / 2; k++) {
        double frequency = pow(options->base, -2.0 * (double)k / (double)options->size);
        for (int d = 0; d < length; d++) products[d] += cos(d * frequency) - 1;
    }
    return products;
}

static void distance_bias(const PositionContext *context, float *bias) {
    const double *products = context->tables;
    int heads = context->shape->heads, length = context->length;
    for (int h = 0; h < heads; h++) {
        double factor = heads / (8.0 * (h + 1));
        for (int d = 0; d < length; d++) bias[(size_t)h * length + d] = (float)(factor * products[d]);
    }
}

const PositionMethod method_sandwich = {
    .name = "sandwich",
    .label = "Sandwich",
    .citation = "Chi et al. 2023, arXiv 2212.10356, section 5",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .prepare = prepare,
    .distance_bias = distance_bias,
};
