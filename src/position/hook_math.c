/* hook_math: mathematics for hooks, declared in position/position.h: matrix products, the logistic
 * function, softplus, slopes, sinusoids.
 */
#include <math.h>

#include "math/nn_ops.h"
#include "position/position.h"
#include "math/gemm.h"
#include "math/blas.h"

enum { LONG = 32 }; /* inner dimension from which gemm_nt is faster than the BLAS */

void position_product(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                      int k, unsigned how) {
    bool transpose_a = how & POS_TRANSPOSE_A, transpose_b = how & POS_TRANSPOSE_B, add = how & POS_ADD;
    if (!transpose_b && m % 8 == 0 && n % 16 == 0) {
        (transpose_a ? gemm_tn : gemm_nn)(c, ldc, add ? c : NULL, ldc, a, lda, b, ldb, m, n, k);
    } else if (transpose_b && !transpose_a && m % 4 == 0 && n % 4 == 0 && k % 16 == 0 && k >= LONG) {
        gemm_nt(c, ldc, add ? c : NULL, ldc, a, lda, b, ldb, m, n, k);
    } else {
        blas_product_strided(c, ldc, a, lda, b, ldb, m, n, k, transpose_a, transpose_b, add);
    }
}

float *position_sinusoids(const PositionSinusoids *kind, int width, int length, const double *positions,
                          Arena *arena) {
    int half = width / 2;
    float *table = NEW(arena, (size_t)length * width, float);
    for (int i = 0; table && i < half; i++) {
        double frequency = pow(kind->base, -i / kind->scale);
        int sine = kind->alternating ? 2 * i : i, cosine = kind->alternating ? 2 * i + 1 : half + i;
        for (int t = 0; t < length; t++) {
            double angle = (position_at(positions, t) + kind->first) * frequency;
            table[(size_t)t * width + sine] = (float)sin(angle);
            table[(size_t)t * width + cosine] = (float)cos(angle);
        }
    }
    return table;
}

/* Applies a function to x[count], a vector at a time; the last vector is filled up with zeros. */
static inline void map(SimdFloat function(SimdFloat), float *y, const float *x, int count) {
    int i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) simd_store(y + i, function(simd_load(x + i)));
    float rest[SIMD_LANES] = {0};
    for (int j = i; j < count; j++) rest[j - i] = x[j];
    if (i < count) simd_store(rest, function(simd_load(rest)));
    for (int j = i; j < count; j++) y[j] = rest[j - i];
}

static inline SimdFloat exp_minus_abs(SimdFloat v) { /* e^-|v| cannot overflow */
    return simd_exp(simd_select(v < 0, v, -v));
}

static inline SimdFloat sigmoid(SimdFloat v) {
    SimdFloat e = exp_minus_abs(v), small = e / (1 + e);
    return simd_select(v < 0, small, 1 - small);
}

/* max(v, 0) + ln(1 + e) with e = e^-|v|; ln(1 + e) = 2 artanh(t), t = e / (2 + e) <= 1/3, whose series is cut
   after t^13 (relative error 2e-8). */
static inline SimdFloat softplus(SimdFloat v) {
    SimdFloat e = exp_minus_abs(v), t = e / (2 + e), u = t * t;
    SimdFloat p = simd_broadcast(1.0f / 13);
    p = p * u + 1.0f / 11;
    p = p * u + 1.0f / 9;
    p = p * u + 1.0f / 7;
    p = p * u + 1.0f / 5;
    p = p * u + 1.0f / 3;
    p = p * u + 1.0f;
    return simd_select(v < 0, simd_broadcast(0), v) + 2 * t * p;
}

void position_sigmoid(float *y, const float *x, int count) {
    map(sigmoid, y, x, count);
}

void position_softplus(float *y, const float *x, int count) {
    map(softplus, y, x, count);
}

double position_slope(int h, int heads, double max_exponent) {
    int power = 1;
    while (2 * power <= heads) power *= 2;
    if (h < power) return exp2(-max_exponent * (h + 1) / power);
    return exp2(-max_exponent * (2 * (h - power) + 1) / (2 * power));
}

void position_log_bias(float *bias, int length, double p, double a) {
    for (int d = 0; d < length; d++) bias[d] = (float)(-p * log1p(a * d));
}

void position_log_bias_backward(const float *dbias, int length, double p, double a, float *dp, float *da) {
    double p_sum = 0, a_sum = 0;
    for (int d = 0; d < length; d++) {
        p_sum -= dbias[d] * log1p(a * d);
        a_sum -= dbias[d] * p * d / (1 + a * d);
    }
    *dp += (float)p_sum;
    *da += (float)a_sum;
}
