/* simd: vectors of floats, and the exponential on them.
 *
 * Written with the vector types of GCC and Clang, for any CPU; -march determines the width of a vector.
 */
#ifndef POSLAB_MATH_SIMD_H
#define POSLAB_MATH_SIMD_H

#include "base/error.h"

#if defined(__AVX512F__)
enum { SIMD_LANES = 16 };
#else
enum { SIMD_LANES = 8 };
#endif

typedef float SimdFloat __attribute__((vector_size(SIMD_LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t SimdInt __attribute__((vector_size(SIMD_LANES * sizeof(float)), aligned(4), may_alias));
typedef uint32_t SimdBits __attribute__((vector_size(SIMD_LANES * sizeof(float)), aligned(4), may_alias));

static inline SimdFloat simd_load(const float *x) {
    return *(const SimdFloat *)x;
}

static inline void simd_store(float *x, SimdFloat v) {
    *(SimdFloat *)x = v;
}

static inline SimdFloat simd_broadcast(
    float x) { /* written out: the compiler cannot drop an addition of zero, since -0 + 0 is not -0 */
#if defined(__AVX512F__)
    return (SimdFloat){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#else
    return (SimdFloat){x, x, x, x, x, x, x, x};
#endif
}

static inline SimdFloat simd_select(SimdInt mask, SimdFloat yes,
                                    SimdFloat no) { /* lanes of mask are 0 or -1 */
    return (SimdFloat)((mask & (SimdInt)yes) | (~mask & (SimdInt)no));
}

static inline SimdFloat simd_max(SimdFloat a, SimdFloat b) { /* NaN in a is kept */
#if defined(__AVX__) /* GCC makes a comparison and a selection of it, which take five times as long */
    SimdFloat max;
    __asm__("vmaxps %1, %2, %0" : "=v"(max) : "v"(a), "v"(b));
    return max;
#else
    return simd_select(a < b, b, a);
#endif
}

/* The sum of all lanes; the vector is folded in halves until one lane is left. */
static inline float simd_reduce_sum(SimdFloat v) {
    float lanes[SIMD_LANES];
    simd_store(lanes, v);
#pragma GCC unroll 4
    for (int half = SIMD_LANES / 2; half; half /= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

static inline float simd_reduce_max(SimdFloat v) { /* the largest lane; unspecified if a lane is NaN */
    float lanes[SIMD_LANES];
    simd_store(lanes, v);
#pragma GCC unroll 4
    for (int half = SIMD_LANES / 2; half; half /= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) lanes[i] = lanes[i] < lanes[i + half] ? lanes[i + half] : lanes[i];
    }
    return lanes[0];
}

/* e^x for x <= 88, to about 2 units in the last place; 0 below -87 (and for -infinity), NaN for NaN. x = n ln
   2 + r, |r| <= ln(2)/2: a polynomial for e^r, n added to the exponent's bits. The polynomial is 1 + r + r^2
   q(r), q of degree 4 with the smallest maximum relative error of e^r, 4.4e-9 before rounding. */
static inline SimdFloat simd_exp(SimdFloat x) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, in the low bits */
    SimdFloat t = x * 1.44269504088896341f + magic;
    SimdFloat n = t - magic;
    SimdFloat r = x - n * 0.693359375f - n * -2.12194440e-4f;
    SimdFloat p = simd_broadcast(1.38144672e-3f);
    p = p * r + 8.36878084e-3f;
    p = p * r + 4.16683927e-2f;
    p = p * r + 1.66665196e-1f;
    p = p * r + 4.99999940e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    SimdFloat scaled = (SimdFloat)((SimdBits)p + ((SimdBits)t << 23));
    return simd_select(x < simd_broadcast(-87.0f), simd_broadcast(0.0f), scaled);
}

#endif
