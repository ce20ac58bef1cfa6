/* train_state: the saved state of a run, from which it resumes with the same bits.
 *
 * The file is a safetensors file. It holds the weights under their names, the optimizer's arrays as
 * `adam.m.NAME` and `adam.v.NAME` (NAG: `nag.u.NAME`) and the log of all updates as the 32-bit words of its
 * rows (`log` [steps, 8]). Its metadata has the key of the run, the step, the learning rate of the last
 * update, the seconds of training, hashes of the sources and the values of train/train_session.h. There is no
 * random state besides the step: batches and dropout masks are functions of the seed and the step. A state
 * that was made with another version of the method's file is not resumed.
 *
 * Two generations are kept: PATH and PATH.old. A new one is written to PATH.new.tmp, then renamed to
 * PATH.new, then to PATH.
 */
#ifndef POSLAB_TRAIN_TRAIN_STATE_H
#define POSLAB_TRAIN_TRAIN_STATE_H

#include "model/model.h"
#include "train/optimizer.h"
#include "train/safetensors.h"
#include "train/train_log.h"
#include "train/train_session.h"

/* A run after `steps` of `total` updates. Nothing is owned; the caller's arenas must outlive it. */
typedef struct TrainState {
    const char *key;      /* of the run: the state of a run with another one is refused */
    Model *model;         /* its values are the weights */
    Optimizer *optimizer; /* of this model */
    int64_t total, steps;
    double seconds;       /* of training, over all sessions */
    float *cache;         /* [cache_size]: rows of a cache (model/cache.h) in all stages; NULL: none */
    size_t cache_size;    /* a multiple of the model's width */
    TrainLog *log;        /* [total]: the updates made */
    const char *revision; /* of the program, or of all sessions, "A to step 106, B" */
    const char *files;    /* encoding_files of its method, and of those of the runs that it continues */
    const char *shared;   /* hash of the shared sources, or those of all sessions, "A, B"; NULL: unknown */
    Session session;
} TrainState;

/* Sets the state before the first update: initial weights from the seed, the optimizer's arrays zero. */
void train_state_start(TrainState *state, uint64_t seed);

/* Replaces the initial weights by those of run `key` in the file at `path`, and adds its method files. Fails
   with EXIT_USAGE, naming the tensor, if the file does not have exactly the model's tensors, and with
   EXIT_DAMAGED if it is damaged or of another run. */
bool train_state_continue(TrainState *state, const char *path, const char *key, const char *source,
                          Arena *arena, Error *err);

/* Writes a new generation at `path`. On failure (EXIT_SYSTEM) the earlier ones are unchanged. */
bool train_state_write(const TrainState *state, const char *path, Error *err);

/* Reads the newest valid generation at `path` into the state; *restored is whether there was one. A
   generation that is damaged or belongs to another run is removed, so that it does not replace the older one.
   `note` (may be NULL) gets messages such as "resuming from step 120 of 200". Texts of the state are owned by
   the arena. Fails (EXIT_SYSTEM) if a file cannot be read, renamed or removed. */
bool train_state_read(TrainState *state, const char *path, void (*note)(void *user, const char *message),
                      void *user, bool *restored, Arena *arena, Error *err);

/* Copies the state of rank 0 to all ranks. */
void train_state_share(TrainState *state);

/* Removes all generations at `path`. */
void train_state_remove(const char *path);

/* Convert the model's tensors to a SafetensorsFile without metadata (its data points into model->values), and
   back. Loading fails with EXIT_DAMAGED, naming `path`, if a tensor of the model is missing, has another
   shape or contains a number that is not finite. Used for saved states, trained weights and exports. */
void train_state_list_tensors(const Model *model, SafetensorsFile *file, Arena *arena);
bool train_state_load_tensors(Model *model, const SafetensorsFile *file, const char *path, Error *err);

#endif
