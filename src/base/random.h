/* random: random numbers as functions of a name and a counter.
 *
 * A stream is named by the seed, a purpose ("init", "batch", "dropout") and a detail (the name of a tensor,
 * an epoch). Its n-th number depends only on this name and on n. Therefore the numbers of one method do not
 * depend on other methods, the random state of a run is its step number, and a dropout mask is recomputed
 * instead of stored. The function is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom
 * number generators", 2014).
 */
#ifndef POSLAB_BASE_RANDOM_H
#define POSLAB_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct Random {
    uint64_t key;     /* identifies the stream */
    uint64_t counter; /* numbers drawn so far */
} Random;

Random random_stream(uint64_t seed, const char *purpose, const char *detail); /* detail may be "" */
Random random_substream(Random stream, uint64_t index); /* an independent stream for each index */

uint64_t random_hash(const void *bytes, size_t size); /* a hash, for tables in memory */
uint64_t random_at(uint64_t key, uint64_t counter);   /* number `counter` of a stream, without changing it */
uint64_t random_next(Random *rng);
double random_uniform(Random *rng);                 /* in [0, 1), 53 bits */
double random_normal(Random *rng);                  /* mean 0, deviation 1; draws two numbers (Box-Muller) */
uint64_t random_below(Random *rng, uint64_t bound); /* in [0, bound), unbiased; bound > 0 */
uint64_t random_zipf(Random *rng, uint64_t bound);  /* the same, k with a probability of about 1 / (k + 1) */

#endif
