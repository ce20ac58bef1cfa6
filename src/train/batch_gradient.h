/* batch_gradient: the gradient of one update, computed in micro-batches by all lanes of all ranks.
 *
 * A micro-batch has at most model.max_tokens_in_flight tokens, but at least one sequence. Lanes are numbered
 * over all ranks, in the order of ranks. Lane l of n computes the micro-batches l, l + n, ... and sums their
 * gradients in its own array. The arrays are added in the order of lanes, first within each rank.
 *
 * Losses and gradients are means over the update's targets that are not ignored. The result has the same bits
 * for the same number of ranks and of lanes per rank, and otherwise differs by rounding. n ranks with one
 * lane each give the same bits as one rank with n lanes.
 */
#ifndef POSLAB_TRAIN_BATCH_GRADIENT_H
#define POSLAB_TRAIN_BATCH_GRADIENT_H

#include "model/model.h"
#include "data/batches.h"
#include "model/cache.h"

typedef struct BatchGradient BatchGradient;

/* Allocates the memory for updates of `sequences` x `length` tokens. With a cache (NULL: none), the passes
   attend to the cached rows; cache->count is the number of rows. The result is owned by the arena; with a
   counting arena only the arena's count is valid. */
BatchGradient *batch_gradient_new(const Model *model, const Cache *cache, int sequences, int length,
                                  Arena *arena);

/* Bytes that batch_gradient_new allocates on rank 0 of `ranks`. */
size_t batch_gradient_bytes(const Model *model, const Cache *cache, int sequences, int length, int ranks);

/* The rank that computes a sequence in every update. Only this rank has the sequence's rows of the cache. */
int batch_gradient_rank(const BatchGradient *step, int sequence);

/* [sequences]: pointers to the tokens, length + 1 for each sequence, set by the caller. */
const uint32_t **batch_gradient_tokens(BatchGradient *step);

/* Sets the tokens, targets and positions of a sequence; the arrays must outlive the update. Either all
   sequences of an update have targets of their own, or none has. */
void batch_gradient_set(BatchGradient *step, int sequence, BatchesSequence from);

/* Returns the mean nll in nats over the update's targets (summed in double, in order), and computes its
   gradient in batch_gradient_values. The seed and the number of the update determine the dropout masks. */
double batch_gradient_run(BatchGradient *step, uint64_t seed, int64_t number);
float *batch_gradient_values(BatchGradient *step); /* [model size] */

#endif
