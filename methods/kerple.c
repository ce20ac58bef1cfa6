/* KERPLE: kernelized relative position embedding.
 *
 * Chi, Fan, Ramadge and Rudnicky, "KERPLE", 2022, arXiv 2205.09921, sections 4 and 5. The bias is a
 * conditionally positive definite kernel of the distance, two learned numbers per head:
 *
 *     logarithmic   B = -p ln(1 + a d)      dB/dp = -ln(1 + a d)    dB/da = -p d / (1 + a d)
 *     power         B = -a d^p              dB/da = -d^p            dB/dp = -a d^p ln d  (0 at d = 0)
 *
 * with a, p > 0 and, for the power kernel, p <= 2. As in the authors' code (github.com/chijames/KERPLE,
 * megatron/mpu/layers.py): p starts uniform in (0, 2), a in (0, 1), both are kept at 0.01 or more by clamping
 * after every update, and all layers share one set. With option `per_layer` each layer has its own set. The
 * bias is added after the scaling, as in that code (the paper's equation 1 divides it by sqrt(D), too). With
 * p = 1 the power kind is ALiBi with slopes a.
 */
#include "position/position.h"

#include <math.h>

typedef enum Kind { KIND_LOGARITHMIC, KIND_POWER } Kind;
static const char *const kinds[] = {"logarithmic", "power", NULL};

typedef struct Options {
    int kind;
    bool per_layer;
} Options;

static const OptionField fields[] = {
    {"kind", OPTION_CHOICE, offsetof(Options, kind), .default_value = KIND_LOGARITHMIC, .choices = kinds,
     .help = "the kernel of the distance"},
    {"per_layer", OPTION_BOOL, offsetof(Options, per_layer), .default_value = 0,
     .help = "each layer learns its own a and p"},
};

enum { P, A }; /* the tensors, in layout order */

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    bool per_layer = ((const Options *)options)->per_layer;
    tensors[P] = (PositionTensor){.name = "p", .rank = 1, .dims = {shape->heads}, .per_layer = per_layer};
    tensors[A] = (PositionTensor){.name = "a", .rank = 1, .dims = {shape->heads}, .per_layer = per_layer};
    return 2;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    for (int h = 0; h < context->shape->heads; h++)
        value[h] = (float)(random_uniform(rng) * (index == P ? 2 : 1));
}

static void project(const PositionShape *shape, const void *options, int index, float *value) {
    bool power = ((const Options *)options)->kind == KIND_POWER;
    for (int h = 0; h < shape->heads; h++) {
        if (value[h] < 0.01f) value[h] = 0.01f;
        if (power && index == P && value[h] > 2) value[h] = 2;
    }
}

static void distance_bias(const PositionContext *context, float *bias) {
    bool power = ((const Options *)context->options)->kind == KIND_POWER;
    for (int h = 0; h < context->shape->heads; h++) {
        double p = context->param[P][h], a = context->param[A][h];
        for (int d = 0; d < context->length; d++)
            *bias++ = (float)(power ? -a * pow(d, p) : -p * log1p(a * d));
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    bool power = ((const Options *)context->options)->kind == KIND_POWER;
    for (int h = 0; h < context->shape->heads; h++, dbias += context->length) {
        double p = context->param[P][h], a = context->param[A][h], dp = 0, da = 0;
        for (int d = 1; d < context->length; d++) { /* at d = 0 the bias is 0 for all a and p */
            double grown = power ? pow(d, p) : log1p(a * d);
            dp -= dbias[d] * (power ? a * grown * log(d) : grown);
            da -= dbias[d] * (power ? grown : p * d / (1 + a * d));
        }
        context->grad[P][h] += (float)dp;
        context->grad[A][h] += (float)da;
    }
}

const PositionMethod method_kerple = {
    .name = "kerple",
    .label = "KERPLE",
    .citation = "Chi et al. 2022, arXiv 2205.09921, sections 4 and 5",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE | POS_ISOMETRY,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .project = project,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
};
