/* train_state: saved states are renamed in an order that keeps two valid generations at any moment, once two
   exist. Reading completes a rotation that was interrupted. */
#include "train/train_state.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/atomic_file.h"
#include "sys/mpi.h"

static const char state_format[] = "poslab state 1";
static const char *const state_prefixes[][2] = {
    [OPTIMIZER_ADAMW] = {"adam.m.", "adam.v."}, [OPTIMIZER_NAG] = {"nag.u.", NULL}};

void train_state_list_tensors(const Model *model, SafetensorsFile *file, Arena *arena) {
    *file = (SafetensorsFile){.tensors = NEW(arena, model->param_count, SafetensorsTensor),
                              .count = model->param_count};
    for (int i = 0; i < model->param_count; i++) {
        const ModelParam *param = &model->params[i];
        file->tensors[i] = (SafetensorsTensor){.name = param->name,
                                               .type = SAFETENSORS_F32,
                                               .rank = param->rank,
                                               .dims = {param->dims[0], param->dims[1]},
                                               .data = model->values + param->offset};
    }
}

/* Copies a tensor of the file, which must have this shape and finite values. `next` is that of
   safetensors_next. */
static bool restore_tensor(float *values, const SafetensorsFile *file, const char *name, int rank,
                           const int64_t *dims, int *next, const char *path, Error *err) {
    const SafetensorsTensor *tensor = safetensors_next(file, name, next);
    if (!tensor) return error_set(err, EXIT_DAMAGED, "'%s': tensor '%s' is missing", path, name);
    bool fits = tensor->type == SAFETENSORS_F32 && tensor->rank == rank;
    size_t size = 1;
    for (int d = 0; d < rank && fits; d++) {
        fits = tensor->dims[d] == dims[d];
        size *= (size_t)dims[d];
    }
    if (!fits)
        return error_set(err, EXIT_DAMAGED, "'%s': tensor '%s' has another shape than the config's model",
                         path, name);
    const float *value = tensor->data;
    for (size_t i = 0; i < size; i++)
        if (!isfinite(value[i]))
            return error_set(err, EXIT_DAMAGED, "'%s': tensor '%s' has a number that is not finite", path,
                             name);
    memcpy(values, value, size * sizeof *value);
    return true;
}

/* Copies the tensors `prefix` + NAME of the file to `values`, in the layout of model->values. */
static bool restore_values(float *values, const Model *model, const SafetensorsFile *file, const char *prefix,
                           const char *path, Error *err) {
    int next = 0;
    for (int i = 0; i < model->param_count; i++) {
        const ModelParam *param = &model->params[i];
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, param->name);
        const int64_t dims[] = {param->dims[0], param->dims[1]};
        if (!restore_tensor(values + param->offset, file, name, param->rank, dims, &next, path, err))
            return false;
    }
    return true;
}

bool train_state_load_tensors(Model *model, const SafetensorsFile *file, const char *path, Error *err) {
    return restore_values(model->values, model, file, "", path, err);
}

/* The optimizer's k-th array, or NULL if it has fewer. */
static float *optimizer_array(const Optimizer *optimizer, int k) {
    return k ? optimizer->second : optimizer->first;
}

void train_state_start(TrainState *state, uint64_t seed) {
    Model *model = state->model;
    for (int k = 0; k < 2 && optimizer_array(state->optimizer, k); k++)
        memset(optimizer_array(state->optimizer, k), 0, model->size * sizeof(float));
    if (state->cache) memset(state->cache, 0, state->cache_size * sizeof *state->cache);
    memset(model->values, 0, model->size * sizeof(float));
    model_init(model, seed);
}

bool train_state_continue(TrainState *state, const char *path, const char *key, const char *source,
                          Arena *arena, Error *err) {
    const Model *model = state->model;
    Arena *scratch = arena_new(0);
    SafetensorsFile file = {0}, own;
    train_state_list_tensors(model, &own, scratch);
    bool fine = safetensors_read_weights(path, key, &file, scratch, err);
    const char *lacking = NULL, *extra = NULL;
    for (int i = 0; fine && i < own.count && !lacking; i++) {
        const SafetensorsTensor *given = safetensors_find(&file, own.tensors[i].name);
        bool fits = given && given->rank == own.tensors[i].rank;
        for (int d = 0; fits && d < given->rank; d++) fits = given->dims[d] == own.tensors[i].dims[d];
        if (!fits) lacking = own.tensors[i].name;
    }
    for (int i = 0; fine && i < file.count && !lacking && !extra; i++)
        if (!safetensors_find(&own, file.tensors[i].name)) extra = file.tensors[i].name;
    if (lacking || extra)
        fine =
            error_set(err, EXIT_USAGE,
                      "%s: 'train.from': run %s has %s tensor '%s'%s; continue a run with the same tensors",
                      source, key, lacking ? "no" : "a", lacking ? lacking : extra,
                      lacking ? " of this shape" : " that this model lacks");
    fine = fine && train_state_load_tensors(state->model, &file, path, err);
    const char *files = fine ? json_text(json_get(file.metadata, "method_files"), NULL) : NULL;
    if (files && *files) state->files = arena_format(arena, "%s %s", state->files, files);
    arena_free(scratch);
    return fine;
}

/* If PATH.new exists, renames PATH to PATH.old and PATH.new to PATH. With two generations, at least two of
   the three files exist at any moment. */
static bool state_rotate(const char *path, Arena *arena, Error *err) {
    const char *fresh = arena_format(arena, "%s.new", path), *old = arena_format(arena, "%s.old", path);
    if (access(fresh, F_OK) != 0) return true;
    return ((rename(path, old) == 0 || errno == ENOENT) && rename(fresh, path) == 0 &&
            atomic_file_sync_folder(path)) ||
           error_system(err, "cannot rename '%s'", path);
}

bool train_state_write(const TrainState *state, const char *path, Error *err) {
    const Model *model = state->model;
    const Optimizer *optimizer = state->optimizer;
    Arena *arena = arena_new(0);
    SafetensorsFile weights, file = {.tensors = NEW(arena, 3 * model->param_count + 2, SafetensorsTensor)};
    train_state_list_tensors(model, &weights, arena);
    memcpy(file.tensors, weights.tensors, (size_t)weights.count * sizeof(SafetensorsTensor));
    file.count = weights.count;
    for (int k = 0; k < 2; k++) {
        for (int i = 0; optimizer_array(optimizer, k) && i < weights.count; i++) {
            SafetensorsTensor *tensor = &file.tensors[file.count++];
            *tensor = weights.tensors[i];
            tensor->name = arena_format(arena, "%s%s", state_prefixes[optimizer->options.name][k],
                                        weights.tensors[i].name);
            tensor->data = optimizer_array(optimizer, k) + model->params[i].offset;
        }
    }
    file.tensors[file.count++] =
        (SafetensorsTensor){"log", SAFETENSORS_I32, 2, {state->steps, sizeof(TrainLog) / 4}, state->log};
    int64_t width = model->shape.width;
    if (state->cache)
        file.tensors[file.count++] = (SafetensorsTensor){
            "cache", SAFETENSORS_F32, 2, {(int64_t)state->cache_size / width, width}, state->cache};
    file.metadata = json_new_object(arena);
    json_set_text(file.metadata, "format", state_format);
    json_set_text(file.metadata, "run", state->key);
    json_set_text(file.metadata, "revision", state->revision);
    json_set_text(file.metadata, "method_files", state->files);
    if (state->shared) json_set_text(file.metadata, "shared", state->shared);
    json_set_text(file.metadata, "step", arena_format(arena, "%lld", (long long)state->steps));
    json_set_text(file.metadata, "last_rate", arena_format(arena, "%a", optimizer->last_rate));
    json_set_text(file.metadata, "seconds", arena_format(arena, "%a", state->seconds));
    train_session_write(&state->session, file.metadata, arena);
    bool fine =
        safetensors_write(arena_format(arena, "%s.new", path), &file, err) && state_rotate(path, arena, err);
    arena_free(arena);
    return fine;
}

/* Whether the log has rows for the steps 1 .. `steps`, with finite values. */
static bool log_is_whole(const SafetensorsTensor *tensor, double steps) {
    if (!tensor || tensor->type != SAFETENSORS_I32 || tensor->rank != 2 || (double)tensor->dims[0] != steps ||
        tensor->dims[1] != sizeof(TrainLog) / 4)
        return false;
    const TrainLog *log = tensor->data;
    for (int64_t i = 0; i < tensor->dims[0]; i++)
        if (log[i].step != i + 1 || !isfinite(log[i].loss) || !isfinite(log[i].norm)) return false;
    return true;
}

static double metadata_real(const SafetensorsFile *file, const char *key) {
    return strtod(json_text(json_get(file->metadata, key), "nan"), NULL);
}

static bool take_cache(TrainState *state, const SafetensorsFile *file, const char *path, Error *err) {
    int64_t width = state->model->shape.width, dims[] = {(int64_t)state->cache_size / width, width};
    return restore_tensor(state->cache, file, "cache", 2, dims, &(int){0}, path, err);
}

/* Reads the state from a file. After a failure the state may be partly changed; the caller overwrites it. */
static bool state_take(TrainState *state, const SafetensorsFile *file, const char *path, Error *err) {
    Model *model = state->model;
    Optimizer *optimizer = state->optimizer;
    if (strcmp(json_text(json_get(file->metadata, "format"), ""), state_format) != 0)
        return error_set(err, EXIT_DAMAGED, "'%s' is not a saved state of this version", path);
    const char *run = json_text(json_get(file->metadata, "run"), "");
    if (*run != '{' && strcmp(run, state->key) != 0) /* earlier versions wrote the options as JSON */
        return error_set(err, EXIT_DAMAGED, "'%s' is the state of another run", path);
    if (encoding_files_edited(json_text(json_get(file->metadata, "method_files"), NULL)))
        return error_set(err, EXIT_DAMAGED, "the method's file was edited since '%s' was saved", path);
    double step = metadata_real(file, "step"), seconds = metadata_real(file, "seconds");
    double last_rate = metadata_real(file, "last_rate");
    const SafetensorsTensor *log = safetensors_find(file, "log");
    if (!(step >= 1 && step <= (double)state->total) || !(seconds >= 0) || !isfinite(last_rate) ||
        !log_is_whole(log, step))
        return error_set(err, EXIT_DAMAGED, "'%s': its log does not fit its step", path);
    if (!train_state_load_tensors(model, file, path, err)) return false;
    for (int k = 0; k < 2 && optimizer_array(optimizer, k); k++) {
        if (!restore_values(optimizer_array(optimizer, k), model, file,
                            state_prefixes[optimizer->options.name][k], path, err))
            return false;
    }
    if (state->cache && !take_cache(state, file, path, err)) return false;
    optimizer->step = state->steps = (int64_t)step;
    optimizer->last_rate = last_rate;
    state->seconds = seconds;
    memcpy(state->log, log->data, (size_t)step * sizeof(TrainLog));
    return true;
}

/* Puts the hashes of earlier sessions before this one, if they differ. An earlier version did not write the
   hash; its state has the same sources if it has the same revision. */
static void take_shared(TrainState *state, const Json *metadata, bool same_revision, Arena *arena) {
    const char *before = json_text(json_get(metadata, "shared"), same_revision ? state->shared : NULL);
    if (!before || !state->shared)
        state->shared = NULL;
    else if (strcmp(before, state->shared))
        state->shared = arena_format(arena, "%s, %s", before, state->shared);
}

/* Reads the revision and the environment of the state, on which the bits depend, and reports differences. */
static void take_origin(TrainState *state, const Json *metadata,
                        void (*note)(void *user, const char *message), void *user, Arena *arena) {
    const char *before = json_text(json_get(metadata, "revision"), "unknown");
    const char *last = strrchr(before, ' '), *now = state->revision;
    long long step = (long long)state->steps, steps = (long long)state->total;
    bool same = strcmp(last ? last + 1 : before, now) == 0;
    if (note)
        note(user, arena_format(arena, "resuming from step %lld of %lld%s%s%s", step, steps,
                                same ? "" : ", which another revision of poslab made (", same ? "" : before,
                                same ? "" : ")"));
    take_shared(state, metadata, same, arena);
    state->files = arena_copy(arena, json_text(json_get(metadata, "method_files"), state->files));
    state->revision =
        same ? arena_copy(arena, before) : arena_format(arena, "%s to step %lld, %s", before, step, now);
    const char *environment = train_session_read(&state->session, metadata, state->steps, arena);
    if (environment && note)
        note(user, arena_format(arena,
                                "resumed with %s, after %s: the last bits will differ from those of an "
                                "uninterrupted run",
                                state->session.environment, environment));
}

/* First removes the incomplete file of a killed process and completes its rotation. */
bool train_state_read(TrainState *state, const char *path, void (*note)(void *user, const char *message),
                      void *user, bool *restored, Arena *arena, Error *err) {
    Arena *scratch = arena_new(0);
    unlink(arena_format(scratch, "%s.new.tmp", path));
    bool fine = state_rotate(path, scratch, err);
    *restored = false;
    for (int generation = 0; generation < 2 && fine; generation++) {
        const char *name = arena_format(scratch, "%s%s", path, generation ? ".old" : "");
        if (access(name, F_OK) != 0) continue;
        SafetensorsFile file = {0};
        Error why;
        bool read = safetensors_read(name, &file, scratch, &why);
        *restored = read && state_take(state, &file, name, &why);
        if (*restored) take_origin(state, file.metadata, note, user, arena);
        if (*restored) break;
        if (why.code != EXIT_DAMAGED) {
            *err = why;
            fine = false;
        } else {
            if (note)
                note(user, arena_format(scratch, "%s; %s", why.text,
                                        generation ? "starting over" : "trying the older state"));
            fine = unlink(name) == 0 || error_system(err, "cannot remove '%s'", name);
        }
    }
    arena_free(scratch);
    return fine;
}

void train_state_remove(const char *path) {
    static const char *const suffixes[] = {".new.tmp", ".new", "", ".old"};
    Arena *arena = arena_new(0);
    for (int i = 0; i < COUNT_OF(suffixes); i++) unlink(arena_format(arena, "%s%s", path, suffixes[i]));
    arena_free(arena);
}

void train_state_share(TrainState *state) {
    Optimizer *optimizer = state->optimizer;
    size_t bytes = state->model->size * sizeof(float);
    mpi_broadcast(&state->steps, sizeof state->steps);
    mpi_broadcast(&state->seconds, sizeof state->seconds);
    mpi_broadcast(state->log, (size_t)state->steps * sizeof *state->log);
    mpi_broadcast(&optimizer->step, sizeof optimizer->step);
    mpi_broadcast(&optimizer->last_rate, sizeof optimizer->last_rate);
    mpi_broadcast(state->model->values, bytes);
    if (state->cache) mpi_broadcast(state->cache, state->cache_size * sizeof *state->cache);
    for (int k = 0; k < 2 && optimizer_array(optimizer, k); k++)
        mpi_broadcast(optimizer_array(optimizer, k), bytes);
}
