/* cache: rows of earlier segments to which later passes attend (Shortformer, Press et al. 2021, arXiv
 * 2012.15832, section 5; Transformer-XL).
 *
 * For each layer and sequence, the cache has the last rows of LN1(x), the input of the projection to q, k and
 * v. A pass projects the cached rows with the current weights and uses them as keys and values before those
 * of its own rows. It then replaces the cache with the last of these rows.
 *
 * For gradients, cached rows are constants: the projection gets gradients through them, earlier layers and
 * segments do not. Positions count from the first cached row. The hook `embed` acts on new rows only.
 */
#ifndef POSLAB_MODEL_CACHE_H
#define POSLAB_MODEL_CACHE_H

#include "model/model.h"

typedef struct Cache {
    int layers, sequences, capacity, width;
    int count;   /* current number of rows of each sequence, at most `capacity` */
    float *rows; /* [layers,sequences,capacity,width]; NULL: only the shape is known */
} Cache;

/* An empty cache. Its rows are owned by the arena; with a counting arena only the shape is valid. */
Cache cache_new(const Model *model, int sequences, int capacity, Arena *arena);

/* The number of floats of all rows. */
size_t cache_floats(const Cache *cache);

/* The rows of one layer and sequence: [capacity,width], of which `count` are valid. */
float *cache_rows(const Cache *cache, int layer, int sequence);

/* The number of rows after a pass over `length` tokens of each sequence. */
int cache_count_after(const Cache *cache, int length);

/* Changes `count` after the passes of a segment over `length` tokens of each sequence. An Activations is
   valid for one value of `count`. */
void cache_advance(Cache *cache, int length);

/* Removes all but the last `count` rows. */
void cache_trim(Cache *cache, int count);

#endif
