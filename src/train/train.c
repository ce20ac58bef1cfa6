/* train: the loop of updates, which saves its state at intervals, when stopped and at the end. The gradient
   of an update is computed in train/batch_gradient.c, saved states in train/train_state.c. */
#include "train/train.h"

#include <math.h>

#include "base/clock.h"
#include "sys/mpi.h"
#include "math/linear.h"
#include "data/batches.h"
#include "train/batch_gradient.h"

const OptionField train_fields[] = {
    {"length", OPTION_INT, offsetof(TrainOptions, length), .default_value = 128, .low = 1, .high = 1 << 20,
     .help = "tokens of a training sequence"},
    {"tokens", OPTION_INT, offsetof(TrainOptions, tokens), .default_value = 1e6, .low = 1, .high = 1e15,
     .help = "tokens to train on in total"},
    {"tokens_per_step", OPTION_INT, offsetof(TrainOptions, tokens_per_step), .default_value = 4096, .low = 1,
     .high = 1e9, .help = "tokens of one update; a multiple of the length"},
    {"precision", OPTION_CHOICE, offsetof(TrainOptions, precision), .choices = precision_names,
     .help =
         "precision of the inputs of matrix products in linear layers; bf16 needs a CPU with AVX-512 BF16 "
         "or AMX"},
    {"seed", OPTION_INT, offsetof(TrainOptions, seed), .default_value = 1, .low = 0,
     .high = 9007199254740992.0, .help = "seed of initial weights, batches and dropout"},
    {"checkpoint", OPTION_REAL, offsetof(TrainOptions, checkpoint), .default_value = 60, .low = 0,
     .high = 1e9, .help = "seconds between saved states; 0: only when stopped and at the end"},
};
const int train_field_count = COUNT_OF(train_fields);

const OptionField train_until_fields[] = {
    {"exact", OPTION_REAL, offsetof(TrainOptions, until_exact), .default_value = 0.99, .low = 1e-3, .high = 1,
     .help = "training ends when this share of the examples of the trained sizes is answered"},
    {"updates", OPTION_INT, offsetof(TrainOptions, until_updates), .default_value = 500, .low = 1,
     .high = 1e9, .help = "updates between two measurements of that share"},
};
const OptionSection train_until_section = {"train.until",
                                           "When training on a task ends early; without this section, never",
                                           train_until_fields, COUNT_OF(train_until_fields), NULL};

static const OptionPart train_parts[] = {{.key = "optimizer"}, {.key = "schedule"}, {.key = "until"}, {0}};
const OptionSection train_section = {"train", "The length, the amount and the randomness of training",
                                     train_fields, COUNT_OF(train_fields), train_parts};

enum { ACCURACY_EXAMPLES = 512, ACCURACY_LOOKS = 20 };

/* The memory of one session of training. */
typedef struct Training {
    const TrainTask *task;
    TrainState state;
    BatchGradient *step;
    Batches *batches;
    TrainLogFile log;
    int sequences; /* per update */
    EvaluateAccuracy accuracy;
    bool looked; /* accuracy is known */
} Training;

int64_t train_steps(const TrainOptions *options) {
    int64_t steps = llround((double)options->tokens / (double)options->tokens_per_step);
    return steps > 0 ? steps : 1;
}

int train_sequences(const TrainOptions *options) {
    return (int)(options->tokens_per_step / options->length);
}

bool train_check(const TrainOptions *options, const char *source, Error *err) {
    int64_t length = options->length, rest = options->tokens_per_step % length;
    int64_t next = options->tokens_per_step - rest + length;
    if (!rest) return true;
    return error_set(err, EXIT_USAGE,
                     "%s: 'train.tokens_per_step' must be a multiple of 'train.length' (%lld), got %lld; use "
                     "for example %lld",
                     source, (long long)length, (long long)options->tokens_per_step, (long long)next);
}

/* Allocates what training needs besides the weights; with a counting arena only the count is valid. */
static void training_allocate(Training *training, const Model *model, const TrainOptions *options,
                              const OptimizerOptions *optimizer, Arena *arena) {
    training->sequences = train_sequences(options);
    training->state.optimizer = optimizer_new(optimizer, model, arena);
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

/* One update. Returns false if it diverged. */
static bool update(Training *training) {
    const TrainTask *task = training->task;
    TrainState *state = &training->state;
    int64_t step = state->steps + 1;
    for (int b = 0; b < training->sequences; b++)
        batch_gradient_set(training->step, b,
                           batches_sequence(training->batches, (step - 1) * training->sequences + b));
    double loss = batch_gradient_run(training->step, (uint64_t)task->options->seed, step);
    TrainLog *log = &state->log[state->steps++];
    *log = (TrainLog){.step = step, .loss = loss, .norm = NAN};
    log->rate = optimizer_schedule_rate(task->schedule, task->optimizer->lr, step, state->total);
    if (isfinite(log->loss))
        log->norm =
            optimizer_step(state->optimizer, state->model, batch_gradient_values(training->step), log->rate);
    return isfinite(log->norm);
}

enum { WISH_STOP = 1, WISH_SAVE = 2 }; /* combined over ranks */

/* Computes the accuracy of a task if that is due after this update: for `until`, else for progress alone.
   Returns whether training ends. */
static bool has_learnt(Training *training) {
    const TrainTask *task = training->task;
    const TrainOptions *options = task->options;
    const Examples *examples = task->corpus->examples;
    const TrainState *state = &training->state;
    int64_t shown = state->total / ACCURACY_LOOKS, every = options->until_updates;
    if (!every) every = shown > 0 ? shown : 1;
    bool wanted = options->until_updates || task->progress;
    if (!examples || !wanted || state->steps == 0 || state->steps % every) return false;
    training->accuracy = evaluate_examples_trained(state->model, examples, ACCURACY_EXAMPLES);
    training->looked = true;
    return options->until_updates && training->accuracy.exact >= options->until_exact;
}

/* Performs the updates from state.steps on, until the end, divergence or a stop. */
static bool train_updates(Training *training, bool *diverged, bool *learnt, Error *err) {
    const TrainTask *task = training->task;
    TrainState *state = &training->state;
    int64_t steps = state->total, before = state->steps;
    double session = 0, saved = clock_now();
    while (state->steps < steps && !(*learnt = has_learnt(training))) {
        train_session_start(&state->session);
        *diverged = !update(training);
        double now = clock_now(), seconds = train_session_stop(&state->session);
        session += seconds;
        state->seconds += seconds;
        train_log_add(&training->log, &state->log[state->steps - 1], state->seconds);
        if (*diverged) return true;
        double made = (double)(state->steps - before) * (double)task->options->tokens_per_step;
        bool go_on =
            !task->progress || task->progress(task->user, &state->log[state->steps - 1], steps,
                                              made / session, training->looked ? &training->accuracy : NULL);
        bool due = task->options->checkpoint > 0 && now - saved >= task->options->checkpoint;
        unsigned wishes = mpi_or((go_on ? 0 : WISH_STOP) | (due && mpi_rank() == 0 ? WISH_SAVE : 0));
        go_on = !(wishes & WISH_STOP);
        if (task->state_path && (wishes || state->steps == steps)) {
            train_log_flush(&training->log);
            bool fine = mpi_rank() > 0 || train_state_write(state, task->state_path, err);
            if (!mpi_agree(fine, err)) return false;
            saved = clock_now();
        }
        if (!go_on && state->steps < steps)
            return error_set(err, EXIT_STOPPED, "stopped at step %lld of %lld", (long long)state->steps,
                             (long long)steps);
    }
    if (!*learnt || !task->state_path) return true;
    return mpi_agree(mpi_rank() > 0 || train_state_write(state, task->state_path, err), err);
}

/* Training continues without the file if it cannot be written. */
static void open_log(Training *training, Arena *arena) {
    const TrainTask *task = training->task;
    const TrainState *state = &training->state;
    Error err;
    if (!task->log_path || mpi_rank() > 0 ||
        train_log_open(&training->log, task->log_path, state->log, state->steps, state->total,
                       task->options->tokens_per_step, &err))
        return;
    if (task->note) task->note(task->user, arena_format(arena, "%s; the updates are not logged", err.text));
}

static TrainResult make_result(const TrainState *state, const TrainOptions *options, bool diverged,
                               bool learnt) {
    TrainResult result = {.diverged = diverged,
                          .diverged_step = diverged ? state->steps : 0,
                          .until_step = learnt ? state->steps : 0,
                          .steps = state->steps,
                          .tokens = state->steps * options->tokens_per_step,
                          .seconds = state->seconds,
                          .session = state->session,
                          .revision = state->revision,
                          .shared = state->shared,
                          .log = state->log};
    int64_t last = (state->steps + 19) / 20;
    for (int64_t i = state->steps - last; i < state->steps; i++)
        result.final_loss += state->log[i].loss / (double)last;
    return result;
}

bool train_run(Model *model, const TrainTask *task, TrainResult *result, Arena *arena, Error *err) {
    const TrainOptions *options = task->options;
    *result = (TrainResult){0};
    if (!precision_check(options->precision, task->source, "train.precision", err)) return false;
    model->precision = options->precision;
    if (!model->values) model_allocate(model, arena);
    Training training = {.task = task, .log.fd = -1};
    TrainState *state = &training.state;
    *state = (TrainState){.key = task->key,
                          .model = model,
                          .total = train_steps(options),
                          .log = NEW(arena, train_steps(options), TrainLog),
                          .revision = task->revision ? task->revision : "unknown",
                          .shared = task->shared,
                          .session = train_session_new(model->threads, arena)};
    training.batches = batches_of(task->corpus, (int)options->length, train_sequences(options),
                                  (uint64_t)options->seed, task->source, arena, err);
    if (!training.batches) return false;
    Arena *session = arena_new(session_bytes(model, options, task->optimizer));
    training_allocate(&training, model, options, task->optimizer, session);
    bool restored = false, diverged = false, learnt = false;
    bool fine = !task->state_path || mpi_rank() > 0 ||
                train_state_read(state, task->state_path, task->note, task->user, &restored, arena, err);
    fine = mpi_agree(fine, err);
    if (fine && !restored) train_state_start(state, (uint64_t)options->seed);
    if (fine) train_state_share(state);
    if (fine) open_log(&training, arena);
    fine = fine && train_updates(&training, &diverged, &learnt, err);
    train_log_close(&training.log);
    *result = make_result(state, options, diverged, learnt);
    result->peak_bytes = weight_bytes(model) + arena_peak(session);
    arena_free(session);
    return fine;
}
