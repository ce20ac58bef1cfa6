/* gemm: each kernel keeps a block of the result in registers during the loop over the inner index k.
 *
 * One kernel computes all products: element (r, p) of the left factor is a[r * row + p * step], with (row,
 * step) = (lda, 1), or (1, lda) for a transposed factor. The numbers of rows and of vectors in a block are
 * constants of each call, so that the compiler unrolls both loops and keeps `sum` in registers. A fused
 * multiply-add takes four cycles and two can start in each cycle: a block needs at least eight independent
 * sums, and more to hide its beginning and its end. With AVX-512 (32 registers) a block of a tile has 8 x 2
 * sums, or 16 x 1 where the result is one vector wide, and one of a layer 12 x 2; with 16 registers blocks
 * have 6 x 2 sums. All have the same bits, as each sum adds its products in the order of p.
 */
#include "math/gemm.h"

#include <string.h>

#include "base/clock.h"

#if defined(__AVX__)                                     /* a vector is one register */
#define HOLD(vector) __asm__ volatile("" : "+v"(vector)) /* keeps its value in a register here */
#else
#define HOLD(vector) (void)(vector)
#endif

/* sum += left right with one rounding; `number` is broadcast from memory. They are instructions, because GCC
   gives a sum another register at each multiply-add, and spends more instructions on moves than on products.
 */
#if defined(__FMA__) || defined(__AVX512F__)
#define MULTIPLY_ADD(sum, left, right) __asm__("vfmadd231ps %2, %1, %0" : "+v"(sum) : "v"(right), "v"(left))
#else
#define MULTIPLY_ADD(sum, left, right) (sum) += (left) * (right)
#endif
#if defined(__AVX512F__)
#define MULTIPLY_ADD_NUMBER(sum, number, right)                                                              \
    __asm__("vfmadd231ps %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(right), "m"(number))
#else
#define MULTIPLY_ADD_NUMBER(sum, number, right) MULTIPLY_ADD(sum, simd_broadcast(number), right)
#endif

/* Rows of a block: of most in a tile, of one that is one vector wide, and of the rest. */
enum { TILE = SIMD_LANES == 16 ? 8 : 6, TALL = 16, EVEN = SIMD_LANES == 16 ? 8 : 4, WIDE = 2 * SIMD_LANES };

/* c = from (NULL: 0) + a b. `from` is added last. */
static inline __attribute__((always_inline)) void block(const int rows, const int vecs, float *c, size_t ldc,
                                                        const float *from, ptrdiff_t ldf, const float *a,
                                                        size_t row, size_t step, const float *b, size_t ldb,
                                                        int k) {
    SimdFloat sum[TALL][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) sum[r][v] = simd_broadcast(0);
    }
    for (int p = 0; p < k; p++, a += step, b += ldb) {
        SimdFloat right[2];
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) {
            right[v] = simd_load(b + v * SIMD_LANES);
            HOLD(right[v]);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            if (vecs == 1) {
                MULTIPLY_ADD_NUMBER(sum[r][0], a[r * row], right[0]);
                continue;
            }
            SimdFloat left = simd_broadcast(a[r * row]);
            HOLD(left);
#pragma GCC unroll 2
            for (int v = 0; v < vecs; v++) MULTIPLY_ADD(sum[r][v], left, right[v]);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) {
            if (from) sum[r][v] += simd_load(from + r * ldf + v * SIMD_LANES);
            simd_store(c + r * ldc + v * SIMD_LANES, sum[r][v]);
        }
    }
}

static inline __attribute__((always_inline)) void product(float *c, size_t ldc, const float *from,
                                                          ptrdiff_t ldf, const float *a, size_t row,
                                                          size_t step, const float *b, size_t ldb, int m,
                                                          int n, int k) {
#define NEXT(rows, vecs)                                                                                     \
    block(rows, vecs, c + i * ldc + j, ldc, from ? from + i * ldf + j : NULL, ldf, a + i * row, row, step,   \
          b + j, ldb, k)
    for (int j = 0; j < n; j += WIDE) {
        int i = 0;
        if (SIMD_LANES == 16 && n - j < WIDE) { /* one vector is left, as n is a multiple of 16 */
            for (; i + TALL <= m; i += TALL) NEXT(TALL, 1);
            for (; i < m; i += EVEN) NEXT(EVEN, 1);
        }
        for (; i + TILE <= m && m - i != 8; i += TILE) NEXT(TILE, 2);
        for (; i < m; i += EVEN) NEXT(EVEN, 2);
    }
#undef NEXT
}

/* Scores of heads of 16 in panels of 32 keys: so short a product takes a tenth less time with constants. */
void gemm_nn(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k) {
    if (k == 16 && lda == 16 && ldb == 32)
        product(c, (size_t)ldc, from, ldf, a, 16, 1, b, 32, m, n, 16);
    else
        product(c, (size_t)ldc, from, ldf, a, (size_t)lda, 1, b, (size_t)ldb, m, n, k);
}

void gemm_tn(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k) {
    product(c, (size_t)ldc, from, ldf, a, 1, (size_t)lda, b, (size_t)ldb, m, n, k);
}

/* If both factors are contiguous along the inner index, each sum is a vector of partial sums, and SIMD_LANES
   such vectors are folded into one vector of sums. A step makes one vector from two: each lane is the sum of
   two lanes at distance `apart`. */
#define FOLD(x, y, apart) (SIMD_NEAR(x, y, apart) + SIMD_FAR(x, y, apart))

static inline SimdFloat fold(SimdFloat v[SIMD_LANES]) { /* lane i: the sum of v[i]; v is overwritten */
#pragma GCC unroll 8
    for (int i = 0; i < SIMD_LANES / 2; i++) v[i] = FOLD(v[2 * i], v[2 * i + 1], 1);
#pragma GCC unroll 4
    for (int i = 0; i < SIMD_LANES / 4; i++) v[i] = FOLD(v[2 * i], v[2 * i + 1], 2);
#pragma GCC unroll 2
    for (int i = 0; i < SIMD_LANES / 8; i++) v[i] = FOLD(v[2 * i], v[2 * i + 1], 4);
#if defined(__AVX512F__)
    v[0] = FOLD(v[0], v[1], 8);
#endif
    return v[0];
}

enum { DOWN = 4, ACROSS = SIMD_LANES / DOWN };

/* c[DOWN, ACROSS] = from (NULL: 0) + a[DOWN, k] b[ACROSS, k]^T */
static void block_along(float *c, size_t ldc, const float *from, ptrdiff_t ldf, const float *a, size_t lda,
                        const float *b, size_t ldb, int k) {
    SimdFloat sum[SIMD_LANES];
    float sums[SIMD_LANES];
#pragma GCC unroll 16
    for (int i = 0; i < SIMD_LANES; i++) sum[i] = simd_broadcast(0);
    for (int p = 0; p < k; p += SIMD_LANES) {
        SimdFloat right[ACROSS];
#pragma GCC unroll 4
        for (int v = 0; v < ACROSS; v++) {
            right[v] = simd_load(b + v * ldb + p);
            HOLD(right[v]);
        }
#pragma GCC unroll 4
        for (int r = 0; r < DOWN; r++) {
            SimdFloat left = simd_load(a + r * lda + p);
            HOLD(left);
#pragma GCC unroll 4
            for (int v = 0; v < ACROSS; v++) sum[r * ACROSS + v] += left * right[v];
        }
    }
    simd_store(sums, fold(sum));
    for (int r = 0; r < DOWN; r++)
        for (int v = 0; v < ACROSS; v++)
            c[r * ldc + v] = sums[r * ACROSS + v] + (from ? from[r * ldf + v] : 0);
}

void gemm_nt(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k) {
    for (int i = 0; i < m; i += DOWN)
        for (int j = 0; j < n; j += ACROSS)
            block_along(c + (size_t)i * ldc + j, (size_t)ldc, from ? from + (ptrdiff_t)i * ldf + j : NULL,
                        ldf, a + (size_t)i * lda, (size_t)lda, b + (size_t)j * ldb, (size_t)ldb, k);
}

/* Products of layers. The right factor is packed, STEPS x WIDEST of it at a time, into panels of WIDE
   columns. All blocks of rows read a panel of 16 KiB from the first-level cache; packing costs one copy for
   all rows of the result. */
enum {
    TOP = SIMD_LANES == 16 ? 12 : 6,
    STEPS = 4096 / WIDE,
    WIDEST = GEMM_WORKSPACE / STEPS,
    LEFT = 8 * TOP
};

/* Packs b[steps, n], or b[n, steps] if `turned`, into panels. */
static void pack(float *to, const float *b, size_t ldb, bool turned, int n, int steps) {
    for (int j = 0; j < n; j += WIDE, to += WIDE * steps) {
        if (!turned) {
            for (int p = 0; p < steps; p++) memcpy(to + p * WIDE, b + p * ldb + j, WIDE * sizeof *to);
            continue;
        }
        int p = 0;
        for (; p + SIMD_LANES <= steps; p += SIMD_LANES)
            for (int x = 0; x < WIDE; x += SIMD_LANES)
                simd_transpose_copy(to + p * WIDE + x, WIDE, b + (size_t)(j + x) * ldb + p, ldb);
        for (; p < steps; p++)
            for (int x = 0; x < WIDE; x++) to[p * WIDE + x] = b[(size_t)(j + x) * ldb + p];
    }
}

/* c[m, WIDE] = from (none: 0) + a[m, steps] panel. The last eight rows are computed as 4 + 4: after 6, a
   block of 2 rows takes as long as one of 4. */
static void times_panel(float *c, size_t ldc, const float *from, ptrdiff_t ldf, const float *a, size_t row,
                        size_t step, const float *panel, int m, int steps) {
    int i = 0;
#define NEXT(rows)                                                                                           \
    block(rows, 2, c + i * ldc, ldc, from ? from + i * ldf : NULL, ldf, a + i * row, row, step, panel, WIDE, \
          steps)
    for (; i + TOP <= m && m - i != 8; i += TOP) NEXT(TOP);
    for (; i + 4 <= m; i += 4) NEXT(4);
    for (; i < m; i++) NEXT(1);
#undef NEXT
}

bool gemm_fits(int n) {
    return n % WIDE == 0;
}

void gemm_product(float *c, const float *from, int ldf, const float *a, bool transpose_a, const float *b,
                  bool transpose_b, int m, int n, int k, float *workspace) {
    size_t row = transpose_a ? 1 : (size_t)k, step = transpose_a ? (size_t)m : 1,
           ldb = (size_t)(transpose_b ? k : n), ldc = (size_t)n;
    for (int j0 = 0; j0 < n; j0 += WIDEST)
        for (int p = 0; p < k; p += STEPS) {
            int columns = n - j0 < WIDEST ? n - j0 : WIDEST, steps = k - p < STEPS ? k - p : STEPS;
            const float *start = p ? c : from; /* the sums of the steps before this one */
            ptrdiff_t lds = p ? n : ldf;
            pack(workspace, b + (transpose_b ? j0 * ldb + p : p * ldb + j0), ldb, transpose_b, columns,
                 steps);
            for (int i = 0; i < m; i += LEFT)
                for (int j = 0; j < columns; j += WIDE)
                    times_panel(c + i * ldc + j0 + j, ldc, start ? start + i * lds + j0 + j : NULL, lds,
                                a + i * row + p * step, row, step, workspace + (size_t)j * steps,
                                m - i < LEFT ? m - i : LEFT, steps);
        }
}

/* Chains of multiply-adds: enough to hide the latency of four or five cycles of two units. */
enum { CHAINS = 12, TURNS = 20000 };

/* Each chain tends to 1: the numbers stay normal, as denormal numbers are slow on some CPUs. */
static float chains(float start) {
    SimdFloat sum[CHAINS], factor = simd_broadcast(0.75f), summand = simd_broadcast(0.25f);
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) sum[i] = simd_broadcast(start + (float)i);
    for (int turn = 0; turn < TURNS; turn++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            sum[i] = sum[i] * factor + summand;
            HOLD(sum[i]);
        }
    }
#pragma GCC unroll 12
    for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];
    return simd_reduce_sum(sum[0]);
}

double gemm_peak(double seconds) {
    double best = 0, end = clock_now() + seconds;
    volatile float result = 0; /* otherwise the loop would be dropped as unused */
    do {
        double start = clock_now();
        result = chains(result);
        double rate = 2.0 * TURNS * CHAINS * SIMD_LANES / (clock_now() - start);
        if (rate > best) best = rate;
    } while (clock_now() < end);
    return best;
}
