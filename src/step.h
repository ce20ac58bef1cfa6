/* step: the gradient of one update, in micro-batches, on all lanes.
 *
 * The sequences of an update are cut into micro-batches of at most model.max_tokens_in_flight tokens (at
 * least one sequence). Lane l of n computes micro-batches l, l + n, ... and sums their gradients in its own
 * array; the arrays are then added in the order of lanes. The result is the same, bit for bit, for the same
 * number of lanes, and to rounding for others.
 */
#ifndef POSLAB_STEP_H
#define POSLAB_STEP_H

#include "model.h"

typedef struct Step Step;

/* For updates of `sequences` x `length` tokens. With a counting arena nothing but the count is of use. */
Step *step_new(const Model *model, int sequences, int length, Arena *arena);

const uint16_t **step_tokens(Step *step); /* [sequences], for the caller to fill in: length + 1 tokens each */

/* Mean nll in nats over the update's targets (summed in double, in order), and its gradient in
   step_gradients. seed and number name the update for dropout. */
double step_run(Step *step, uint64_t seed, int64_t number);
float *step_gradients(Step *step); /* [model size] */

#endif
