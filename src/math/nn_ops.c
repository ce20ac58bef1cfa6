/* nn_ops: the compiler may split a sum into vector lanes only where it is marked `omp simd reduction`; no
 * other operation is reordered.
 */
#include "math/nn_ops.h"

#include <math.h>

#include "base/random.h"
#include "math/simd.h"

static const float norm_epsilon = 1e-5f;

void nn_ops_layer_norm(float *y, float *mean, float *rstd, const float *x, const float *weight,
                       const float *bias, int n, int c) {
    for (int row = 0; row < n; row++, x += c, y += c) {
        float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < c; i++) sum += x[i];
        float m = sum / (float)c;
#pragma omp simd reduction(+ : squares)
        for (int i = 0; i < c; i++) squares += (x[i] - m) * (x[i] - m);
        float r = 1.0f / sqrtf(squares / (float)c + norm_epsilon);
        for (int i = 0; i < c; i++) y[i] = (x[i] - m) * r * weight[i] + bias[i];
        mean[row] = m;
        rstd[row] = r;
    }
}

void nn_ops_layer_norm_backward(float *dx, float *dweight, float *dbias, const float *dy, const float *x,
                                const float *weight, const float *mean, const float *rstd, int n, int c) {
    for (int row = 0; row < n; row++, x += c, dx += c, dy += c) {
        float m = mean[row], r = rstd[row], sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
        for (int i = 0; i < c; i++) {
            float normed = (x[i] - m) * r, g = dy[i] * weight[i];
            dweight[i] += dy[i] * normed;
            dbias[i] += dy[i];
            sum += g;
            product += g * normed;
        }
        sum /= (float)c;
        product /= (float)c;
        for (int i = 0; i < c; i++) dx[i] += r * (dy[i] * weight[i] - sum - (x[i] - m) * r * product);
    }
}

void nn_ops_relu(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = x[i] < 0 ? 0 : x[i]; /* NaN stays NaN */
}

void nn_ops_relu_backward(float *dy, const float *y, size_t count) {
    for (size_t i = 0; i < count; i++) dy[i] = y[i] > 0 ? dy[i] : 0;
}

void nn_ops_gelu(float *y, const float *x, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678f));
}

void nn_ops_gelu_backward(float *dy, const float *x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float cumulative = 0.5f * (1.0f + erff(x[i] * 0.70710678f));
        float density = 0.39894228f * expf(-0.5f * x[i] * x[i]);
        dy[i] *= cumulative + x[i] * density;
    }
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

void nn_ops_swiglu(float *y, const float *x, int n, int f) {
    for (int row = 0; row < n; row++, x += 2 * f, y += f) {
        const float *gate = x, *value = x + f;
        for (int i = 0; i < f; i++) y[i] = gate[i] * sigmoid(gate[i]) * value[i];
    }
}

void nn_ops_swiglu_backward(float *dx, const float *dy, const float *x, int n, int f) {
    for (int row = 0; row < n; row++, x += 2 * f, dx += 2 * f, dy += f) {
        const float *gate = x, *value = x + f;
        for (int i = 0; i < f; i++) {
            float s = sigmoid(gate[i]);
            dx[i] = dy[i] * value[i] * s * (1.0f + gate[i] * (1.0f - s));
            dx[f + i] = dy[i] * gate[i] * s;
        }
    }
}

void nn_ops_dropout(float *x, size_t count, double p, uint64_t key, uint64_t first) {
    if (p <= 0) return;
    uint64_t limit = (uint64_t)(p * 0x1p53);
    float keep = (float)(1 / (1 - p));
    for (size_t i = 0; i < count; i++) x[i] = random_at(key, first + i) >> 11 < limit ? 0 : x[i] * keep;
}

void nn_ops_add(float *y, const float *x, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] += x[i];
}

/* A row of logits is read in vectors; the last, partial one is padded with -infinity. */
static SimdFloat row_load(const float *row, int j, int v) {
    if (j + SIMD_LANES <= v) return simd_load(row + j);
    float lanes[SIMD_LANES];
    for (int l = 0; l < SIMD_LANES; l++) lanes[l] = j + l < v ? row[j + l] : -INFINITY;
    return simd_load(lanes);
}

static void row_store(float *row, int j, int v, SimdFloat x) {
    if (j + SIMD_LANES <= v) {
        simd_store(row + j, x);
        return;
    }
    float lanes[SIMD_LANES];
    simd_store(lanes, x);
    for (int l = 0; j + l < v; l++) row[j + l] = lanes[l];
}

void nn_ops_cross_entropy(float *nll, float *logits, const uint32_t *target, int n, int v, float scale) {
    for (int row = 0; row < n; row++, logits += v) {
        SimdFloat top_lanes = simd_broadcast(-INFINITY), sum_lanes = simd_broadcast(0);
        for (int j = 0; j < v; j += SIMD_LANES) top_lanes = simd_max(row_load(logits, j, v), top_lanes);
        float top = simd_reduce_max(top_lanes);
        for (int j = 0; j < v; j += SIMD_LANES) sum_lanes += simd_exp(row_load(logits, j, v) - top);
        float sum = simd_reduce_sum(sum_lanes);
        nll[row] = top + logf(sum) - logits[target[row]];
        if (scale == 0) continue;
        float factor = scale / sum;
        for (int j = 0; j < v; j += SIMD_LANES)
            row_store(logits, j, v, simd_exp(row_load(logits, j, v) - top) * factor);
        logits[target[row]] -= scale;
    }
}

void nn_ops_softmax_part(float *top, float *sum, const float *logits, int n, int v) {
    for (int row = 0; row < n; row++, logits += v) {
        SimdFloat top_lanes = simd_broadcast(-INFINITY), sum_lanes = simd_broadcast(0);
        for (int j = 0; j < v; j += SIMD_LANES) top_lanes = simd_max(row_load(logits, j, v), top_lanes);
        float highest = simd_reduce_max(top_lanes);
        if (!(highest <= top[row])) {
            sum[row] *= expf(top[row] - highest);
            top[row] = highest;
        }
        for (int j = 0; j < v; j += SIMD_LANES) sum_lanes += simd_exp(row_load(logits, j, v) - top[row]);
        sum[row] += simd_reduce_sum(sum_lanes);
    }
}

void nn_ops_softmax_of_part(float *logits, const float *top, const float *sum, int n, int v, float scale) {
    for (int row = 0; row < n; row++, logits += v) {
        float highest = top[row], factor = scale / sum[row];
        for (int j = 0; j < v; j += SIMD_LANES)
            row_store(logits, j, v, simd_exp(row_load(logits, j, v) - highest) * factor);
    }
}

double nn_ops_squared_norm(const float *x, size_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++) sum += (double)x[i] * x[i];
    return sum;
}
