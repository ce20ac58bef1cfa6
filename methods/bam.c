/* BAM: Bayesian attention mechanism, with a generalised Gaussian prior over distances.
 *
 * Bianchessi et al., "Bayesian attention mechanism: a probabilistic framework for positional encoding and
 * context length extrapolation", 2025, arXiv 2505.22842. The bias is the logarithm of a generalised Gaussian
 * density of the distance, whose shape a_h and scale e^b_h are learned:
 *
 *     B[h,d] = -e^(b_h) (d + 1e-5)^(a_h)
 *
 * b_h starts at the logarithm of ALiBi's slope. Option `start` sets the initial a_h: the same for all heads,
 * or from 0 in the first head to 1 in the last (the authors' code has both). a = 1 is ALiBi, a = 0 has no
 * position information, and a < 0 suppresses near keys. The location of the density is 0, as in the paper's
 * experiments. All layers share a and b. The paper also scales all scores by a learned multiple of ln n; the
 * option `scale` of attention has a similar form. dB/da = B ln(d + 1e-5), dB/db = B.
 *
 * Speed: H T powers per pass, and H T more backward. Each pair costs one addition forward and two backward,
 * where scores are computed again and gradients summed along diagonals, in addition to none's 14 D
 * operations.
 */
#include "position/position.h"

#include <math.h>

typedef enum Start { START_CONSTANT, START_SPREAD } Start;
static const char *const start_names[] = {"constant", "spread", NULL};

typedef struct Options {
    int start;
    double shape;
} Options;

static const OptionField fields[] = {
    {"start", OPTION_CHOICE, offsetof(Options, start), .default_value = START_SPREAD, .choices = start_names,
     .help = "initial a_h: 'shape' for all heads, or from 0 in the first head to 'shape' in the last"},
    {"shape", OPTION_REAL, offsetof(Options, shape), .default_value = 1, .low = 0.01, .high = 2,
     .help = "initial a_h, or the largest initial a_h"},
};

enum { A, B };

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    tensors[A] = (PositionTensor){.name = "a", .rank = 1, .dims = {shape->heads}};
    tensors[B] = (PositionTensor){.name = "b", .rank = 1, .dims = {shape->heads}};
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    const Options *options = context->options;
    int heads = context->shape->heads;
    (void)rng;
    for (int h = 0; h < heads; h++) {
        double share = options->start == START_SPREAD && heads > 1 ? (double)h / (heads - 1) : 1;
        value[h] = (float)(index == A ? options->shape * share : log(position_slope(h, heads, 8)));
    }
}

static double distance_log(int d) {
    return log(d + 1e-5);
}

static double bias_at(const PositionContext *context, int h, int d) {
    return -exp(context->param[B][h] + context->param[A][h] * distance_log(d));
}

static void distance_bias(const PositionContext *context, float *bias) {
    for (int h = 0; h < context->shape->heads; h++)
        for (int d = 0; d < context->length; d++) *bias++ = (float)bias_at(context, h, d);
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    for (int h = 0; h < context->shape->heads; h++) {
        double da = 0, db = 0;
        for (int d = 0; d < context->length; d++, dbias++) {
            double by_b = *dbias * bias_at(context, h, d);
            db += by_b;
            da += by_b * distance_log(d);
        }
        context->grad[A][h] += (float)da;
        context->grad[B][h] += (float)db;
    }
}

const PositionMethod method_bam = {
    .name = "bam",
    .label = "BAM",
    .citation = "Bianchessi et al. 2025, arXiv 2505.22842",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
};
