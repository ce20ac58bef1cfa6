/* T5 relative position bias.
 *
 * Raffel et al., "Exploring the limits of transfer learning with a unified text-to-text transformer", 2020,
 * arXiv 1910.10683, section 2.1. Distances fall into buckets, each head learns one number per bucket, and all
 * layers share them:
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) + b[bucket(d), h],      d = i - j >= 0
 *
 * The first half of the n buckets holds one distance each, d = 0 .. e-1 with e = n/2; the others grow
 * logarithmically up to max_distance, beyond which all distances share the last one:
 *
 *     bucket(d) = min(n - 1, e + floor(ln(d / e) / ln(max_distance / e) (n - e)))       for d >= e
 *
 * This is the causal form (`bidirectional=False` in the authors' mesh_tensorflow). If the lower bound of a
 * bucket is an integer, it belongs to this bucket regardless of rounding in the logarithms (the authors'
 * float32 may put it one bucket lower). T5 itself omits 1/sqrt(D); here the scaling of scores is the same for
 * every method. GPT-NeoX and x-transformers, which divide too, multiply the bias by sqrt(D) instead: option
 * `scaled`. The bias starts at zero unless `init_deviation` is set; transformers' T5 starts with a deviation
 * of 1/sqrt(C), x-transformers with 1.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    int64_t buckets, max_distance;
    double init_deviation;
    bool scaled;
} Options;

static const OptionField fields[] = {
    {"buckets", OPTION_INT, offsetof(Options, buckets), .default_value = 32, .low = 2, .high = 4096,
     .help = "number of learned biases per head; the first half are for single distances"},
    {"max_distance", OPTION_INT, offsetof(Options, max_distance), .default_value = 128, .low = 2,
     .high = 1 << 24, .help = "this distance and all larger ones share the last bucket"},
    {"init_deviation", OPTION_REAL, offsetof(Options, init_deviation), .default_value = 0, .low = 0,
     .high = 10, .help = "standard deviation of the initial biases"},
    {"scaled", OPTION_BOOL, offsetof(Options, scaled), .default_value = 0,
     .help = "multiply the biases by sqrt(D), as in T5, whose scores are not divided by it"},
};

static bool check(const PositionShape *shape, const void *opaque, Error *err) {
    const Options *options = opaque;
    (void)shape;
    if (options->max_distance > options->buckets / 2) return true;
    return error_set(err, EXIT_USAGE, "needs 'max_distance' above half of 'buckets' (%lld), got %lld",
                     (long long)(options->buckets / 2), (long long)options->max_distance);
}

static int bucket(const Options *options, int d) {
    int count = (int)options->buckets, exact = count / 2;
    if (d < exact) return d;
    double place = log((double)d / exact) / log((double)options->max_distance / exact);
    double grown =
        exact + floor(place * (count - exact) * (1 + 1e-12)); /* corrects the rounding of the logarithms */
    return grown < count - 1 ? (int)grown : count - 1;
}

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    tensors[0] = (PositionTensor){
        .name = "bias", .rank = 2, .dims = {(int)((const Options *)options)->buckets, shape->heads}};
    return 1;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    const Options *options = context->options;
    (void)index;
    for (int64_t i = 0; i < options->buckets * context->shape->heads; i++)
        value[i] = (float)(options->init_deviation * random_normal(rng));
}

/* the bucket of each distance, [T] */
static void *prepare(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena) {
    int *buckets = NEW(arena, length, int);
    (void)shape, (void)positions;
    for (int d = 0; buckets && d < length; d++) buckets[d] = bucket(options, d);
    return buckets;
}

static float scale(const PositionContext *context) {
    return ((const Options *)context->options)->scaled ? sqrtf((float)context->shape->head_dim) : 1;
}

static void distance_bias(const PositionContext *context, float *bias) {
    const int *buckets = context->tables;
    float factor = scale(context);
    int heads = context->shape->heads, length = context->length;
    for (int h = 0; h < heads; h++)
        for (int d = 0; d < length; d++)
            bias[(size_t)h * length + d] = factor * context->param[0][buckets[d] * heads + h];
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    const int *buckets = context->tables;
    float factor = scale(context);
    int heads = context->shape->heads, length = context->length;
    for (int h = 0; h < heads; h++)
        for (int d = 0; d < length; d++)
            context->grad[0][buckets[d] * heads + h] += factor * dbias[(size_t)h * length + d];
}

static const char pytorch[] =
    "def bias(p, d):\n"
    "    n, exact = OPTIONS['buckets'], OPTIONS['buckets'] // 2\n"
    "    share = (d.clamp(min=1) / exact).log() / math.log(OPTIONS['max_distance'] / exact)\n"
    "    grown = exact + (share * (n - exact) * (1 + 1e-12)).floor()\n"
    "    bucket = torch.where(d < exact, d, grown.clamp(max=n - 1)).long()\n"
    "    scale = math.sqrt(WIDTH / HEADS) if OPTIONS['scaled'] else 1\n"
    "    return scale * p['bias'][bucket].permute(2, 0, 1)\n";

const PositionMethod method_t5 = {
    .name = "t5",
    .label = "T5 bias",
    .citation = "Raffel et al. 2020, arXiv 1910.10683, section 2.1",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .check = check,
    .layout = layout,
    .init = init,
    .prepare = prepare,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
    .pytorch = pytorch,
};
