/* train_state: what the remaining updates of a run depend on, and the file that keeps it.
 *
 * The file is a safetensors file. It holds the weights under their names, the optimiser's arrays as
 * `adam.m.NAME` and `adam.v.NAME` (of NAG: `nag.u.NAME`) and the log of all updates as the 32-bit words of
 * its rows (`log` [steps, 8]). Its metadata says which run it belongs to (its key), the step, the rate of the
 * last update, the seconds spent and what train/train_session.h keeps. There is no random state besides the
 * step: batches and dropout masks are functions of the seed and the step.
 *
 * Two generations are kept: PATH and PATH.old. While one is written there is PATH.new.tmp, then PATH.new.
 */
#ifndef POSLAB_TRAIN_TRAIN_STATE_H
#define POSLAB_TRAIN_TRAIN_STATE_H

#include "model/model.h"
#include "train/optimizer.h"
#include "train/safetensors.h"
#include "train/train_session.h"

typedef struct TrainLog { /* a row of the file's `log`: its layout is part of the format */
    int64_t step;         /* 1-based */
    double loss, rate, norm;
} TrainLog;

/* A run after `steps` of `total` updates. Nothing here is owned: the caller's arenas outlive it. */
typedef struct TrainState {
    const char *key;      /* of the run: the state of a run with another one is refused */
    Model *model;         /* its values are the weights */
    Optimizer *optimizer; /* of this model */
    int64_t total, steps;
    double seconds;       /* of training, over all sessions */
    TrainLog *log;        /* [total]: the updates made */
    const char *revision; /* of the program, or of all that took part, "A to step 106, B" */
    Session session;
} TrainState;

/* Before the first update: initial weights from the seed, the optimiser's arrays zero. */
void train_state_start(TrainState *state, uint64_t seed);

/* Writes a new generation at `path`. Fails (EXIT_SYSTEM) with the earlier ones as they were. */
bool train_state_write(const TrainState *state, const char *path, Error *err);

/* Takes over the newest usable generation at `path`: weights, optimiser, steps, seconds, log, revision and
   session. *restored says whether there was one. A damaged generation, or one of another run, is removed, so
   that it does not replace the older one. `note` (may be NULL) is told what was found: "resuming from step
   120 of 200", ... Texts that stay in the state are in the arena. Fails (EXIT_SYSTEM) if a file cannot be
   read, renamed or removed. */
bool train_state_read(TrainState *state, const char *path, void (*note)(void *user, const char *message),
                      void *user, bool *restored, Arena *arena, Error *err);

/* Makes the state of all ranks that of rank 0. */
void train_state_share(TrainState *state);

/* Removes everything that is kept at `path`. */
void train_state_remove(const char *path);

/* The model's tensors by name as a SafetensorsFile without metadata (data points into model->values), and
   back: every tensor of the model must be there with its shape and finite (else EXIT_DAMAGED, naming `path`).
   Used by checkpoints and exports. */
void train_state_list_tensors(const Model *model, SafetensorsFile *file, Arena *arena);
bool train_state_load_tensors(Model *model, const SafetensorsFile *file, const char *path, Error *err);

#endif
