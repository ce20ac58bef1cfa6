/* tiny: a small model and a synthetic corpus, for tests of training and evaluation. */
#ifndef POSLAB_TESTS_TINY_H
#define POSLAB_TESTS_TINY_H

#include "data/corpus.h"
#include "model/model.h"
#include "position/encoding.h"
#include "train/train.h"

enum { TINY_VOCABULARY = 11 };

/* Options for two layers of width 8; may be changed before model_new. */
ModelOptions tiny_options(void);

/* A method with its default options. */
Encoding tiny_position(const char *method, Arena *arena);

/* Allocated and initialised, trained at `length`. */
Model *tiny_model(const ModelOptions *options, const char *method, int length, Arena *arena);

/* A training of a tiny model, in one session or in several. The members up to `stop_after` may be changed
   before tiny_train. */
typedef struct TinyRun {
    const char *method;
    ModelOptions options;
    TrainOptions train;
    OptimizerOptions optimizer;
    OptimizerScheduleOptions schedule;
    int64_t tokens;                     /* of each split */
    const char *state_path, *from_path; /* NULL: none */
    int threads;
    int64_t stop_after; /* updates of a session; 0: all */
    Model *model;
    TrainResult result;
    int64_t calls;
    char notes[1024]; /* of the last session, in lines */
} TinyRun;

/* Updates of `tokens_per_step` tokens at length 8, without checkpoints; 301 tokens in each split. */
TinyRun tiny_run(const char *method, int steps, int tokens_per_step);

/* One session of training, from run->state_path if that exists. */
bool tiny_train(TinyRun *run, Arena *arena, Error *err);

/* A session that ends well, or that stops after run->stop_after updates; otherwise the test fails. */
void tiny_train_well(TinyRun *run, Arena *arena);
void tiny_train_part(TinyRun *run, Arena *arena);

/* Every split has its own `count` tokens: a repeating pattern with noise. */
Corpus *tiny_corpus(int64_t count, Arena *arena);

#endif
