/* cache: rows of earlier segments that later passes attend to (Shortformer, Press et al. 2021, arXiv
 * 2012.15832, section 5; Transformer-XL).
 *
 * For each layer and sequence it keeps the last rows of LN1(x), the input of the projections to q, k and v. A
 * pass with a cache projects these rows with the present weights, as keys and values before those of its own
 * rows, and then replaces the cache with the last rows of cached and own rows together. Cached rows are
 * constants for gradients: the weights of the projections get gradients through them, earlier layers and
 * segments do not. Positions count from the first cached row; the hook `embed` acts on new rows only.
 *
 * An Activations is for one number of cached rows: make a new one after cache_advance changes that number.
 */
#ifndef POSLAB_MODEL_CACHE_H
#define POSLAB_MODEL_CACHE_H

#include "model/model.h"

typedef struct Cache {
    int layers, sequences, capacity, width;
    int count;   /* current number of rows of each sequence, at most `capacity` */
    float *rows; /* [layers,sequences,capacity,width]; NULL: only the shape */
} Cache;

/* An empty cache. Its rows are owned by the arena; with a counting arena only the shape is valid. */
Cache cache_new(const Model *model, int sequences, int capacity, Arena *arena);

/* The number of floats of all rows. */
size_t cache_floats(const Cache *cache);

/* The rows of one layer and sequence: [capacity,width], of which `count` are valid. */
float *cache_rows(const Cache *cache, int layer, int sequence);

/* The number of rows after a pass over `length` tokens of each sequence. */
int cache_count_after(const Cache *cache, int length);

/* To be called once after the passes of a segment over `length` tokens. */
void cache_advance(Cache *cache, int length);

/* Removes all but the last `count` rows. */
void cache_trim(Cache *cache, int count);

#endif
