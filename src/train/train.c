/* train: the loop of updates, and the state from which a stopped run resumes.
 *
 * The state file holds the weights under their names, the optimizer's arrays as `adam.m.NAME` and
 * `adam.v.NAME` (for NAG `nag.u.NAME`) and the log of all updates as the 32-bit words of its rows (`log`
 * [steps, 8]). Its metadata has the identity of the run, the step, the learning rate of the last update, the
 * seconds spent and the fields of train/train_session.h. The only random state is the step, because batches
 * and dropout masks are functions of the seed and the step.
 */
#include "train/train.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "math/linear.h"
#include "position/encoding.h"
#include "data/batches.h"
#include "train/batch_gradient.h"

static const char state_format[] = "poslab state 1";
static const char *const state_prefixes[][2] = {
    [OPTIMIZER_ADAMW] = {"adam.m.", "adam.v."}, [OPTIMIZER_NAG] = {"nag.u.", NULL}};

const OptionField train_fields[] = {
    {"length", OPTION_INT, offsetof(TrainOptions, length), .default_value = 128, .low = 1, .high = 1 << 20,
     .help = "tokens of a training sequence"},
    {"tokens", OPTION_INT, offsetof(TrainOptions, tokens), .default_value = 1e6, .low = 1, .high = 1e15,
     .help = "targets to train on in all"},
    {"tokens_per_step", OPTION_INT, offsetof(TrainOptions, tokens_per_step), .default_value = 4096, .low = 1,
     .high = 1e9, .help = "targets of one update, a multiple of the length"},
    {"precision", OPTION_CHOICE, offsetof(TrainOptions, precision), .choices = precision_names,
     .help = "of the factors of linear layers' products; bf16 needs oneDNN and a CPU that has it"},
    {"seed", OPTION_INT, offsetof(TrainOptions, seed), .default_value = 1, .low = 0,
     .high = 9007199254740992.0, .help = "of initial weights, batches and dropout"},
    {"checkpoint", OPTION_REAL, offsetof(TrainOptions, checkpoint), .default_value = 60, .low = 0,
     .high = 1e9, .help = "seconds between saved states; 0: only when stopped and at the end"},
};
const int train_field_count = COUNT_OF(train_fields);

/* One session of training: what an update works with. */
typedef struct Training {
    Model *model;
    const TrainOptions *options;
    Optimizer *optimizer;
    BatchGradient *step;
    Batches *batches;
    int sequences;                /* of an update */
    const char *run, *state_path; /* identity; NULL path: no state is kept */
    TrainResult *result;
    Arena *arena; /* of the result */
} Training;

int64_t train_steps(const TrainOptions *options) {
    int64_t steps = llround((double)options->tokens / (double)options->tokens_per_step);
    return steps > 0 ? steps : 1;
}

int train_sequences(const TrainOptions *options) {
    return (int)(options->tokens_per_step / options->length);
}

bool train_check(const TrainOptions *options, const ModelOptions *model, const char *source, Error *err) {
    (void)model;
    int64_t length = options->length, rest = options->tokens_per_step % length;
    int64_t next = options->tokens_per_step - rest + length;
    if (!rest) return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: 'train.tokens_per_step' must be a multiple of 'train.length' (%lld), got %lld; %lld is one",
        source, (long long)length, (long long)options->tokens_per_step, (long long)next);
}

/* What training needs besides the weights; with a counting arena nothing but the count is of use. */
static void training_allocate(Training *training, const Model *model, const TrainOptions *options,
                              const OptimizerOptions *optimizer, Arena *arena) {
    training->sequences = train_sequences(options);
    training->optimizer = optimizer_new(optimizer, model, arena);
    training->step = batch_gradient_new(model, training->sequences, (int)options->length, arena);
}

static size_t weight_bytes(const Model *model) {
    Arena *count = arena_new_counting();
    Model copy = *model;
    model_allocate(&copy, count);
    size_t bytes = arena_peak(count);
    arena_free(count);
    return bytes;
}

/* Bytes of training_allocate. */
static size_t session_bytes(const Model *model, const TrainOptions *options,
                            const OptimizerOptions *optimizer) {
    Arena *count = arena_new_counting();
    Training training;
    training_allocate(&training, model, options, optimizer, count);
    size_t bytes = arena_peak(count);
    arena_free(count);
    return bytes;
}

size_t train_bytes(const Model *model, const TrainOptions *options, const OptimizerOptions *optimizer) {
    Model copy = *model;
    copy.precision = options->precision;
    return weight_bytes(model) + session_bytes(&copy, options, optimizer);
}

void train_list_tensors(const Model *model, SafetensorsFile *file, Arena *arena) {
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

/* Copies the tensors PREFIX + NAME of the file to `values`, laid out as the model's. */
static bool restore_values(float *values, const Model *model, const SafetensorsFile *file, const char *prefix,
                           const char *path, Error *err) {
    int next = 0;
    for (int i = 0; i < model->param_count; i++) {
        const ModelParam *param = &model->params[i];
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefix, param->name);
        const SafetensorsTensor *tensor = checkpoint_next(file, name, &next);
        if (!tensor) return error_set(err, EXIT_DAMAGED, "'%s': tensor '%s' is missing", path, name);
        bool fits = tensor->type == SAFETENSORS_F32 && tensor->rank == param->rank;
        for (int d = 0; d < param->rank && fits; d++) fits = tensor->dims[d] == param->dims[d];
        if (!fits)
            return error_set(err, EXIT_DAMAGED, "'%s': tensor '%s' has another shape than the config's model",
                             path, name);
        const float *value = tensor->data;
        for (size_t k = 0; k < param->size; k++)
            if (!isfinite(value[k]))
                return error_set(err, EXIT_DAMAGED, "'%s': tensor '%s' has a number that is not finite", path,
                                 name);
        memcpy(values + param->offset, value, param->size * sizeof(float));
    }
    return true;
}

bool train_load_tensors(Model *model, const SafetensorsFile *file, const char *path, Error *err) {
    return restore_values(model->values, model, file, "", path, err);
}

/* Everything that determines the updates, as canonical JSON: states of other runs are told apart by it. */
static const char *run_identity(const Model *model, const Corpus *corpus, const TrainOptions *options,
                                const OptimizerOptions *optimizer, const OptimizerScheduleOptions *schedule,
                                Arena *arena) {
    struct {
        const char *key;
        const void *options;
        const OptionField *fields;
        int count;
    } sections[] = {
        {"train", options, train_fields, train_field_count},
        {"optimizer", optimizer, optimizer_fields, optimizer_field_count},
        {"schedule", schedule, optimizer_schedule_fields, optimizer_schedule_field_count},
    };
    Json *root = json_new_object();
    json_set_text(root, "corpus", corpus->hash);
    json_set(root, "method", encoding_json(&model->position));
    json_set(root, "model", model_json(&model->options));
    for (int i = 0; i < COUNT_OF(sections); i++) {
        Json *section = json_new_object();
        if (sections[i].count)
            options_write(section, sections[i].options, sections[i].fields, sections[i].count);
        json_remove(section, "checkpoint");
        json_set(root, sections[i].key, section);
    }
    const char *text = json_print(root, arena);
    json_free(root);
    return text;
}

/* Where the optimiser's k-th array is, NULL where it has none. */
static float *optimizer_array(const Training *training, int k) {
    return k ? training->optimizer->second : training->optimizer->first;
}

/* The new state, if there is one, becomes the state, and the state the older one. At no moment are there less
   than two of three. */
static bool state_rotate(const char *path, Arena *arena, Error *err) {
    const char *fresh = arena_format(arena, "%s.new", path), *old = arena_format(arena, "%s.old", path);
    if (access(fresh, F_OK) != 0) return true;
    return ((rename(path, old) == 0 || errno == ENOENT) && rename(fresh, path) == 0 &&
            atomic_file_sync_folder(path)) ||
           error_system(err, "cannot rename '%s'", path);
}

static bool state_write(const Training *training, Error *err) {
    const Model *model = training->model;
    TrainResult *result = training->result;
    Arena *arena = arena_new(0);
    SafetensorsFile weights, file = {.tensors = NEW(arena, 3 * model->param_count + 1, SafetensorsTensor)};
    train_list_tensors(model, &weights, arena);
    memcpy(file.tensors, weights.tensors, (size_t)weights.count * sizeof(SafetensorsTensor));
    file.count = weights.count;
    for (int k = 0; k < 2; k++) {
        for (int i = 0; optimizer_array(training, k) && i < weights.count; i++) {
            SafetensorsTensor *tensor = &file.tensors[file.count++];
            *tensor = weights.tensors[i];
            tensor->name = arena_format(arena, "%s%s", state_prefixes[training->optimizer->options.name][k],
                                        weights.tensors[i].name);
            tensor->data = optimizer_array(training, k) + model->params[i].offset;
        }
    }
    file.tensors[file.count++] =
        (SafetensorsTensor){"log", SAFETENSORS_I32, 2, {result->steps, sizeof(TrainLog) / 4}, result->log};
    file.metadata = json_new_object();
    json_set_text(file.metadata, "format", state_format);
    json_set_text(file.metadata, "run", training->run);
    json_set_text(file.metadata, "revision", result->revision);
    json_set_text(file.metadata, "step", arena_format(arena, "%lld", (long long)result->steps));
    json_set_text(file.metadata, "last_rate", arena_format(arena, "%a", training->optimizer->last_rate));
    json_set_text(file.metadata, "seconds", arena_format(arena, "%a", result->seconds));
    train_session_write(&result->session, file.metadata, arena);
    const char *path = training->state_path;
    bool fine =
        safetensors_write(arena_format(arena, "%s.new", path), &file, err) && state_rotate(path, arena, err);
    json_free(file.metadata);
    arena_free(arena);
    return fine;
}

/* The steps from 1 on, none of which diverged. */
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

/* Takes the state over, or says why not. What it changes before it fails is overwritten by the next attempt.
 */
static bool state_take(Training *training, const SafetensorsFile *file, const char *path, Error *err) {
    Model *model = training->model;
    Optimizer *optimizer = training->optimizer;
    TrainResult *result = training->result;
    if (strcmp(json_text(json_get(file->metadata, "format"), ""), state_format) != 0)
        return error_set(err, EXIT_DAMAGED, "'%s' is not a saved state of this version", path);
    if (strcmp(json_text(json_get(file->metadata, "run"), ""), training->run) != 0)
        return error_set(err, EXIT_DAMAGED, "'%s' is the state of another run", path);
    double step = metadata_real(file, "step"), seconds = metadata_real(file, "seconds");
    double last_rate = metadata_real(file, "last_rate");
    const SafetensorsTensor *log = safetensors_find(file, "log");
    if (!(step >= 1 && step <= (double)train_steps(training->options)) || !(seconds >= 0) ||
        !isfinite(last_rate) || !log_is_whole(log, step))
        return error_set(err, EXIT_DAMAGED, "'%s': step and log do not fit together", path);
    if (!train_load_tensors(model, file, path, err)) return false;
    for (int k = 0; k < 2 && optimizer_array(training, k); k++) {
        if (!restore_values(optimizer_array(training, k), model, file,
                            state_prefixes[optimizer->options.name][k], path, err))
            return false;
    }
    optimizer->step = result->steps = (int64_t)step;
    optimizer->last_rate = last_rate;
    result->seconds = seconds;
    memcpy(result->log, log->data, (size_t)step * sizeof(TrainLog));
    return true;
}

/* Who made the state that the training goes on from, and who goes on. */
static void note_revision(Training *training, const char *before, const TrainHooks *hooks, Arena *scratch) {
    TrainResult *result = training->result;
    const char *last = strrchr(before, ' '), *now = result->revision;
    long long step = (long long)result->steps, steps = (long long)train_steps(training->options);
    bool same = strcmp(last ? last + 1 : before, now) == 0;
    if (hooks->note)
        hooks->note(hooks->user, arena_format(scratch, "resuming from step %lld of %lld%s%s%s", step, steps,
                                              same ? "" : ", which another revision of poslab made (",
                                              same ? "" : before, same ? "" : ")"));
    result->revision = same ? arena_copy(training->arena, before)
                            : arena_format(training->arena, "%s to step %lld, %s", before, step, now);
}

/* The same for the environment, on which the bits depend as well. */
static void note_environment(Training *training, const SafetensorsFile *file, const TrainHooks *hooks,
                             Arena *scratch) {
    Session *session = &training->result->session;
    const char *last = train_session_read(session, file->metadata, training->result->steps, training->arena);
    if (last && hooks->note)
        hooks->note(hooks->user,
                    arena_format(scratch,
                                 "resumed with %s, after %s: the last bits will differ from those "
                                 "of an uninterrupted run",
                                 session->environment, last));
}

/* Restores the newest usable state, or none. A damaged file is removed, lest it replace the older generation.
   What a killed process left behind is brought to its end (a rotation) or goes (what it was writing). */
static bool state_read(Training *training, const TrainHooks *hooks, bool *restored, Error *err) {
    Arena *arena = arena_new(0);
    unlink(arena_format(arena, "%s.new.tmp", training->state_path));
    bool fine = state_rotate(training->state_path, arena, err);
    *restored = false;
    for (int generation = 0; generation < 2 && fine; generation++) {
        const char *path = arena_format(arena, "%s%s", training->state_path, generation ? ".old" : "");
        if (access(path, F_OK) != 0) continue;
        SafetensorsFile file = {0};
        Error why;
        bool read = safetensors_read(path, &file, arena, &why);
        *restored = read && state_take(training, &file, path, &why);
        if (*restored) {
            note_revision(training, json_text(json_get(file.metadata, "revision"), "unknown"), hooks, arena);
            note_environment(training, &file, hooks, arena);
        }
        if (read) json_free(file.metadata);
        if (*restored) break;
        if (why.code != EXIT_DAMAGED) {
            *err = why;
            fine = false;
        } else {
            if (hooks->note)
                hooks->note(hooks->user,
                            arena_format(arena, "%s; %s", why.text,
                                         generation ? "starting over" : "trying the older state"));
            fine = unlink(path) == 0 || error_system(err, "cannot remove '%s'", path);
        }
    }
    arena_free(arena);
    return fine;
}

void train_remove_state(const char *state_path) {
    static const char *const suffixes[] = {".new.tmp", ".new", "", ".old"};
    Arena *arena = arena_new(0);
    for (int i = 0; i < COUNT_OF(suffixes); i++) unlink(arena_format(arena, "%s%s", state_path, suffixes[i]));
    arena_free(arena);
}

/* One update. Returns false if it diverged. */
static bool update(Training *training, const OptimizerOptions *optimizer,
                   const OptimizerScheduleOptions *schedule) {
    Model *model = training->model;
    TrainResult *result = training->result;
    int64_t step = result->steps + 1;
    for (int b = 0; b < training->sequences; b++)
        batch_gradient_tokens(training->step)[b] =
            batches_sequence(training->batches, (step - 1) * training->sequences + b);
    double loss = batch_gradient_run(training->step, (uint64_t)training->options->seed, step);
    TrainLog *log = &result->log[result->steps++];
    *log = (TrainLog){.step = step, .loss = loss, .norm = NAN};
    log->rate = optimizer_schedule_rate(schedule, optimizer->lr, step, train_steps(training->options));
    if (isfinite(log->loss))
        log->norm =
            optimizer_step(training->optimizer, model, batch_gradient_values(training->step), log->rate);
    return isfinite(log->norm);
}

enum { WISH_STOP = 1, WISH_SAVE = 2 }; /* of any rank */

/* Updates from result->steps on to the end, to divergence or to a stop. */
static bool train_updates(Training *training, const OptimizerOptions *optimizer,
                          const OptimizerScheduleOptions *schedule, const TrainHooks *hooks, Error *err) {
    TrainResult *result = training->result;
    int64_t steps = train_steps(training->options), before = result->steps;
    double session = 0, saved = clock_now();
    while (result->steps < steps) {
        train_session_start(&result->session);
        bool fine = update(training, optimizer, schedule);
        double now = clock_now(), seconds = train_session_stop(&result->session);
        session += seconds;
        result->seconds += seconds;
        if (!fine) {
            result->diverged = true;
            result->diverged_step = result->steps;
            return true;
        }
        double made = (double)(result->steps - before) * (double)training->options->tokens_per_step;
        bool go_on = !hooks->progress ||
                     hooks->progress(hooks->user, &result->log[result->steps - 1], steps, made / session);
        bool due = training->options->checkpoint > 0 && now - saved >= training->options->checkpoint;
        unsigned wishes = mpi_or((go_on ? 0 : WISH_STOP) | (due && mpi_rank() == 0 ? WISH_SAVE : 0));
        go_on = !(wishes & WISH_STOP);
        if (training->state_path && (wishes || result->steps == steps)) {
            if (!mpi_agree(mpi_rank() > 0 || state_write(training, err), err)) return false;
            saved = clock_now();
        }
        if (!go_on && result->steps < steps)
            return error_set(err, EXIT_STOPPED, "stopped at step %lld of %lld", (long long)result->steps,
                             (long long)steps);
    }
    return true;
}

/* What rank 0 has restored, or made, is what all go on from. */
static void share_state(Training *training) {
    TrainResult *result = training->result;
    size_t bytes = training->model->size * sizeof(float);
    mpi_broadcast(&result->steps, sizeof result->steps);
    mpi_broadcast(&result->seconds, sizeof result->seconds);
    mpi_broadcast(result->log, (size_t)result->steps * sizeof *result->log);
    mpi_broadcast(&training->optimizer->step, sizeof training->optimizer->step);
    mpi_broadcast(&training->optimizer->last_rate, sizeof training->optimizer->last_rate);
    mpi_broadcast(training->model->values, bytes);
    for (int k = 0; k < 2 && optimizer_array(training, k); k++)
        mpi_broadcast(optimizer_array(training, k), bytes);
}

bool train_run(Model *model, const Corpus *corpus, const TrainOptions *options,
               const OptimizerOptions *optimizer, const OptimizerScheduleOptions *schedule,
               const char *state_path, const char *source, const TrainHooks *hooks, TrainResult *result,
               Arena *arena, Error *err) {
    TrainHooks none = {0};
    if (!hooks) hooks = &none;
    if (!precision_check(options->precision, source, "train.precision", err)) return false;
    model->precision = options->precision;
    *result = (TrainResult){.revision = hooks->revision ? hooks->revision : "unknown",
                            .session = train_session_new(model->threads, arena),
                            .log = NEW(arena, train_steps(options), TrainLog)};
    if (!model->values) model_allocate(model, arena);
    Training training = {
        .model = model, .options = options, .state_path = state_path, .result = result, .arena = arena};
    training.run = run_identity(model, corpus, options, optimizer, schedule, arena);
    training.batches = batches_new(&corpus->splits[SPLIT_TRAIN], (int)options->length,
                                   (uint64_t)options->seed, source, arena, err);
    if (!training.batches) return false;
    Arena *session = arena_new(session_bytes(model, options, optimizer));
    training_allocate(&training, model, options, optimizer, session);
    bool restored = false;
    bool fine = !state_path || mpi_rank() > 0 || state_read(&training, hooks, &restored, err);
    fine = mpi_agree(fine, err);
    if (fine && !restored) {
        for (int k = 0; k < 2 && optimizer_array(&training, k); k++)
            memset(optimizer_array(&training, k), 0, model->size * sizeof(float));
        memset(model->values, 0, model->size * sizeof(float));
        model_init(model, (uint64_t)options->seed);
    }
    if (fine) share_state(&training);
    fine = fine && train_updates(&training, optimizer, schedule, hooks, err);
    result->tokens = result->steps * options->tokens_per_step;
    result->peak_bytes = weight_bytes(model) + arena_peak(session);
    int64_t last = (result->steps + 19) / 20;
    for (int64_t i = result->steps - last; i < result->steps; i++)
        result->final_loss += result->log[i].loss / (double)last;
    arena_free(session);
    return fine;
}
