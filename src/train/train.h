/* train: one run, from initial weights to trained ones.
 *
 * A run makes tokens / tokens_per_step (rounded to nearest, at least 1) updates. Update t uses the sequences
 * (t-1) n .. t n - 1 of the batches (n = tokens_per_step / length), in micro-batches of at most
 * model.max_tokens_in_flight tokens whose gradients are summed. The loss of an update is the mean nll in
 * nats over its targets, before the update. A loss or gradient norm that is not finite ends the run as
 * diverged.
 *
 * A run that was stopped resumes from its saved state (train/train_state.h). One that resumes in the same
 * environment (train/train_session.h) ends with the same bits as one that was never interrupted.
 */
#ifndef POSLAB_TRAIN_TRAIN_H
#define POSLAB_TRAIN_TRAIN_H

#include "model/model.h"
#include "data/corpus.h"
#include "train/optimizer.h"
#include "train/train_state.h"

typedef struct TrainOptions {
    int64_t length, tokens, tokens_per_step, seed;
    int precision;     /* Precision */
    double checkpoint; /* seconds between saved states; 0: none */
} TrainOptions;

extern const OptionField train_fields[];
extern const OptionSection train_section; /* `train` */
extern const int train_field_count;

typedef struct TrainResult {
    bool diverged;
    int64_t diverged_step; /* if diverged */
    int64_t steps, tokens; /* made; targets seen */
    double seconds;        /* of training alone, over all sessions of a resumed run */
    Session session;       /* what these took and ran on */
    double final_loss;     /* mean over the last 5 % of the steps (at least one) */
    size_t peak_bytes;     /* arenas: weights, gradients, optimiser, activations */
    const char
        *revision; /* in the run's arena: of the program, or of all that took part, "A to step 106, B" */
    TrainLog *log; /* [steps] in the run's arena: every update */
} TrainResult;

int64_t train_steps(const TrainOptions *options);
int train_sequences(const TrainOptions *options); /* per step */

/* The rule across options: tokens_per_step is a multiple of length. */
bool train_check(const TrainOptions *options, const char *source, Error *err);

/* Bytes that training takes (closed form by counting arenas): the peak_bytes of the result. */
size_t train_bytes(const Model *model, const TrainOptions *options, const OptimizerOptions *optimizer);

typedef struct TrainHooks {
    /* after every update; returns false to stop: state is saved and the error is EXIT_STOPPED. May be NULL.
     */
    bool (*progress)(void *user, const TrainLog *log, int64_t steps, double tokens_per_second);
    void (*note)(void *user, const char *message); /* "resuming from step 120", ...; may be NULL */
    void *user;
    const char *revision; /* of the program, for the result; NULL: "unknown" */
} TrainHooks;

/* model: made by model_new; train_run initialises it, or restores it from state_path (NULL: no state is
   kept). Fails with EXIT_STOPPED where a hook stopped it; `result` then describes the updates made. With
   other errors it is of no use. */
bool train_run(Model *model, const Corpus *corpus, const TrainOptions *options,
               const OptimizerOptions *optimizer, const OptimizerScheduleOptions *schedule,
               const char *state_path, const char *source, const TrainHooks *hooks, TrainResult *result,
               Arena *arena, Error *err);

#endif
