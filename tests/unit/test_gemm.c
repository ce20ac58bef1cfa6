/* test_gemm: products of tiles, the exponential, and sums and maxima of vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "base/arena.h"
#include "near.h"
#include "base/random.h"
#include "math/gemm.h"

static float exp_of(float x) {
    float lanes[SIMD_LANES];
    simd_store(lanes, simd_exp(simd_broadcast(x)));
    for (int i = 1; i < SIMD_LANES; i++) assert_memory_equal(&lanes[i], &lanes[0], sizeof *lanes);
    return lanes[0];
}

/* The header promises about 2 units in the last place (1.2e-7 each), zero far below, and NaN for NaN. */
static void exponential_is_accurate(void **state) {
    (void)state;
    for (int i = -86900; i <= 88000; i++) {
        float x = (float)i * 1e-3f;
        double expected = exp((double)x);
        near(exp_of(x), expected, 2.5e-7 * expected);
    }
    near(exp_of(0), 1, 0);
    const float none[] = {-88, -104, -1e4f, -1e30f, -INFINITY};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) near(exp_of(none[i]), 0, 0);
    assert_true(isnan(exp_of(NAN)));
    assert_true(isnan(exp_of(nanf("3")))); /* of other bits, as from a file */
}

static void lanes_are_folded(void **state) {
    (void)state;
    float x[SIMD_LANES], sum = 0;
    for (int i = 0; i < SIMD_LANES; i++) sum += x[i] = (float)(1 << i) + 0.5f;
    near(simd_reduce_sum(simd_load(x)), sum, 0); /* integers and halves: exact in any order */
    for (int top = 0; top < SIMD_LANES; top++) {
        for (int i = 0; i < SIMD_LANES; i++) x[i] = i == top ? -3 : -4 - (float)i;
        near(simd_reduce_max(simd_load(x)), -3, 0);
    }
    float larger[SIMD_LANES], smaller[SIMD_LANES];
    for (int i = 0; i < SIMD_LANES; i++) larger[i] = (float)(i % 3), smaller[i] = (float)(i % 2);
    simd_store(x, simd_max(simd_load(larger), simd_load(smaller)));
    for (int i = 0; i < SIMD_LANES; i++) near(x[i], larger[i] > smaller[i] ? larger[i] : smaller[i], 0);
}

static void rows_become_lanes(void **state) {
    (void)state;
    enum { FROM = SIMD_LANES + 3, TO = SIMD_LANES + 5 };
    float from[SIMD_LANES * FROM], to[SIMD_LANES * TO];
    for (int i = 0; i < SIMD_LANES * FROM; i++) from[i] = (float)i;
    for (int i = 0; i < SIMD_LANES * TO; i++) to[i] = -1;
    simd_transpose_copy(to, TO, from, FROM);
    for (int i = 0; i < SIMD_LANES; i++)
        for (int l = 0; l < TO; l++) near(to[i * TO + l], l < SIMD_LANES ? from[l * FROM + i] : -1, 0);
}

/* All products, with and without adding, with leading dimensions larger than the tile; nothing else is
   written. */
static void products_are_sums(void **state) {
    static const int sizes[][3] = {{8, 16, 1},   {8, 16, 16}, {32, 32, 48},
                                   {16, 48, 33}, {40, 80, 7}, {32, 128, 64}};
    (void)state;
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        for (int kind = 0; kind < 6; kind++) { /* transposed or not; overwritten, added, added to a run */
            int m = sizes[n][0], w = sizes[n][1], k = sizes[n][2], ldc = w + 5, lda = (kind & 1 ? m : k) + 3,
                ldb = w + 7;
            bool add = kind / 2 == 1, run = kind / 2 == 2;
            Arena *arena = arena_new(1 << 20);
            float *a = NEW(arena, (kind & 1 ? k : m) * lda, float), *b = NEW(arena, k * ldb, float);
            float *c = NEW(arena, m * ldc, float), *before = NEW(arena, m * ldc, float);
            const float *from = add ? c : run ? before + m : NULL;
            Random rng = random_stream(1, "tile", "");
            for (int i = 0; i < (kind & 1 ? k : m) * lda; i++) a[i] = (float)random_normal(&rng);
            for (int i = 0; i < k * ldb; i++) b[i] = (float)random_normal(&rng);
            for (int i = 0; i < m * ldc; i++) c[i] = before[i] = (float)random_normal(&rng);
            (kind & 1 ? gemm_tn : gemm_nn)(c, ldc, from, run ? -1 : ldc, a, lda, b, ldb, m, w, k);
            for (int i = 0; i < m; i++)
                for (int j = 0; j < ldc; j++) {
                    double sum = j >= w || add ? before[i * ldc + j] : run ? before[m - i + j] : 0, size = 1;
                    for (int p = 0; p < k && j < w; p++) {
                        double left = kind & 1 ? a[p * lda + i] : a[i * lda + p];
                        sum += left * b[p * ldb + j];
                        size += fabs(left * b[p * ldb + j]);
                    }
                    near(c[i * ldc + j], sum, j < w ? 6e-8 * size * (k + 1) : 0); /* k + 1 roundings */
                }
            arena_free(arena);
        }
}

/* Both factors contiguous along the inner index, with and without adding; nothing else is written. */
static void products_along_are_sums(void **state) {
    static const int sizes[][3] = {{4, 4, 16}, {8, 32, 128}, {32, 8, 48}, {12, 20, 256}};
    (void)state;
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        for (int add = 0; add < 2; add++) {
            int m = sizes[n][0], w = sizes[n][1], k = sizes[n][2], ldc = w + 5, lda = k + 3, ldb = k + 7;
            Arena *arena = arena_new(1 << 20);
            float *a = NEW(arena, m * lda, float), *b = NEW(arena, w * ldb, float);
            float *c = NEW(arena, m * ldc, float), *before = NEW(arena, m * ldc, float);
            Random rng = random_stream(1, "tile", "along");
            for (int i = 0; i < m * lda; i++) a[i] = (float)random_normal(&rng);
            for (int i = 0; i < w * ldb; i++) b[i] = (float)random_normal(&rng);
            for (int i = 0; i < m * ldc; i++) c[i] = before[i] = (float)random_normal(&rng);
            gemm_nt(c, ldc, add ? c : NULL, ldc, a, lda, b, ldb, m, w, k);
            for (int i = 0; i < m; i++)
                for (int j = 0; j < ldc; j++) {
                    double sum = j >= w || add ? before[i * ldc + j] : 0, size = 1;
                    for (int p = 0; p < k && j < w; p++) {
                        sum += (double)a[i * lda + p] * b[j * ldb + p];
                        size += fabs((double)a[i * lda + p] * b[j * ldb + p]);
                    }
                    near(c[i * ldc + j], sum, j < w ? 6e-8 * size * (k + 1) : 0); /* k + 1 roundings */
                }
            arena_free(arena);
        }
}

/* All paths of gemm_product against sums in double: transposed or not, from zero, a row or rows of another
   width; memory after the result is unchanged. */
static void large_products_are_sums(void **state) {
    static const int sizes[][3] = {{1, 32, 1}, {6, 32, 5}, {29, 64, 300}, {100, 96, 17}, {13, 1120, 260}};
    (void)state;
    for (size_t n = 0; n < sizeof sizes / sizeof *sizes; n++)
        for (int kind = 0; kind < 12; kind++) {
            int m = sizes[n][0], w = sizes[n][1], k = sizes[n][2], ldf = kind / 4 == 1 ? 0 : w + 3;
            bool transpose_a = kind & 1, transpose_b = kind & 2;
            Arena *arena = arena_new(4 << 20);
            float *a = NEW(arena, m * k, float), *b = NEW(arena, k * w, float),
                  *c = NEW(arena, m * w + 1, float);
            float *from = NEW(arena, m * (w + 3), float), *room = NEW(arena, GEMM_WORKSPACE, float);
            Random rng = random_stream(1, "tile", "large");
            for (int i = 0; i < m * k; i++) a[i] = (float)random_normal(&rng);
            for (int i = 0; i < k * w; i++) b[i] = (float)random_normal(&rng);
            for (int i = 0; i < m * (w + 3); i++) from[i] = (float)random_normal(&rng);
            for (int i = 0; i <= m * w; i++) c[i] = NAN;
            c[m * w] = 7;
            assert_true(gemm_fits(w));
            gemm_product(c, kind < 4 ? NULL : from, ldf, a, transpose_a, b, transpose_b, m, w, k, room);
            for (int i = 0; i < m; i++)
                for (int j = 0; j < w; j++) {
                    double sum = kind < 4 ? 0 : from[i * ldf + j], size = 1;
                    for (int p = 0; p < k; p++) {
                        double product = (double)a[transpose_a ? p * m + i : i * k + p] *
                                         b[transpose_b ? j * k + p : p * w + j];
                        sum += product;
                        size += fabs(product);
                    }
                    near(c[i * w + j], sum, size * (k + 1) * 0x1p-23);
                }
            near(c[m * w], 7, 0);
            arena_free(arena);
        }
    assert_false(gemm_fits(31));
    assert_false(gemm_fits(40));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_is_accurate), cmocka_unit_test(lanes_are_folded),
        cmocka_unit_test(rows_become_lanes),       cmocka_unit_test(products_are_sums),
        cmocka_unit_test(products_along_are_sums), cmocka_unit_test(large_products_are_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
