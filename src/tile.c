/* tile: a block of the result stays in registers while the inner index runs.
 *
 * One kernel serves both products: element (r, p) of the left factor stands at a[r * row + p * step], with
 * (row, step) = (lda, 1) for tile_nn and (1, lda) for tile_tn. The number of rows and vectors of a block are
 * constants of each call, so that the compiler unrolls both loops and keeps `sum` in registers: 8 x 2 of
 * AVX-512's 32, or 16 x 1 in what is only one vector wide, and 4 x 2 of the 16 elsewhere. A sum waits four
 * cycles for its last product and two products begin in each: a block needs eight sums at least. The vectors
 * of the right factor are held in registers, too: left to itself GCC reads them again for each row, and then
 * loads, not multiplications, are what a block waits for.
 */
#include "tile.h"

#if defined(__AVX__)                                     /* a Vec is one register */
#define HOLD(vector) __asm__ volatile("" : "+v"(vector)) /* its value is needed here, in a register */
#else
#define HOLD(vector) (void)(vector)
#endif

enum { ROWS = TILE_LANES == 16 ? 8 : 4, WIDE = 2 * TILE_LANES, TALL = 16 };

static inline __attribute__((always_inline)) void block(const int rows, const int vecs, float *c, size_t ldc,
                                                        const float *a, size_t row, size_t step,
                                                        const float *b, size_t ldb, int k, bool add) {
    Vec sum[TALL][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) sum[r][v] = add ? vec_load(c + r * ldc + v * TILE_LANES) : vec_all(0);
    }
    for (int p = 0; p < k; p++, a += step, b += ldb) {
        Vec right[2];
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) {
            right[v] = vec_load(b + v * TILE_LANES);
            HOLD(right[v]);
        }
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            Vec left = vec_all(a[r * row]);
#pragma GCC unroll 2
            for (int v = 0; v < vecs; v++) sum[r][v] += left * right[v];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vecs; v++) vec_store(c + r * ldc + v * TILE_LANES, sum[r][v]);
    }
}

static inline __attribute__((always_inline)) void product(float *c, size_t ldc, const float *a, size_t row,
                                                          size_t step, const float *b, size_t ldb, int m,
                                                          int n, int k, bool add) {
    for (int j = 0; j < n; j += WIDE) {
        int i = 0;
        if (n - j < WIDE) { /* one vector is left: of 16 lanes, as n is a multiple of 16 */
            for (; i + TALL <= m; i += TALL)
                block(TALL, 1, c + i * ldc + j, ldc, a + i * row, row, step, b + j, ldb, k, add);
            for (; i < m; i += ROWS)
                block(ROWS, 1, c + i * ldc + j, ldc, a + i * row, row, step, b + j, ldb, k, add);
        }
        for (; i < m; i += ROWS)
            block(ROWS, 2, c + i * ldc + j, ldc, a + i * row, row, step, b + j, ldb, k, add);
    }
}

void tile_nn(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n, int k,
             bool add) {
    product(c, (size_t)ldc, a, (size_t)lda, 1, b, (size_t)ldb, m, n, k, add);
}

void tile_tn(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n, int k,
             bool add) {
    product(c, (size_t)ldc, a, 1, (size_t)lda, b, (size_t)ldb, m, n, k, add);
}
