/* activations: the memory of a forward and backward pass.
 *
 * All of it is allocated by activations_new; a pass allocates nothing. With a counting arena the same code
 * computes how many bytes a pass of a given shape needs.
 */
#ifndef POSLAB_ACTIVATIONS_H
#define POSLAB_ACTIVATIONS_H

#include "model/cache.h"

/* The memory of a pass over up to `sequences` sequences of exactly `length` tokens; `training` adds what the
   backward pass needs. Owned by the arena. */
typedef struct Activations Activations;
Activations *activations_new(const Model *model, int sequences, int length, bool training, Arena *arena);

/* The same for sequences that continue those of a cache (NULL: none), at its present number of rows. Sequence
   b of a pass is sequence first_sequence + b of the cache, which must outlive the Activations. */
Activations *activations_new_cached(const Model *model, const Cache *cache, int sequences, int length,
                                    bool training, Arena *arena);

/* Identifies the sequences of a pass, for dropout masks and random positions, which therefore do not depend
   on how a step is cut into micro-batches. In evaluation the sequences are windows, and step is not used. */
typedef struct ActivationsOrigin {
    uint64_t seed;
    int64_t step;
    int first_sequence; /* index within the step of this pass's sequence 0 */
} ActivationsOrigin;

#endif
