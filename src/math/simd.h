/* simd: vectors of floats, and the exponential on them.
 *
 * Written with the compilers' vector types (GCC and Clang, any CPU); the build's -march decides how wide a
 * vector is.
 */
#ifndef POSLAB_TILE_H
#define POSLAB_TILE_H

#include "base/error.h"

#if defined(__AVX512F__)
enum { TILE_LANES = 16 };
#else
enum { TILE_LANES = 8 };
#endif

typedef float Vec __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(4), may_alias));
typedef int32_t IntVec __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(4), may_alias));
typedef uint32_t BitVec __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(4), may_alias));

static inline Vec vec_load(const float *x) {
    return *(const Vec *)x;
}

static inline void vec_store(float *x, Vec v) {
    *(Vec *)x = v;
}

static inline Vec vec_all(float x) { /* no sum of 0 and x, which would cost an addition: -0 + 0 is not -0 */
#if defined(__AVX512F__)
    return (Vec){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#else
    return (Vec){x, x, x, x, x, x, x, x};
#endif
}

static inline Vec vec_select(IntVec mask, Vec yes, Vec no) { /* lanes of mask are 0 or -1 */
    return (Vec)((mask & (IntVec)yes) | (~mask & (IntVec)no));
}

static inline Vec vec_max(Vec a, Vec b) { /* NaN in a stays */
    return vec_select(a < b, b, a);
}

/* A vector folded in halves until one lane is left. */
static inline float vec_sum(Vec v) {
    float lanes[TILE_LANES];
    vec_store(lanes, v);
#pragma GCC unroll 4
    for (int half = TILE_LANES / 2; half; half /= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

static inline float vec_top(Vec v) { /* the largest lane; which one is not said if a lane is NaN */
    float lanes[TILE_LANES];
    vec_store(lanes, v);
#pragma GCC unroll 4
    for (int half = TILE_LANES / 2; half; half /= 2) {
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) lanes[i] = lanes[i] < lanes[i + half] ? lanes[i + half] : lanes[i];
    }
    return lanes[0];
}

/* e^x for x <= 88, to about 2 units in the last place; 0 below -87 (and for -infinity), NaN for NaN.
   x = n ln 2 + r, |r| <= ln(2)/2: a polynomial for e^r, n added to the exponent's bits. The polynomial is
   1 + r + r^2 q(r), q of degree 4 with the least largest relative error of e^r, 4.4e-9 before rounding. */
static inline Vec vec_exp(Vec x) {
    const float magic =
        12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number, held in the low bits */
    Vec t = x * 1.44269504088896341f + magic;
    Vec n = t - magic;
    Vec r = x - n * 0.693359375f - n * -2.12194440e-4f;
    Vec p = vec_all(1.38144672e-3f);
    p = p * r + 8.36878084e-3f;
    p = p * r + 4.16683927e-2f;
    p = p * r + 1.66665196e-1f;
    p = p * r + 4.99999940e-1f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    Vec scaled = (Vec)((BitVec)p + ((BitVec)t << 23));
    return vec_select(x < vec_all(-87.0f), vec_all(0.0f), scaled);
}

#endif
