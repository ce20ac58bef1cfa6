/* batch_gradient: the gradient of one update, in micro-batches, on all lanes of all ranks.
 *
 * The sequences of an update are divided into micro-batches of at most model.max_tokens_in_flight tokens (at
 * least one sequence). Lanes are numbered over ranks: those of rank 0, then those of rank 1, ... Lane l of n
 * computes the micro-batches l, l + n, ... and sums their gradients in its own array; the arrays are then
 * added in the order of lanes, first within each rank. The result has the same bits for the same number of
 * ranks and of lanes per rank, and differs by rounding otherwise; n ranks of one lane give the same bits as
 * one rank of n lanes. Losses and gradients are divided by the number of targets of the whole update, ignored
 * ones not counted, which does not depend on how it is divided.
 */
#ifndef POSLAB_TRAIN_BATCH_GRADIENT_H
#define POSLAB_TRAIN_BATCH_GRADIENT_H

#include "model/model.h"
#include "data/batches.h"

typedef struct BatchGradient BatchGradient;

/* For updates of `sequences` x `length` tokens. With a counting arena nothing but the count is of use. */
BatchGradient *batch_gradient_new(const Model *model, int sequences, int length, Arena *arena);

/* Bytes of batch_gradient_new on the first of so many ranks. */
size_t batch_gradient_bytes(const Model *model, int sequences, int length, int ranks);

const uint16_t **batch_gradient_tokens(
    BatchGradient *step); /* [sequences], for the caller to fill in: length + 1 tokens each */

/* The same of any source: its tokens, targets and positions. All sequences of an update have targets of their
   own, or none has. */
void batch_gradient_set(BatchGradient *step, int sequence, BatchesSequence from);

/* Mean nll in nats over the update's targets (summed in double, in order), and its gradient in
   batch_gradient_values. seed and number name the update for dropout. */
double batch_gradient_run(BatchGradient *step, uint64_t seed, int64_t number);
float *batch_gradient_values(BatchGradient *step); /* [model size] */

#endif
