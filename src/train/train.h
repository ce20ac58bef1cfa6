/* train: the training loop of one run, in stages (train/train_options.h).
 *
 * The seed and the number of an update determine its stage, its sequences (data/batches.h), its dropout masks
 * and its learning rate. So a run that resumes from its saved state (train/train_state.h) in the same
 * environment (train/train_session.h) ends with the same bits as an uninterrupted run. A run with
 * `train.from` differs from other runs only in its initial weights.
 */
#ifndef POSLAB_TRAIN_TRAIN_H
#define POSLAB_TRAIN_TRAIN_H

#include "model/cache.h"
#include "data/corpus.h"
#include "train/optimizer.h"
#include "train/train_options.h"
#include "train/train_state.h"
#include "train/evaluate_examples.h"

/* What training returns. Texts and the log are owned by the arena that train_run was given. */
typedef struct TrainResult {
    bool diverged;         /* a loss or a gradient norm was not finite, which ended the run */
    int64_t diverged_step; /* the update at which it diverged */
    int64_t until_step;    /* the update after which `train.until` ended the run; 0: it did not */
    int64_t steps, tokens; /* number of updates made, and of their tokens */
    double seconds;        /* of training only, over all sessions of a resumed run */
    Session session;       /* processor time, load and environment of these sessions */
    double final_loss;     /* nats per target, mean over the last 5 % of the updates (at least one) */
    size_t peak_bytes;     /* of arenas: weights, gradients, optimizer, activations */
    const char *revision;  /* of the program; of a resumed run all revisions, "A to step 106, B" */
    const char *files;     /* encoding_files of the run's method and of the runs that it continues */
    const char *shared;    /* hash of the shared sources; of a resumed run all hashes; NULL: unknown */
    TrainLog *log;         /* [steps]: one row per update */
} TrainResult;

/* The part of the model that a stage trains: its first layers. Shares the memory of `model`. */
Model train_stage_model(const Model *model, const TrainOptions *options, const TrainStage *stage);

/* A full cache of a stage, without memory; its capacity is 0 if training has no cache. */
Cache train_cache(const Model *model, const TrainOptions *options, const TrainStage *stage);

/* The bytes that training allocates, computed with counting arenas; equal to the result's peak_bytes. */
size_t train_bytes(const Model *model, const TrainOptions *options, const OptimizerOptions *optimizer);

/* The input of train_run, and the functions that it calls. */
typedef struct TrainTask {
    const char *key; /* of the run; a saved state with another key is refused */
    const Corpus *corpus;
    const TrainOptions *options;
    const OptimizerOptions *optimizer;
    const OptimizerScheduleOptions *schedule;
    const char *from_path;  /* file of the weights of run options->from; NULL: not found */
    const char *state_path; /* of the saved state; NULL: no state is saved or resumed */
    const char *log_path;   /* of train.jsonl (train/train_log.h), written by rank 0; NULL: not written */
    const char *source;     /* the config's name, with which errors begin */
    const char *revision;   /* of the program, for the result; NULL: "unknown" */
    const char *shared;     /* hash of the shared sources, for the result; NULL: unknown */
    /* Called after every update; may be NULL. Returns false to stop: the state is saved and the error is
       EXIT_STOPPED. `accuracy` is the last one computed, of a task; NULL: none yet. */
    bool (*progress)(void *user, const TrainLog *log, int64_t steps, double tokens_per_second,
                     const EvaluateAccuracy *accuracy);
    void (*note)(void *user, const char *message); /* gets "resuming from step 120", ...; may be NULL */
    void *user;
} TrainTask;

/* Trains a model made by model_new, from its saved state if there is one, else from initial weights. Fails
   with EXIT_STOPPED if `progress` stopped it; `result` then describes the updates made. After other errors
   `result` is not valid. */
bool train_run(Model *model, const TrainTask *task, TrainResult *result, Arena *arena, Error *err);

#endif
