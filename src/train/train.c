/* train: the loop of updates.
 *
 * Update t uses sequences (t-1) n .. t n - 1 of the batches, with n = tokens_per_step / length and t counted
 * from the first update at this length. The state is saved at intervals, when training is stopped, and at its
 * end. The model grows at the first update of a stage with more layers, so a state that was saved at the end
 * of the stage before has not grown yet.
 *
 * A cache is empty at the first update of an epoch and of a stage, so the number of an update determines how
 * many rows the cache has.
 */
#include "train/train.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "sys/mpi.h"
#include "math/linear.h"
#include "data/batches.h"
#include "train/batch_gradient.h"

enum { ACCURACY_EXAMPLES = 512, ACCURACY_LOOKS = 20 };

/* One session of training. */
typedef struct Training {
    const TrainTask *task;
    TrainState state;
    TrainStage stage; /* of the next update */
    Model model;      /* of the stage */
    Cache cache;      /* of the stage */
    BatchGradient *step;
    int cached;       /* the cached rows of each sequence for which `step` was allocated */
    Batches *batches; /* of the stage; NULL: no stage has been entered yet */
    Arena *data;      /* owns `batches` */
    Arena *memory;    /* owns the optimizer and, after `mark`, `step` */
    ArenaMark mark;
    TrainLogFile log;
    EvaluateAccuracy accuracy;
    bool looked; /* accuracy is known */
} Training;

Model train_stage_model(const Model *model, const TrainOptions *options, const TrainStage *stage) {
    return model_part(model, train_stage_layers(options, stage, model->shape.layers));
}

Cache train_cache(const Model *model, const TrainOptions *options, const TrainStage *stage) {
    return (Cache){.layers = train_stage_layers(options, stage, model->shape.layers),
                   .sequences = stage->sequences,
                   .capacity = (int)options->cache,
                   .width = model->shape.width,
                   .count = (int)options->cache};
}

/* Floats of the largest cache of all stages. */
static size_t cache_size(const Model *model, const TrainOptions *options) {
    size_t most = 0;
    for (int i = 0; i < train_stage_count(options); i++) {
        TrainStage stage = train_stage(options, i);
        Cache cache = train_cache(model, options, &stage);
        size_t size = cache_floats(&cache);
        if (size > most) most = size;
    }
    return most;
}

static BatchGradient *stage_allocate(const Model *model, const TrainStage *stage, const Cache *cache,
                                     Arena *arena) {
    return batch_gradient_new(model, cache->capacity ? cache : NULL, stage->sequences, stage->length, arena);
}

/* Allocates the memory of training except the weights: the optimizer, the cache, then the memory of each
   stage in turn. So if the memory of a later stage does not fit, training fails before it starts. With a
   counting arena only the count is valid. */
static Optimizer *session_allocate(const Model *model, const TrainOptions *options,
                                   const OptimizerOptions *optimizer, float **cache, Arena *arena) {
    Optimizer *made = optimizer_new(optimizer, model, arena);
    *cache = options->cache ? NEW(arena, cache_size(model, options), float) : NULL;
    ArenaMark mark = arena_mark(arena);
    for (int i = 0; i < train_stage_count(options); i++) {
        TrainStage stage = train_stage(options, i);
        Cache full = train_cache(model, options, &stage);
        Model part = train_stage_model(model, options, &stage);
        stage_allocate(&part, &stage, &full, arena);
        arena_release(arena, mark);
    }
    return made;
}

static size_t weight_bytes(const Model *model) {
    Arena *count = arena_new_counting();
    Model copy = *model;
    model_allocate(&copy, count);
    return arena_counted(count);
}

static size_t session_bytes(const Model *model, const TrainOptions *options,
                            const OptimizerOptions *optimizer) {
    Arena *count = arena_new_counting();
    float *cache;
    session_allocate(model, options, optimizer, &cache, count);
    return arena_counted(count);
}

size_t train_bytes(const Model *model, const TrainOptions *options, const OptimizerOptions *optimizer) {
    Model copy = *model;
    copy.precision = options->precision;
    return weight_bytes(model) + session_bytes(&copy, options, optimizer);
}

/* Allocates the memory of the next update if the stage has changed (`entered`) or the number of cached rows
   differs. */
static void enter_update(Training *training, const TrainStage *stage, bool entered) {
    const TrainState *state = &training->state;
    int64_t cached = 0;
    if (training->cache.capacity) {
        int64_t updates = (state->steps - stage->item_first) % batches_epoch_updates(training->batches);
        if (updates > state->steps - stage->first) updates = state->steps - stage->first;
        cached = updates * stage->length;
        if (cached > training->cache.capacity) cached = training->cache.capacity;
    }
    if (!entered && cached == training->cached) return;
    training->cache.count = training->cached = (int)cached;
    arena_release(training->memory, training->mark);
    training->step = stage_allocate(&training->model, stage, &training->cache, training->memory);
}

/* Grows the model if the next update is the first with more blocks. */
static void grow(Training *training, const TrainStage *stage) {
    const TrainOptions *options = training->task->options;
    TrainState *state = &training->state;
    int layers = train_stage_layers(options, stage, state->model->shape.layers);
    bool first = stage->index && state->steps == stage->first;
    if (first && train_stage(options, stage->index - 1).blocks < stage->blocks)
        growth_step(&options->growth, state->model, state->optimizer, layers - (int)options->growth.block,
                    (uint64_t)options->seed);
    training->model = train_stage_model(state->model, options, stage);
}

/* Prepares the next update. If it begins a stage, or is the first of this session, makes the model, the
   batches and the memory of its stage. */
static bool enter_stage(Training *training, Error *err) {
    const TrainTask *task = training->task;
    const TrainState *state = &training->state;
    TrainStage stage = train_stage_at(task->options, state->steps + 1);
    if (training->batches && stage.index == training->stage.index) {
        enter_update(training, &stage, false);
        return true;
    }
    arena_free(training->data);
    training->data = arena_new(0);
    training->stage = stage;
    grow(training, &stage);
    training->cache = train_cache(state->model, task->options, &stage);
    training->cache.rows = state->cache;
    training->batches =
        batches_of(task->corpus, stage.length, stage.sequences, train_in_order(task->options),
                   (uint64_t)task->options->seed, stage.item, task->source, training->data, err);
    if (!training->batches) return false;
    enter_update(training, &stage, true);
    if (task->note && train_stage_count(task->options) > 1)
        task->note(task->user, arena_format(training->data, "stage %d of %d: %s to step %lld",
                                            stage.index + 1, train_stage_count(task->options),
                                            train_stage_text(task->options, &stage, training->data),
                                            (long long)(stage.first + stage.updates)));
    return true;
}

/* Copies the cached rows of all ranks to all ranks, because rank 0 saves them. */
static void gather_cache(Training *training) {
    const Cache *cache = &training->cache;
    if (!cache->capacity || mpi_ranks() == 1) return;
    Arena *arena = arena_new(0);
    size_t row = (size_t)cache->capacity * (size_t)cache->width, layer = row * (size_t)cache->sequences;
    float *all = NEW(arena, layer * (size_t)mpi_ranks(), float);
    for (int l = 0; l < cache->layers; l++) {
        memcpy(all + layer * (size_t)mpi_rank(), cache_rows(cache, l, 0), layer * sizeof *all);
        mpi_gather_parts(all, layer);
        for (int b = 0; b < cache->sequences; b++)
            memcpy(cache_rows(cache, l, b),
                   all + layer * (size_t)batch_gradient_rank(training->step, b) + row * (size_t)b,
                   row * sizeof *all);
    }
    arena_free(arena);
}

/* Makes one update. Returns false if the loss or the gradient norm is not finite. */
static bool update(Training *training) {
    const TrainTask *task = training->task;
    const TrainStage *stage = &training->stage;
    TrainState *state = &training->state;
    int64_t step = state->steps + 1, before = (step - 1 - stage->item_first) * stage->sequences;
    for (int b = 0; b < stage->sequences; b++)
        batch_gradient_set(training->step, b, batches_sequence(training->batches, before + b));
    double loss = batch_gradient_run(training->step, (uint64_t)task->options->seed, step);
    TrainLog *log = &state->log[state->steps++];
    *log = (TrainLog){.step = step, .loss = loss, .norm = NAN};
    log->rate = optimizer_schedule_rate(task->schedule, task->optimizer->lr, step, state->total);
    if (isfinite(log->loss))
        log->norm = optimizer_step(state->optimizer, &training->model, batch_gradient_values(training->step),
                                   log->rate);
    return isfinite(log->norm);
}

enum { WISH_STOP = 1, WISH_SAVE = 2 }; /* bits, combined over ranks */

/* Computes the accuracy of a task, if due after this update: at the intervals of `until`, or else some
   ACCURACY_LOOKS times in all, for progress. Returns whether training ends: with `until`, when the whole
   model answers enough examples. Only the weights decide, so a resumed run ends at the same update. */
static bool has_learnt(Training *training) {
    const TrainTask *task = training->task;
    const TrainOptions *options = task->options;
    const Examples *examples = task->corpus->examples;
    const TrainState *state = &training->state;
    int64_t shown = state->total / ACCURACY_LOOKS, every = options->until_updates;
    if (!every) every = shown > 0 ? shown : 1;
    bool wanted = options->until_updates || task->progress;
    if (!examples || !wanted || state->steps == 0 || state->steps % every) return false;
    const TrainStage stage = train_stage_at(options, state->steps);
    const Model model = train_stage_model(state->model, options, &stage);
    training->accuracy = evaluate_examples_trained(&model, examples, ACCURACY_EXAMPLES);
    training->looked = true;
    return options->until_updates && model.shape.layers == state->model->shape.layers &&
           training->accuracy.exact >= options->until_exact;
}

/* Makes updates until the last one, divergence, a stop, or the accuracy of `until`. */
static bool train_updates(Training *training, bool *diverged, bool *learnt, Error *err) {
    const TrainTask *task = training->task;
    TrainState *state = &training->state;
    int64_t steps = state->total, before = state->steps;
    double session = 0, saved = clock_now();
    while (state->steps < steps && !(*learnt = has_learnt(training))) {
        if (!enter_stage(training, err)) return false;
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
            gather_cache(training);
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

/* Opens train.jsonl. If that fails, training continues without it. */
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

/* Sets the weights before the first update. */
static bool start(TrainState *state, const TrainTask *task, Arena *arena, Error *err) {
    const char *key = task->options->from, *path = task->from_path;
    train_state_start(state, (uint64_t)task->options->seed);
    if (!key || mpi_rank() > 0) return true;
    if (!path)
        return error_set(err, EXIT_USAGE,
                         "%s: 'train.from': the weights of run %s were not found; "
                         "train that run in this database first",
                         task->source, key);
    if (!train_state_continue(state, path, key, task->source, arena, err)) return false;
    if (task->note) task->note(task->user, arena_format(arena, "starting with the weights of run %s", key));
    return true;
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
                          .files = state->files,
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
                          .files = encoding_files(&model->position, arena),
                          .shared = task->shared,
                          .session = train_session_new(model->threads, arena)};
    Arena *memory = training.memory = arena_new(session_bytes(model, options, task->optimizer));
    state->optimizer = session_allocate(model, options, task->optimizer, &state->cache, memory);
    state->cache_size = state->cache ? cache_size(model, options) : 0;
    training.mark = arena_mark(memory);
    bool restored = false, diverged = false, learnt = false;
    bool fine = !task->state_path || mpi_rank() > 0 ||
                train_state_read(state, task->state_path, task->note, task->user, &restored, arena, err);
    fine = mpi_agree(fine, err);
    if (fine && !restored) fine = start(state, task, arena, err);
    fine = mpi_agree(fine, err) && model_freeze(model, options->frozen, task->source, err);
    if (fine) train_state_share(state);
    if (fine) open_log(&training, arena);
    fine = fine && train_updates(&training, &diverged, &learnt, err);
    train_log_close(&training.log);
    if (fine && learnt && task->note && mpi_rank() == 0)
        task->note(task->user,
                   arena_format(arena, "the trained sizes are learnt; training ended at step %lld of %lld",
                                (long long)state->steps, (long long)state->total));
    *result = make_result(state, options, diverged, learnt);
    result->peak_bytes = weight_bytes(model) + arena_peak(memory);
    arena_free(training.data);
    arena_free(memory);
    return fine;
}
