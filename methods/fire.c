/* FIRE: functional interpolation for relative positions.
 *
 * Li et al., "Functional interpolation for relative positions improves long context transformers", 2024,
 * arXiv 2310.04418, section 3 and appendix (the authors' code; also chuanyang-Zheng/DAPE, DAPE.py). The bias
 * is a learned function of the distance as a share of how far the query could look back:
 *
 *     B[h,i,j] = f_h(x),   x = psi(i - j) / (psi(max(i, t)) + 1e-6),   psi(y) = ln(|c y| + 1)
 *
 * with i from 0, t = |multiplier| threshold, and f a perceptron 1 -> 32 -> H with ReLU. c starts at 0.1, the
 * multiplier at 1; `threshold` is 512 in the listing, and 64 in DAPE's runs at length 512: here its default,
 * 0, is the training length. f starts as torch's linear layers do, uniform in +-1/sqrt(inputs). All layers
 * share one f ("FIRE-S"), or each has its own (`per_layer`).
 *
 * With one input f is piecewise linear, so that the bias costs one product and one addition for each pair and
 * head: the floor is that of an added bias, a pass over the scores.
 */
#include "position/perceptron.h"

#include <math.h>

typedef struct Options {
    int64_t threshold;
    bool per_layer;
} Options;

static const OptionField fields[] = {
    {"threshold", OPTION_INT, offsetof(Options, threshold), .default_value = 0, .low = 0, .high = 2048,
     .help = "smallest position by which distances are normalised; 0: the training length"},
    {"per_layer", OPTION_BOOL, offsetof(Options, per_layer), .default_value = 0,
     .help = "each layer learns its own function"},
};

enum { C = PERCEPTRON_TENSORS, MULTIPLIER };

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    bool own = ((const Options *)options)->per_layer;
    int count = perceptron_layout(tensors, 1, PERCEPTRON_UNITS, shape->heads, own);
    tensors[C] = (PositionTensor){.name = "c", .rank = 1, .dims = {1}, .per_layer = own};
    tensors[MULTIPLIER] = (PositionTensor){.name = "multiplier", .rank = 1, .dims = {1}, .per_layer = own};
    return count + 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    if (index < PERCEPTRON_TENSORS)
        perceptron_init(1, PERCEPTRON_UNITS, context->shape->heads, index, value, rng);
    else
        value[0] = index == C ? 0.1f : 1;
}

/* psi(y), and its derivative by c. */
static double psi(const PositionContext *context, double y, double *by_c) {
    double c = context->param[C][0], size = fabs(c);
    *by_c = y / (1 + size * y) * (c < 0 ? -1 : 1);
    return log1p(size * y);
}

static double numerator(const PositionContext *context, int d, double *by_c) {
    return psi(context, d, by_c);
}

/* psi(max(i, t)) + 1e-6, and its derivatives by c and by the multiplier. */
static double denominator(const PositionContext *context, int i, double by[2]) {
    int64_t option = ((const Options *)context->options)->threshold;
    double threshold = option ? (double)option : context->shape->train_length;
    double multiplier = context->param[MULTIPLIER][0], t = fabs(multiplier) * threshold;
    double size = fabs((double)context->param[C][0]);
    if (t <= i) {
        by[1] = 0;
        return psi(context, i, &by[0]) + 1e-6;
    }
    by[1] = size * threshold / (1 + size * t) * (multiplier < 0 ? -1 : 1);
    return psi(context, t, &by[0]) + 1e-6;
}

static const PerceptronRatio ratio = {numerator, denominator};

static void pair_bias(const PositionContext *context, float *bias, int head, int first, int rows) {
    perceptron_ratio(context, &ratio, bias, head, first, rows);
}

static void pair_bias_backward(const PositionContext *context, const float *dbias, int head, int first,
                               int rows) {
    double gradients[2] = {0, 0};
    perceptron_ratio_backward(context, &ratio, dbias, head, first, rows, gradients);
    context->grad[C][0] += (float)gradients[0];
    context->grad[MULTIPLIER][0] += (float)gradients[1];
}

const PositionMethod method_fire = {
    .name = "fire",
    .label = "FIRE",
    .citation = "Li et al. 2024, arXiv 2310.04418, section 3",
    .claims = POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .pair_bias = pair_bias,
    .pair_bias_backward = pair_bias_backward,
};
