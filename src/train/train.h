/* train: the training loop of one run.
 *
 * The updates are divided into stages (train/train_options.h). Update t at one length uses the sequences
 * (t-1) n .. t n - 1 of the batches of this length (n = tokens_per_step / length), in micro-batches of at
 * most model.max_tokens_in_flight tokens whose gradients are summed. Before the first update of a stage with
 * more layers the model grows (train/growth.h); a state that was saved at the end of the stage before has not
 * grown yet. The loss of an update is the mean nll in nats
 * over its targets, before the update. A loss or gradient norm that is not finite ends the run as diverged.
 *
 * A run on a task can end early: when it answers the examples of its sizes, with all its layers. That is
 * looked at after every `until_updates` updates, as a function of the weights alone, so a resumed run ends at
 * the same update.
 *
 * With `cache`, the sequences of an update continue those of the update before (data/batches.h) and attend to
 * its rows. The cache is empty at the first update of an epoch and of a stage, so the number of the update
 * determines how many rows it has.
 *
 * A run that continues another one (`train.from`) differs from others only in its initial weights: optimizer,
 * schedule and batches start at the first update.
 *
 * A run that was stopped resumes from its saved state (train/train_state.h). One that resumes in the same
 * environment (train/train_session.h) ends with the same bits as one that was never interrupted.
 */
#ifndef POSLAB_TRAIN_TRAIN_H
#define POSLAB_TRAIN_TRAIN_H

#include "model/cache.h"
#include "data/corpus.h"
#include "train/optimizer.h"
#include "train/train_options.h"
#include "train/train_state.h"
#include "train/evaluate_examples.h"

typedef struct TrainResult {
    bool diverged;
    int64_t diverged_step; /* if diverged */
    int64_t until_step;    /* at which `until` ended it; 0: it did not */
    int64_t steps, tokens; /* updates made; targets of these */
    double seconds;        /* of training only, over all sessions of a resumed run */
    Session session;       /* processor time, load and environment of these */
    double final_loss;     /* mean over the last 5 % of the steps (at least one) */
    size_t peak_bytes;     /* of arenas: weights, gradients, optimizer, activations */
    const char *revision;  /* in the run's arena: revision of the program, or all revisions of a resumed run,
                              "A to step 106, B" */
    const char *files;     /* encoding_files of its method, and of those of the runs that it continues */
    const char *shared; /* hash of the shared sources, of a resumed run all different ones; NULL: unknown */
    TrainLog *log;      /* [steps] in the run's arena: every update */
} TrainResult;

/* The layers of the model that a stage trains. */
Model train_stage_model(const Model *model, const TrainOptions *options, const TrainStage *stage);

/* The shape of a stage's full cache; its capacity is 0 without `cache`. */
Cache train_cache(const Model *model, const TrainOptions *options, const TrainStage *stage);

/* Bytes that training allocates, computed with counting arenas: the result's peak_bytes. */
size_t train_bytes(const Model *model, const TrainOptions *options, const OptimizerOptions *optimizer);

/* The input of train_run, and the functions that it calls. */
typedef struct TrainTask {
    const char *key; /* of the run; the state of a run with another key is refused */
    const Corpus *corpus;
    const TrainOptions *options;
    const OptimizerOptions *optimizer;
    const OptimizerScheduleOptions *schedule;
    const char *from_path;  /* weights of the run options->from, if the training is not resumed */
    const char *state_path; /* NULL: no state is saved */
    const char *log_path;   /* of train.jsonl (train/train_log.h), written by rank 0; NULL: none */
    const char *source;     /* the config, for errors */
    const char *revision;   /* of the program, for the result; NULL: "unknown" */
    const char *shared;     /* hash of the shared sources, for the result; NULL: unknown */
    /* Called after every update; may be NULL. Returns false to stop: the state is saved and the error is
       EXIT_STOPPED. */
    bool (*progress)(void *user, const TrainLog *log, int64_t steps, double tokens_per_second,
                     const EvaluateAccuracy *accuracy /* of a task, seldom computed; NULL: none yet */);
    void (*note)(void *user, const char *message); /* "resuming from step 120", ...; may be NULL */
    void *user;
} TrainTask;

/* Trains a model made by model_new: initialises it, or restores it from the saved state. Fails with
   EXIT_STOPPED if `progress` stopped it; `result` then describes the updates made. After other errors
   `result` is not valid. */
bool train_run(Model *model, const TrainTask *task, TrainResult *result, Arena *arena, Error *err);

#endif
