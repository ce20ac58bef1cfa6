/* batches: the training sequences, in an order determined by a seed.
 *
 * Sequence n is a function of the seed and n alone, so a resumed run continues with the same sequences. Each
 * epoch cuts the training stream into windows of one length, from a random start, and visits them in random
 * order.
 */
#ifndef POSLAB_BATCHES_H
#define POSLAB_BATCHES_H

#include "data/corpus.h"

/* A sequence has length + 1 tokens of the training stream: `length` inputs and, shifted by one, `length`
   targets. Each epoch draws a phase in [0, length) and cuts the stream from there. It has as many windows as
   fit at every phase (at least one), so that all epochs have the same number. batches_new returns NULL with
   EXIT_USAGE if the stream is shorter than one sequence; the result is owned by the arena and refers to
   `stream`. */
typedef struct Batches Batches;
Batches *batches_new(const CorpusStream *stream, int length, uint64_t seed, const char *source, Arena *arena,
                     Error *err);
const uint16_t *
batches_sequence(Batches *batches,
                 int64_t index); /* the index-th since the start (from 0), a part of the stream */

#endif
