/* blas: matrix products by OpenBLAS. Only blas.c includes cblas.h.
 *
 * All arrays are row-major float32.
 */
#ifndef POSLAB_BLAS_H
#define POSLAB_BLAS_H

#include "base/error.h"

/* c[M,N] = a b, or c += a b with `add`, with a [M,K] and b [K,N], each stored row by row, or column by column
   (the transpose row by row) when so marked. */
void blas_product(float *c, const float *a, bool transpose_a, const float *b, bool transpose_b, bool add,
                  int m, int n, int k);

/* c[m,n] = a[m,k] b[k,n] with leading dimensions; turned: a lies as [k,m], b as [n,k]; with add: c +=
 * instead. */
void blas_product_strided(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                          int k, bool transpose_a, bool transpose_b, bool add);

/* Makes the BLAS compute in one thread: parallelism is workers and threads that each compute a whole
   micro-batch. For the start of the program. (Workers also get it by environment, and sys/threads sets it in
   each thread, since in an OpenMP build this call is for the calling thread.) */
void blas_one_thread(void);

/* OpenBLAS starts threads when it is loaded, unless the environment says one. The environment for programs
   that are executed next, and whether this program was started with it. */
void blas_one_thread_environment(void);
bool blas_is_loaded_with_one_thread(void);

/* Maps the buffers that the BLAS needs for this many threads at a time, which it then keeps: where the system
   refuses memory to it later, it tries again for ever. For the start of a command that computes. */
bool blas_reserve(int threads, Error *err);

const char *blas_name(void); /* name and kernel of the BLAS */

#endif
