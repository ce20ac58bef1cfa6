/* bf16: matrix products of bfloat16 numbers with float32 sums, by oneDNN. Only bf16.c includes dnnl.h.
 *
 * A bfloat16 number is the upper half of a float32 number: 8 bits of precision, the same range. oneDNN is an
 * option of the build (make ONEDNN=0|1; versions 2.6 and 3), and fast products need AVX-512 BF16 or AMX.
 * Where either is missing, bf16_unavailable_reason says so and no other function may be called.
 */
#ifndef POSLAB_MATH_BF16_H
#define POSLAB_MATH_BF16_H

#include "base/error.h"

/* Why there are no bf16 products here, and the remedy, as the end of a sentence; NULL if there are. */
const char *bf16_unavailable_reason(void);

const char *bf16_library_version(void); /* version of oneDNN, "2.6.3"; NULL when built without */

/* To nearest, ties to even, as the CPU does; infinities and NaN stay what they are. */
void bf16_round(uint16_t *to, const float *from, size_t count);

/* c[M,N] = a b, or c += a b with `add`, with a [M,K] and b [K,N], each stored row by row, or column by column
   (the transpose row by row) when so marked. On one thread; threads may call it side by side. */
void bf16_product(float *c, const uint16_t *a, bool transpose_a, const uint16_t *b, bool transpose_b,
                  bool add, int m, int n, int k);

#endif
