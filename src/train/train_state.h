/* train_state: the saved state of a run, from which the run resumes with the same bits.
 *
 * It is a safetensors file with the weights under their names, the optimizer's arrays as `adam.m.NAME` and
 * `adam.v.NAME` (NAG: `nag.u.NAME`), the log of all updates as 32-bit words (`log` [steps, 8]) and the cached
 * rows (`cache` [rows, width]). Its metadata has the key of the run, the step, the learning rate of the last
 * update, the seconds of training, hashes of the sources and the values of train/train_session.h. There is no
 * random state, because batches and dropout masks are functions of the seed and the step. A state is not
 * resumed if the file of the method has changed since.
 *
 * Two generations are kept, PATH and PATH.old. A new generation is written to PATH.new.tmp, then renamed to
 * PATH.new, then to PATH.
 */
#ifndef POSLAB_TRAIN_TRAIN_STATE_H
#define POSLAB_TRAIN_TRAIN_STATE_H

#include "model/model.h"
#include "train/optimizer.h"
#include "train/safetensors.h"
#include "train/train_log.h"
#include "train/train_session.h"

/* A run after `steps` of `total` updates. The state owns nothing; the caller's arenas must outlive it. */
typedef struct TrainState {
    const char *key;      /* of the run; a state with another key is refused */
    Model *model;         /* its values are the weights */
    Optimizer *optimizer; /* of this model */
    int64_t total, steps;
    double seconds;       /* of training, over all sessions */
    float *cache;         /* [cache_size]: the rows of the cache (model/cache.h); NULL: no cache */
    size_t cache_size;    /* that of the largest stage; a multiple of the model's width */
    TrainLog *log;        /* [total]; the first `steps` rows are valid */
    const char *revision; /* of the program; if sessions differ, of all of them: "A to step 106, B" */
    const char *files;    /* encoding_files of the run's method and of the runs that it continues */
    const char *shared;   /* hash of the shared sources; if sessions differ, "A, B"; NULL: unknown */
    Session session;
} TrainState;

/* Sets the state before the first update: initial weights from the seed, zeros in the optimizer and the
   cache. */
void train_state_start(TrainState *state, uint64_t seed);

/* Replaces the initial weights with those of run `key` in the file at `path`, and adds its method files to
   state->files. Fails with EXIT_USAGE, naming the tensor, if the file does not have exactly the model's
   tensors, and with EXIT_DAMAGED if the file is damaged or belongs to another run. */
bool train_state_continue(TrainState *state, const char *path, const char *key, const char *source,
                          Arena *arena, Error *err);

/* Writes a new generation at `path`. On failure (EXIT_SYSTEM) the earlier generations are unchanged. */
bool train_state_write(const TrainState *state, const char *path, Error *err);

/* Reads the newest valid generation at `path` into the state; *restored tells whether there was one. A
   generation that is damaged or belongs to another run is removed, so that it never replaces the older one.
   `note` (may be NULL) gets messages such as "resuming from step 120 of 200". Texts of the state are owned by
   the arena. Fails with EXIT_SYSTEM if a file cannot be read, renamed or removed. */
bool train_state_read(TrainState *state, const char *path, void (*note)(void *user, const char *message),
                      void *user, bool *restored, Arena *arena, Error *err);

/* Copies weights, optimizer, cache, log and counters of rank 0 to all ranks. */
void train_state_share(TrainState *state);

/* Removes all generations at `path`. */
void train_state_remove(const char *path);

/* Makes a file of the model's tensors, without metadata. Its data points into model->values. */
void train_state_list_tensors(const Model *model, SafetensorsFile *file, Arena *arena);

/* Copies the tensors of a file to the model. Fails with EXIT_DAMAGED, naming `path`, if a tensor of the model
   is missing, has another shape or contains a number that is not finite. */
bool train_state_load_tensors(Model *model, const SafetensorsFile *file, const char *path, Error *err);

#endif
