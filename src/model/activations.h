/* activations: the memory of a pass, allocated at once.
 *
 * With a counting arena the same code computes how many bytes a pass of a given shape takes.
 */
#ifndef POSLAB_ACTIVATIONS_H
#define POSLAB_ACTIVATIONS_H

#include "model/model.h"

/* The memory of one forward (and backward) pass over up to `sequences` x `length` tokens. */
typedef struct Activations Activations;
Activations *activations_new(const Model *model, int sequences, int length, bool training, Arena *arena);

/* Where a pass is, for dropout masks and positions that are drawn: the same for the same tokens however the
 * step is cut into micro-batches. In evaluation the sequences are windows and there are no steps. */
typedef struct ActivationsOrigin {
    uint64_t seed;
    int64_t step;
    int first_sequence; /* index within the step of this pass's sequence 0 */
} ActivationsOrigin;

#endif
