/* batches: the training sequences, in an order determined by a seed.
 *
 * Sequence n is a function of the seed, the stage of training (from 0), the length and n alone, so a resumed
 * run continues with the same sequences.
 *
 * Of text, each epoch divides the training stream into windows of one length, from a random start, and visits
 * them in random order. Of a task, each sequence is an example. A finite set is visited in a new random order
 * each epoch; of endless examples, the seed determines the number of the first one.
 */
#ifndef POSLAB_BATCHES_H
#define POSLAB_BATCHES_H

#include "data/corpus.h"

typedef struct BatchesSequence {
    const uint32_t *tokens;    /* [length + 1] */
    const uint32_t *targets;   /* [length]: of a task, TASK_IGNORED where nothing is scored. NULL: the target
                                  of token t is token t + 1 */
    const uint32_t *positions; /* [length]; NULL: 0, 1, 2, ... */
} BatchesSequence;

/* The batches of training: windows of length + 1 tokens of the training stream. Each epoch draws a phase in
   [0, length), cuts the stream into windows of `length` targets from there on (as many as fit at every phase,
   so that all epochs have as many; at least one) and visits them in a random order: a function of seed,
   stage, length and index alone. Fails (usage) if the stream is shorter than one window. */
typedef struct Batches Batches;
Batches *batches_new(const CorpusStream *stream, int length, uint64_t seed, int stage, const char *source,
                     Arena *arena, Error *err);

/* The number of windows of an epoch; at least 1. */
int64_t batches_windows(int64_t tokens, int length);

/* Whether there is a window for each of `streams` sequences, as batches_in_order needs. */
bool batches_check_order(int64_t windows, int length, int streams, const char *source, Error *err);

/* Changes batches of text to updates of `streams` sequences that follow each other: each epoch divides its
   windows into `streams` runs of equal length (less than `streams` last windows are left out), and sequence b
   of update t has window t of run b. Fails (usage) if there are fewer windows than streams. */
bool batches_in_order(Batches *batches, int streams, const char *source, Error *err);

/* The updates of an epoch of batches in order. */
int64_t batches_epoch_updates(const Batches *batches);

/* Of a task, as rows of `length` tokens; the last `kept` sequences that were asked for stay in memory. */
Batches *batches_new_examples(const Examples *examples, int length, int kept, uint64_t seed, int stage,
                              Arena *arena);

/* Batches of windows or of examples, depending on the corpus, for updates of `sequences`; in_order:
 * batches_in_order. */
Batches *batches_of(const Corpus *corpus, int length, int sequences, bool in_order, uint64_t seed, int stage,
                    const char *source, Arena *arena, Error *err);

BatchesSequence batches_sequence(Batches *batches, int64_t index); /* index-th sequence since the start */

#endif
