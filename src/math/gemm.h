/* gemm: matrix products on vectors, for attention's tiles and for narrow layers.
 *
 * A BLAS call on a 32 x 128 tile with an inner size of 16 spends most of its time on packing and on passes
 * over the result, and a layer of width 64 or 128 some of it. These kernels keep the result in registers and
 * pack nothing.
 */
#ifndef POSLAB_GEMM_H
#define POSLAB_GEMM_H

#include "math/simd.h"

/* Products of tiles: m is a multiple of 8, n of 16, k any; row-major with leading dimensions.
   gemm_nn: c[m,n] = from + a[m,k] b[k,n];  gemm_tn: c[m,n] = from + a[k,m]^T b[k,n].
   from is NULL (0) or rows ldf apart: c itself (+=), one row for all (ldf = 0), a run that moves on by one
   number with each row (ldf = -1).
   gemm_nt: c[m,n] = from + a[m,k] b[n,k]^T; m and n are multiples of 4, k of 16, and large beside m and n. */
void gemm_nn(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k);
void gemm_tn(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k);

void gemm_nt(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k);

/* A larger product, without gaps: c[m,n] = from + a[m,k] b[k,n]; turned, a is [k,m] and b [n,k]. Any m and k
   > 0, and n for which gemm_fits says yes. room[GEMM_WORKSPACE] is written. */
enum { GEMM_WORKSPACE = 1 << 17 };
bool gemm_fits(int n);
void gemm_product(float *c, const float *from, int ldf, const float *a, bool transpose_a, const float *b,
                  bool transpose_b, int m, int n, int k, float *workspace);

#endif
