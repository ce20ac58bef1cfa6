/* tiny: a small model and a synthetic corpus, for tests of training and evaluation. */
#ifndef POSLAB_TESTS_TINY_H
#define POSLAB_TESTS_TINY_H

#include "data/corpus.h"
#include "model/model.h"
#include "position/encoding.h"

enum { TINY_VOCABULARY = 11 };

/* Options for two layers of width 8; may be changed before model_new. */
ModelOptions tiny_options(void);

/* A method with its default options. */
Encoding tiny_position(const char *method, Arena *arena);

/* Allocated and initialised, trained at `length`. */
Model *tiny_model(const ModelOptions *options, const char *method, int length, Arena *arena);

/* Every split has its own `count` tokens: a repeating pattern with noise. */
Corpus *tiny_corpus(int64_t count, Arena *arena);

#endif
