/* Transformer-XL's relative positions.
 *
 * Dai et al., "Transformer-XL", 2019, arXiv 1901.02860, section 3.3 (code:
 * github.com/kimiyoung/transformer-xl, pytorch/mem_transformer.py). The memory of past segments is omitted;
 * the score is kept:
 *
 *     S[h,i,j] = ((q_i + u_h) . k_j + (q_i + v_h) . r_d) / sqrt(D),      r_d = head h of W_R R_d,  d = i - j
 *
 * with R_d the sinusoids of distance d: first all sines, then all cosines, of d 10000^(-2c/C). W_R is [C,C]
 * in each layer; u and v are [H,D] in each layer, as with option untie_r of the authors' TensorFlow code,
 * which its scripts for WikiText-103 and LM1B set (their PyTorch code shares them). All start as N(0,
 * init_deviation^2), with the code's default of 0.02 (also for u and v; its largest models have 0.005).
 * `clamp` limits distances to a maximum, which most of the code's scripts set in evaluation (400 to 1000); 0:
 * no limit.
 *
 * In terms of hooks: q' = q + u is an affine transform of the query. Relative vectors are multiplied by q' as
 * well, and (q + v) . r = q' . r + (v - u) . r, where the last term is a distance bias.
 *
 * Speed: vectors for all distances double the product of queries and keys, and both of its gradients. Per
 * pair, the forward pass of training has 6 D operations instead of none's 4 D, the backward pass 16 D instead
 * of 10 D; W_R R costs T C C products per pass and layer.
 */
#include "position/position.h"

#include <math.h>

typedef struct Options {
    int64_t clamp;
    double init_deviation;
} Options;

static const OptionField fields[] = {
    {"clamp", OPTION_INT, offsetof(Options, clamp), .default_value = 0, .low = 0, .high = 1 << 24,
     .help = "larger distances count as this one; 0: no limit"},
    {"init_deviation", OPTION_REAL, offsetof(Options, init_deviation), .default_value = 0.02, .low = 0.01,
     .high = 10, .help = "standard deviation of all initial values"},
};

enum { WEIGHT, U, V };

static int layout(const PositionShape *shape, const void *options, PositionTensor tensors[]) {
    (void)options;
    PositionTensor bias = {.rank = 2, .dims = {shape->heads, shape->head_dim}, .per_layer = true};
    tensors[WEIGHT] = (PositionTensor){
        .name = "projection", .rank = 2, .dims = {shape->width, shape->width}, .per_layer = true};
    tensors[U] = tensors[V] = bias;
    tensors[U].name = "u", tensors[V].name = "v";
    return 3;
}

static void init(const PositionContext *context, int index, float *value, Random *rng) {
    int count = context->shape->width * (index == WEIGHT ? context->shape->width : 1);
    for (int i = 0; i < count; i++)
        value[i] = (float)(((const Options *)context->options)->init_deviation * random_normal(rng));
}

/* The number of distances with separate vectors. */
static int vector_count(const PositionShape *shape, const void *options, PositionRole role, int length) {
    int64_t clamp = ((const Options *)options)->clamp;
    (void)shape;
    if (role != POS_KEY) return 0;
    return clamp && clamp + 1 < length ? (int)clamp + 1 : length;
}

/* sinusoids[n,C] */
static void *prepare(const PositionShape *shape, const void *options, int length, const double *positions,
                     Arena *arena) {
    int n = vector_count(shape, options, POS_KEY, length), width = shape->width, half = (width + 1) / 2;
    float *table = NEW(arena, (size_t)n * width, float);
    (void)positions;
    for (int d = 0; table && d < n; d++)
        for (int c = 0; c < width; c++) {
            double angle = d * pow(10000, -2.0 * (c % half) / width);
            table[(size_t)d * width + c] = (float)(c < half ? sin(angle) : cos(angle));
        }
    return table;
}

static void vectors(const PositionContext *context, PositionRole role, float *r) {
    const PositionShape *shape = context->shape;
    int n = vector_count(shape, context->options, role, context->length), size = shape->head_dim;
    for (int h = 0; h < shape->heads; h++)
        position_product(r + (size_t)h * n * size, size, context->tables, shape->width,
                         context->param[WEIGHT] + (size_t)h * size * shape->width, shape->width, n, size,
                         shape->width, POS_TRANSPOSE_B);
}

static void vectors_backward(const PositionContext *context, PositionRole role, const float *dr) {
    const PositionShape *shape = context->shape;
    int n = vector_count(shape, context->options, role, context->length), size = shape->head_dim;
    for (int h = 0; h < shape->heads; h++)
        position_product(context->grad[WEIGHT] + (size_t)h * size * shape->width, shape->width,
                         dr + (size_t)h * n * size, size, context->tables, shape->width, size, shape->width,
                         n, POS_ADD | POS_TRANSPOSE_A);
}

static void transform(const PositionContext *context, PositionRole role, float *x, int stride) {
    int size = context->shape->head_dim;
    const float *u = context->param[U] + (size_t)context->head * size;
    for (int t = 0; role == POS_QUERY && t < context->length; t++, x += stride)
        for (int i = 0; i < size; i++) x[i] += u[i];
}

static void transform_backward(const PositionContext *context, PositionRole role, const float *x, float *dx,
                               int stride) {
    (void)x;
    int size = context->shape->head_dim;
    float *du = context->grad[U] + (size_t)context->head * size;
    for (int t = 0; role == POS_QUERY && t < context->length; t++, dx += stride)
        for (int i = 0; i < size; i++) du[i] += dx[i];
}

/* (v - u) . r_d / sqrt(D) = R_d . (W_R^T (v - u)) / sqrt(D): computes weights[C] of head h. */
enum { BLOCK = 64 };

/* sum over the head's rows of W_R, columns c0 ..: weights[c] = sum_i W[i,c0 + c] (v - u)[i] */
static void fold(const PositionContext *context, int h, int c0, int count, float weights[BLOCK]) {
    const PositionShape *shape = context->shape;
    int size = shape->head_dim;
    const float *u = context->param[U] + (size_t)h * size, *v = context->param[V] + (size_t)h * size;
    for (int c = 0; c < count; c++) weights[c] = 0;
    for (int i = 0; i < size; i++) {
        const float *row = context->param[WEIGHT] + ((size_t)h * size + i) * shape->width + c0;
        for (int c = 0; c < count; c++) weights[c] += row[c] * (v[i] - u[i]);
    }
}

static void distance_bias(const PositionContext *context, float *bias) {
    const PositionShape *shape = context->shape;
    int width = shape->width, length = context->length;
    int n = vector_count(shape, context->options, POS_KEY, length);
    float scale = (float)(1 / sqrt(shape->head_dim)), weights[BLOCK];
    const float *table = context->tables;
    for (int h = 0; h < shape->heads; h++, bias += length) {
        for (int d = 0; d < length; d++) bias[d] = 0;
        for (int c0 = 0; c0 < width; c0 += BLOCK) {
            int count = width - c0 < BLOCK ? width - c0 : BLOCK;
            fold(context, h, c0, count, weights);
            for (int d = 0; d < n; d++) {
                float sum = 0;
#pragma omp simd reduction(+ : sum)
                for (int c = 0; c < count; c++) sum += table[(size_t)d * width + c0 + c] * weights[c];
                bias[d] += sum * scale;
            }
        }
        for (int d = n; d < length; d++) bias[d] = bias[n - 1];
    }
}

static void distance_bias_backward(const PositionContext *context, const float *dbias) {
    const PositionShape *shape = context->shape;
    int width = shape->width, length = context->length, size = shape->head_dim;
    int n = vector_count(shape, context->options, POS_KEY, length);
    float scale = (float)(1 / sqrt(size));
    const float *table = context->tables;
    for (int h = 0; h < shape->heads; h++, dbias += length) {
        const float *u = context->param[U] + (size_t)h * size, *v = context->param[V] + (size_t)h * size;
        float *du = context->grad[U] + (size_t)h * size, *dv = context->grad[V] + (size_t)h * size;
        for (int c = 0; c < width; c++) { /* the gradient at weight c, then at its factors */
            double sum = 0;
            for (int d = 0; d < length; d++)
                sum += (double)dbias[d] * table[(size_t)(d < n ? d : n - 1) * width + c];
            float dweight = (float)sum * scale;
            for (int i = 0; i < size; i++) {
                size_t at = ((size_t)h * size + i) * width + c;
                context->grad[WEIGHT][at] += dweight * (v[i] - u[i]);
                dv[i] += dweight * context->param[WEIGHT][at];
                du[i] -= dweight * context->param[WEIGHT][at];
            }
        }
    }
}

const PositionMethod method_transformer_xl = {
    .name = "transformer_xl",
    .label = "Transformer-XL",
    .citation = "Dai et al. 2019, arXiv 1901.02860, section 3.3",
    .claims = POS_SHIFT_INVARIANT | POS_PREFIX_STABLE,
    POSITION_OPTIONS(Options, fields),
    .layout = layout,
    .init = init,
    .prepare = prepare,
    .transform = transform,
    .transform_backward = transform_backward,
    .distance_bias = distance_bias,
    .distance_bias_backward = distance_bias_backward,
    .vector_count = vector_count,
    .vectors = vectors,
    .vectors_backward = vectors_backward,
};
