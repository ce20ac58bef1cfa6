/* hook_math: mathematics for hooks, declared in position/position.h: matrix products, the logistic
 * function, slopes, sinusoids.
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

void position_sigmoid(float *y, const float *x, int count) {
    int i = 0;
    for (; i + SIMD_LANES <= count; i += SIMD_LANES) {
        SimdFloat v = simd_load(x + i), e = simd_exp(simd_select(v < 0, v, -v)); /* e^-|x| cannot overflow */
        SimdFloat small = e / (1 + e);
        simd_store(y + i, simd_select(v < 0, small, 1 - small));
    }
    if (i == count) return;
    float rest[SIMD_LANES] = {0};
    for (int j = i; j < count; j++) rest[j - i] = x[j];
    position_sigmoid(rest, rest, SIMD_LANES);
    for (int j = i; j < count; j++) y[j] = rest[j - i];
}

double position_slope(int h, int heads, double max_exponent) {
    int power = 1;
    while (2 * power <= heads) power *= 2;
    if (h < power) return exp2(-max_exponent * (h + 1) / power);
    return exp2(-max_exponent * (2 * (h - power) + 1) / (2 * power));
}
