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

/* Two vectors as one of 2 * SIMD_LANES lanes, from which the lanes of a vector are chosen. SIMD_NEAR and
   SIMD_FAR choose from x and y lanes whose numbers differ in the bit `apart`: lane l is of x where that bit
   of l is clear, of y where it is set; in SIMD_NEAR of the first of such two lanes, in SIMD_FAR of the
   second. */
#if defined(__clang__)
#define SIMD_SHUFFLE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SIMD_SHUFFLE(x, y, ...) __builtin_shuffle(x, y, (SimdInt){__VA_ARGS__})
#endif
#if defined(__AVX512F__)
#define SIMD_EACH(at, apart) SIMD_EACH_8(at, apart, 0), SIMD_EACH_8(at, apart, 8)
#else
#define SIMD_EACH(at, apart) SIMD_EACH_8(at, apart, 0)
#endif
#define SIMD_EACH_8(at, apart, l) SIMD_EACH_4(at, apart, l), SIMD_EACH_4(at, apart, (l) + 4)
#define SIMD_EACH_4(at, apart, l) at(l, apart), at((l) + 1, apart), at((l) + 2, apart), at((l) + 3, apart)
#define SIMD_NEAR_LANE(l, apart)  ((l) & (apart) ? SIMD_LANES + ((l) ^ (apart)) : (l))
#define SIMD_FAR_LANE(l, apart)   (SIMD_NEAR_LANE(l, apart) + (apart))
#define SIMD_NEAR(x, y, apart)    SIMD_SHUFFLE(x, y, SIMD_EACH(SIMD_NEAR_LANE, apart))
#define SIMD_FAR(x, y, apart)     SIMD_SHUFFLE(x, y, SIMD_EACH(SIMD_FAR_LANE, apart))

/* Exchanges rows and lanes: lane l of v[i] becomes lane i of v[l]. */
static inline __attribute__((always_inline)) void simd_transpose(SimdFloat v[SIMD_LANES]) {
#define STAGE(apart)                                                                                         \
    for (int i = 0; i < SIMD_LANES; i++) {                                                                   \
        SimdFloat x = v[i], y = v[i | (apart)];                                                              \
        if (i & (apart)) continue;                                                                           \
        v[i] = SIMD_NEAR(x, y, apart), v[i | (apart)] = SIMD_FAR(x, y, apart);                               \
    }
#pragma GCC unroll 16
    STAGE(1)
#pragma GCC unroll 16
    STAGE(2)
#pragma GCC unroll 16
    STAGE(4)
#if defined(__AVX512F__)
#pragma GCC unroll 16
    STAGE(8)
#endif
#undef STAGE
}

/* to[i, l] = from[l, i] for i, l < SIMD_LANES; row r starts at to + r * ldt, or from + r * ldf. */
static inline void simd_transpose_copy(float *to, size_t ldt, const float *from, size_t ldf) {
    SimdFloat v[SIMD_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < SIMD_LANES; i++) v[i] = simd_load(from + (size_t)i * ldf);
    simd_transpose(v);
#pragma GCC unroll 16
    for (int i = 0; i < SIMD_LANES; i++) simd_store(to + (size_t)i * ldt, v[i]);
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
    return simd_select(x >= simd_broadcast(-87.0f), scaled, simd_max(x, simd_broadcast(0.0f)));
}

#endif
