/* activations: the memory of a forward and backward pass.
 *
 * All of it is allocated by activations_new; a pass allocates nothing. With a counting arena the same code
 * computes how many bytes a pass of a given shape needs.
 */
#ifndef POSLAB_ACTIVATIONS_H
#define POSLAB_ACTIVATIONS_H

#include "model/cache.h"

/* Allocates the memory of a pass over up to `sequences` sequences of `length` tokens each, with `training`
   for forward and backward, otherwise for forward only. Owned by the arena. */
typedef struct Activations Activations;
Activations *activations_new(const Model *model, int sequences, int length, bool training, Arena *arena);

/* Like activations_new, for sequences that attend to the rows of a cache (NULL: none); cache->count is the
   number of rows. Sequence b of a pass has the rows of sequence first_sequence + b of the cache, which must
   outlive the Activations. */
Activations *activations_new_cached(const Model *model, const Cache *cache, int sequences, int length,
                                    bool training, Arena *arena);

/* Identifies the sequences of a pass. Dropout masks and random positions are functions of these numbers, so
   they do not depend on the division of an update into micro-batches. */
typedef struct ActivationsOrigin {
    uint64_t seed;
    int64_t step;       /* number of the update; not used in evaluation */
    int first_sequence; /* index of the pass's sequence 0 in the update, or of its window in the evaluation */
} ActivationsOrigin;

#endif
