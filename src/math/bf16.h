/* bf16: matrix products of bfloat16 numbers with float32 sums, by oneDNN. Only bf16.c includes dnnl.h.
 *
 * A bfloat16 number is the upper half of a float32 number: 8 bits of precision, the same range. oneDNN is an
 * option of the build (make ONEDNN=0|1; versions 2.6 and 3), and fast products need AVX-512 BF16 or AMX.
 * Where either is missing, bf16_unavailable_reason returns the reason and no other function may be called.
 */
#ifndef POSLAB_MATH_BF16_H
#define POSLAB_MATH_BF16_H

#include "base/error.h"

/* Why bf16 products are unavailable, and the remedy, as the end of a sentence; NULL if they are available. */
const char *bf16_unavailable_reason(void);

const char *bf16_library_version(void); /* version of oneDNN, "2.6.3"; NULL when built without */

/* Rounds count numbers to the nearest bfloat16, ties to even, as the CPU does; infinities and NaN are
   kept. */
void bf16_round(uint16_t *to, const float *from, size_t count);

/* c[M,N] = a b, or c += a b with `add`, with a [M,K] and b [K,N], each row-major, or column-major if its
   `transpose` argument is set. Runs on one thread; several threads may call it at the same time. */
void bf16_product(float *c, const uint16_t *a, bool transpose_a, const uint16_t *b, bool transpose_b,
                  bool add, int m, int n, int k);

#endif
