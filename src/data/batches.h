/* batches: the sequences of training, in the order that a seed determines.
 *
 * Sequence n is a function of the seed and n alone, so a resumed run continues with the same sequences. Each
 * epoch divides the training stream into blocks of one length, from a random start, and visits them in
 * random order.
 */
#ifndef POSLAB_BATCHES_H
#define POSLAB_BATCHES_H

#include "data/corpus.h"

/* The batches of training: windows of length + 1 tokens of the training stream. Each epoch draws a phase in
   [0, length), cuts the stream into windows of `length` targets from there on (as many as fit at every phase,
   so that all epochs have as many; at least one) and visits them in a random order: a function of seed,
   length and index alone. Fails (usage) if the stream is shorter than one window. */
typedef struct Batches Batches;
Batches *batches_new(const CorpusStream *stream, int length, uint64_t seed, const char *source, Arena *arena,
                     Error *err);
const uint16_t *batches_sequence(Batches *batches, int64_t index); /* index-th sequence since the start */

#endif
