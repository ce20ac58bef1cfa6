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
#include "model/cache.h"

typedef struct BatchGradient BatchGradient;

/* For updates of `sequences` x `length` tokens, which continue the sequences of a cache (NULL: none) at its
   present number of rows. Owned by the arena; with a counting arena only the count is valid. */
BatchGradient *batch_gradient_new(const Model *model, const Cache *cache, int sequences, int length,
                                  Arena *arena);

/* Bytes that batch_gradient_new allocates on rank 0 of `ranks`. */
size_t batch_gradient_bytes(const Model *model, const Cache *cache, int sequences, int length, int ranks);

/* The rank that computes a sequence, always the same; the others do not have its rows of the cache. */
int batch_gradient_rank(const BatchGradient *step, int sequence);

const uint32_t **
batch_gradient_tokens(BatchGradient *step); /* [sequences], set by the caller: length + 1 tokens each */

/* The same of any source: its tokens, targets and positions. All sequences of an update have targets of their
   own, or none has. */
void batch_gradient_set(BatchGradient *step, int sequence, BatchesSequence from);

/* Returns the mean nll in nats over the update's targets (summed in double, in order) and computes its
   gradient in batch_gradient_values. seed and number (of the update) determine dropout. */
double batch_gradient_run(BatchGradient *step, uint64_t seed, int64_t number);
float *batch_gradient_values(BatchGradient *step); /* [model size] */

#endif
