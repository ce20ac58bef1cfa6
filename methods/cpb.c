/* Continuous position bias (CPB): a small network maps each distance to a bias.
 *
 * Wang et al., "CrossFormer", 2021, arXiv 2108.00154, section 3.3 (dynamic position bias); Liu et al., "Swin
 * transformer V2", 2022, arXiv 2111.09883, section 3.3 (log-spaced coordinates), for images; for text
 * github.com/lucidrains/x-transformers, DynamicPositionBias. Any distance d = i - j >= 0 has a bias, also
 * distances that did not occur in training:
 *
 *     S[h,i,j] = q_i . k_j / sqrt(D) + b_h + sum over w = 1..W of B_hw silu(z_w),     z_w = A_w u(d) + a_w
 *     u(d) = ln(1 + d)  or  d / L,     silu(z) = z / (1 + exp(-z))
 *
 * There is one hidden layer of W units, as in Swin V2 (which has W = 512 and ReLU); x-transformers has two
 * hidden layers with SiLU and unscaled linear distances. Here linear distances are divided by the training
 * length L, since the initial biases would otherwise be in the hundreds. Swin V2's limit of 16 is omitted.
 * Initial values are uniform in +-1/sqrt(inputs), as in PyTorch's layers. The network is computed once for
 * each distance, in double, and costs T (W + W H) products. With g_h = dL/dB[h,d]:
 *
 *     db_h = g_h,     dB_hw = g_h silu(z_w),     dA_w = dz_w u,     da_w = dz_w
 *     dz_w = silu'(z_w) sum over h of g_h B_hw,     silu'(z) = s (1 + z (1 - s)),     s = 1 / (1 + exp(-z))
 */
#include "position/perceptron.h"

#include <math.h>

enum { MOST = 128 };

typedef enum Distance { DISTANCE_LOGARITHMIC, DISTANCE_LINEAR } Distance;
static const char *const distances[] = {"logarithmic", "linear", NULL};

typedef struct Options {
    int64_t hidden;
    int distance;
} Options;

static const OptionField fields[] = {
    {"hidden", OPTION_INT, offsetof(Options, hidden), .default_value = 32, .low = 4, .high = MOST,
     .help = "units of the hidden layer"},
    {"distance", OPTION_CHOICE, offsetof(Options, distance), .default_value = DISTANCE_LOGARITHMIC,
     .choices = distances, .help = "input of the perceptron at distance d: ln(1 + d), or d / L"},
};

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    return perceptron_layout(tensors, 1, (int)((const Options *)options)->hidden, shape->heads, false);
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    perceptron_init(1, (int)((const Options *)context->options)->hidden, context->shape->heads, index, value,
                    rng);
}

static double input(const PositionContext *context, int d) {
    bool linear = ((const Options *)context->options)->distance == DISTANCE_LINEAR;
    return linear ? (double)d / context->shape->train_length : log1p(d);
}

static double logistic(double z) {
    return 1 / (1 + exp(-z));
}

static void distance_bias(const PositionContext *context, float *bias) {
    const float *const *param = context->param;
    int hidden = (int)((const Options *)context->options)->hidden, length = context->length;
    for (int d = 0; d < length; d++) {
        double u = input(context, d), active[MOST];
        for (int w = 0; w < hidden; w++) {
            double z = param[PERCEPTRON_IN_WEIGHT][w] * u + param[PERCEPTRON_IN_BIAS][w];
            active[w] = z * logistic(z);
        }
        for (int h = 0; h < context->shape->heads; h++) {
            double sum = param[PERCEPTRON_OUT_BIAS][h];
            for (int w = 0; w < hidden; w++) sum += param[PERCEPTRON_OUT_WEIGHT][h * hidden + w] * active[w];
            bias[(size_t)h * length + d] = (float)sum;
        }
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    const float *const *param = context->param;
    float *const *grad = context->grad;
    int hidden = (int)((const Options *)context->options)->hidden, length = context->length;
    for (int d = 0; d < length; d++) {
        double u = input(context, d);
        for (int h = 0; h < context->shape->heads; h++)
            grad[PERCEPTRON_OUT_BIAS][h] += dbias[(size_t)h * length + d];
        for (int w = 0; w < hidden; w++) {
            double z = param[PERCEPTRON_IN_WEIGHT][w] * u + param[PERCEPTRON_IN_BIAS][w], s = logistic(z),
                   dz = 0;
            for (int h = 0; h < context->shape->heads; h++) {
                double g = dbias[(size_t)h * length + d];
                grad[PERCEPTRON_OUT_WEIGHT][h * hidden + w] += (float)(g * z * s);
                dz += g * param[PERCEPTRON_OUT_WEIGHT][h * hidden + w];
            }
            dz *= s * (1 + z * (1 - s));
            grad[PERCEPTRON_IN_WEIGHT][w] += (float)(dz * u);
            grad[PERCEPTRON_IN_BIAS][w] += (float)dz;
        }
    }
}

const PositionMethod method_cpb = {
    .name = "cpb",
    .label = "CPB",
    .citation = "Wang et al. 2021, arXiv 2108.00154; Liu et al. 2022, arXiv 2111.09883, section 3.3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
};
