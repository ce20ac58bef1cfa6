/* blas: matrix products by OpenBLAS. Only blas.c includes cblas.h.
 *
 * All arrays are row-major float32.
 */
#ifndef POSLAB_BLAS_H
#define POSLAB_BLAS_H

#include "base/error.h"

/* c[M,N] = a b, or c += a b with `add`, with a [M,K] and b [K,N], each row-major, or column-major if its
   `transpose` argument is set. */
void blas_product(float *c, const float *a, bool transpose_a, const float *b, bool transpose_b, bool add,
                  int m, int n, int k);

/* c[m,n] = a[m,k] b[k,n], or c += a b with `add`, with leading dimensions. With transpose_a, a is stored as
   [k,m]; with transpose_b, b as [n,k]. */
void blas_product_strided(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                          int k, bool transpose_a, bool transpose_b, bool add);

/* Makes the BLAS compute on one thread; called at the start of the program. Parallelism comes from worker
   processes and from threads that each compute a whole micro-batch. Workers also get this setting by
   environment, and sys/threads sets it in each thread, because in an OpenMP build of OpenBLAS it applies to
   the calling thread only. */
void blas_one_thread(void);

/* OpenBLAS starts its threads when it is loaded, unless the environment asks for one thread. The first
   function sets that environment for programs that this process executes; the second returns whether this
   program was started with it. */
void blas_one_thread_environment(void);
bool blas_is_loaded_with_one_thread(void);

/* OpenBLAS chooses its kernels when it is loaded, by the model of the processor. For a model newer than
   itself it takes those of Prescott (2004), which have a fraction of the rate. Then, if the processor has
   AVX2 or AVX-512 and OPENBLAS_CORETYPE is not set, this sets it for programs that this process executes, and
   returns true. */
bool blas_core_environment(void);

/* Makes the BLAS allocate its buffers for `threads` concurrent threads, which it keeps; without this,
   OpenBLAS retries for ever if an allocation fails later. Called at the start of each command that computes.
   Returns false with err set if there is not enough memory. */
bool blas_reserve(int threads, Error *err);

const char *blas_name(void); /* name and kernel of the BLAS; static */

#endif
