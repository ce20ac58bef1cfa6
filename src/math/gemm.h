/* gemm: matrix products on vectors, for attention's tiles and for narrow layers.
 *
 * A BLAS call on a 32 x 128 tile with an inner size of 16 spends most of its time on packing and on passes
 * over the result; a product of a layer of width 64 or 128 spends part of it there. These kernels keep the
 * result in registers; products of tiles pack nothing, products of layers pack the right factor.
 */
#ifndef POSLAB_GEMM_H
#define POSLAB_GEMM_H

#include "math/simd.h"

/* Products of tiles: m is a multiple of 8, n of 16, k any; row-major with leading dimensions.
   gemm_nn: c[m,n] = from + a[m,k] b[k,n];  gemm_tn: c[m,n] = from + a[k,m]^T b[k,n].
   `from` is NULL (zeros), or a matrix with leading dimension ldf: c itself (+=), one row for all rows (ldf =
   0), or an array whose start moves back by one number with each row (ldf = -1). gemm_nt: c[m,n] = from +
   a[m,k] b[n,k]^T; m and n are multiples of 4, k of 16; efficient if k is much larger than m and n. */
void gemm_nn(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k);
void gemm_tn(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k);

void gemm_nt(float *c, int ldc, const float *from, int ldf, const float *a, int lda, const float *b, int ldb,
             int m, int n, int k);

/* A larger product of contiguous matrices: c[m,n] = from + a[m,k] b[k,n]; with transpose_a, a is stored as
   [k,m]; with transpose_b, b as [n,k]. m and k are any positive numbers; gemm_fits(n) must be true.
   workspace[GEMM_WORKSPACE] is overwritten. */
enum { GEMM_WORKSPACE = 1 << 17 };
bool gemm_fits(int n);
void gemm_product(float *c, const float *from, int ldf, const float *a, bool transpose_a, const float *b,
                  bool transpose_b, int m, int n, int k, float *workspace);

/* The rate in FLOP/s of fused multiply-adds on one thread, measured for about `seconds` by a loop whose
   operands stay in registers: the upper bound of every product in float32. The fastest of many short loops,
   so that pauses by other programs do not count. */
double gemm_peak(double seconds);

#endif
