/* batches: the training sequences, in an order determined by a seed.
 *
 * Sequence n is a function of the seed, the stage of training, the length and n alone, so a resumed run
 * continues with the same sequences. From text, each epoch cuts the training stream into windows of `length`
 * targets, from a random start, and visits them in random order. From a task, each sequence is an example.
 */
#ifndef POSLAB_BATCHES_H
#define POSLAB_BATCHES_H

#include "data/corpus.h"

typedef struct BatchesSequence {
    const uint32_t *tokens;    /* [length + 1] */
    const uint32_t *targets;   /* [length]: of a task, TASK_IGNORED where no target is scored. NULL: the
                                  target of token t is token t + 1 */
    const uint32_t *positions; /* [length]; NULL: 0, 1, 2, ... */
} BatchesSequence;

/* Batches of text. Each epoch draws a phase in [0, length) and cuts the stream into windows from there on.
   Every epoch has the same number of windows, batches_windows, which fit at every phase. `stage` counts from
   0. Owned by the arena. Fails with EXIT_USAGE if the stream is shorter than length + 1 tokens. */
typedef struct Batches Batches;
Batches *batches_new(const CorpusStream *stream, int length, uint64_t seed, int stage, const char *source,
                     Arena *arena, Error *err);

/* The number of windows of an epoch, at least 1, in a stream of `tokens` tokens. */
int64_t batches_windows(int64_t tokens, int length);

/* Checks that there are at least as many windows as `streams` (EXIT_USAGE), as batches_in_order requires. */
bool batches_check_order(int64_t windows, int length, int streams, const char *source, Error *err);

/* Changes batches of text to the order of the text, for updates of `streams` sequences. Each epoch divides
   its windows into `streams` parts of equal size, omitting less than `streams` windows at the end. Sequence b
   of update t is window t of part b, so it continues sequence b of update t - 1. Fails with EXIT_USAGE if
   there are fewer windows than streams. */
bool batches_in_order(Batches *batches, int streams, const char *source, Error *err);

/* The number of updates of an epoch, after batches_in_order. */
int64_t batches_epoch_updates(const Batches *batches);

/* Batches of a task, as rows of `length` tokens. A finite training set is visited in a new random order in
   each epoch. Without one, sequences are consecutive examples, and the seed determines the number of the
   first. The last `kept` sequences that were requested remain valid. */
Batches *batches_new_examples(const Examples *examples, int length, int kept, uint64_t seed, int stage,
                              Arena *arena);

/* Batches of the corpus, text or task, for updates of `sequences` sequences. in_order: of text, in the order
   of the text. */
Batches *batches_of(const Corpus *corpus, int length, int sequences, bool in_order, uint64_t seed, int stage,
                    const char *source, Arena *arena, Error *err);

/* Sequence `index`, from 0. */
BatchesSequence batches_sequence(Batches *batches, int64_t index);

#endif
