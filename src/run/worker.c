/* worker: reads the task, trains, evaluates, and writes the result.
 *
 * A killed worker loses little: the saved state of a finished training is kept until the result file is
 * complete, and the result file is rewritten between evaluations, at intervals of SECONDS_BETWEEN_RESULTS.
 */
#include "run/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "sys/signals.h"
#include "sys/version.h"
#include "math/blas.h"
#include "math/linear.h"
#include "math/nn_ops.h"
#include "train/evaluate_examples.h"
#include "store/database.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/result_file.h"

enum { LOCK_WAIT_TENTHS = 50 };
static const double SECONDS_BETWEEN_LINES[] = {0.1, 10}; /* [shared_folder] */
static const double SECONDS_BETWEEN_RESULTS = 30;

typedef struct Worker {
    const char *folder, *result; /* result: FOLDER/result.db */
    const WorkerOptions *options;
    int threads;
    RunTask task;
    PlanPoint *point;
    Model *model;
    TrainResult training;
    bool trained_now; /* `training` has values to store */
    EvaluateResult *evaluations;
    int evaluation_count;
    int lock;     /* descriptor of the locked folder */
    bool earlier; /* with options->shared_folder: a valid result of an earlier attempt exists */
    double last_line, last_result; /* clock_now at the last line of progress and at the last result file */
    Arena *arena;
} Worker;

static volatile sig_atomic_t stop_wanted;

static void on_stop(int signal) {
    (void)signal;
    stop_wanted = 1;
}

/* Prints a line of progress. */
static void print_progress(const Worker *worker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void print_progress(const Worker *worker, const char *format, ...) {
    char line[1200]; /* an Error and the text around it */
    if (mpi_rank() > 0) return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (worker->options->take)
        worker->options->take(worker->options->user, line);
    else
        escape_line(stdout, "%s", line);
}

/* --- the task --- */

bool worker_assign(const char *folder, const Config *config, const RunTask *task, Error *err) {
    Arena *arena = arena_new(0);
    Json *root = run_task_json(task, arena);
    bool fine = file_write(arena_format(arena, "%s/config.json", folder), config->resolved, arena, err) &&
                file_write(arena_format(arena, "%s/requests.json", folder), json_print_pretty(root, arena),
                           arena, err);
    arena_free(arena);
    return fine;
}

/* Parses a text of the options, or if it is NULL a file of the run folder. *source is its name for errors. */
static Json *read_json(const Worker *worker, const char *given, const char *file, const char **source,
                       Error *err) {
    const char *path = arena_format(worker->arena, "%s/%s", worker->folder, file);
    *source = given ? worker->options->source : arena_format(worker->arena, "'%s'", path);
    return given ? json_parse(given, strlen(given), *source, worker->arena, err)
                 : file_read_json(path, *source, worker->arena, err);
}

static bool read_task(Worker *worker, Error *err) {
    const char *source;
    Json *root = read_json(worker, worker->options->task, "requests.json", &source, err);
    if (!root) return false;
    source = arena_format(worker->arena, "task %s", source);
    return run_task_read(&worker->task, root, source, worker->arena, err);
}

/* Plans an experiment whose only point is that of config.json. */
static bool read_point(Worker *worker, Error *err) {
    const char *source;
    Json *json = read_json(worker, worker->options->config, "config.json", &source, err);
    if (!json) return false;
    source = arena_format(worker->arena, "config %s", source);
    const char *text = json_print(json, worker->arena);
    Config *config = config_parse(text, source, worker->arena, err);
    if (!config) return false;
    Experiment *experiment = NEW(worker->arena, 1, Experiment);
    *experiment = (Experiment){
        .name = config->name, .source = text, .directory = worker->folder, .points = config, .count = 1};
    Plan *plan = plan_make(experiment, worker->threads, worker->arena, err);
    if (!plan) return false;
    worker->point = &plan->points[0];
    return strcmp(worker->point->key, worker->task.key) == 0 ||
           error_set(
               err, EXIT_USAGE,
               "%s: config or corpus changed since the run was planned (%s is now %s); rerun the command",
               source, worker->task.key, worker->point->key);
}

/* --- training --- */

bool worker_write_model(const char *path, const Model *model, const char *key, const char *resolved,
                        const char *corpus_hash, const char *files, Error *err) {
    Arena *arena = arena_new(0);
    SafetensorsFile file;
    train_state_list_tensors(model, &file, arena);
    file.metadata = json_new_object(arena);
    json_set_text(file.metadata, "format", "poslab model 1");
    json_set_text(file.metadata, "key", key);
    json_set_text(file.metadata, "config", resolved);
    json_set_text(file.metadata, "corpus", corpus_hash);
    json_set_text(file.metadata, "revision", version_revision());
    json_set_text(file.metadata, "method_files", files);
    bool fine = safetensors_write(path, &file, err);
    arena_free(arena);
    return fine;
}

static bool load_model(Worker *worker, const char *path, Error *why) {
    SafetensorsFile file;
    if (access(path, F_OK) != 0)
        return error_set(why, EXIT_DAMAGED, "no weights in '%s'; %s", worker->folder,
                         worker->task.imported ? "`poslab import` restores imported weights"
                                               : "`poslab run` trains the run again");
    Arena *arena = arena_new(0);
    bool fine = safetensors_read_weights(path, worker->task.key, &file, arena, why) &&
                train_state_load_tensors(worker->model, &file, path, why);
    arena_free(arena);
    return fine;
}

static bool on_step(void *user, const TrainLog *log, int64_t steps, double tokens_per_second,
                    const EvaluateAccuracy *accuracy) {
    Worker *worker = user;
    double now = clock_now();
    if (now - worker->last_line >= SECONDS_BETWEEN_LINES[worker->options->shared_folder] ||
        log->step == steps) {
        char exact[32] = "";
        if (accuracy) snprintf(exact, sizeof exact, " %.4f", accuracy->exact);
        print_progress(worker, "step %lld %lld %.4f %.1f%s", (long long)log->step, (long long)steps,
                       log->loss, tokens_per_second, exact);
        worker->last_line = now;
    }
    return !stop_wanted;
}

static void on_note(void *user, const char *message) {
    print_progress(user, "note %s", message);
}

static const char *state_path(const Worker *worker) {
    return arena_format(worker->arena, "%s/state.safetensors", worker->folder);
}

bool worker_write_vocabulary(const char *folder, const Corpus *corpus, Arena *arena, Error *err) {
    const Tokenizer *tokenizer = corpus->tokenizer;
    if (!tokenizer || !tokenizer->dictionary) return true;
    return file_write(arena_format(arena, "%s/vocabulary.txt", folder), tokenizer->dictionary, arena, err);
}

static bool train(Worker *worker, const char *model_path, Error *err) {
    const Config *config = worker->point->config;
    if (!mpi_agree(mpi_rank() > 0 ||
                       worker_write_vocabulary(worker->folder, worker->point->corpus, worker->arena, err),
                   err))
        return false;
    const TrainTask task = {.key = worker->point->key,
                            .corpus = worker->point->corpus,
                            .options = &config->train,
                            .optimizer = &config->optimizer,
                            .schedule = &config->schedule,
                            .from_path = worker->task.from,
                            .state_path = state_path(worker),
                            .log_path = run_folder_log(worker->folder, worker->arena),
                            .source = config->source,
                            .revision = version_revision(),
                            .shared = version_shared(),
                            .progress = on_step,
                            .note = on_note,
                            .user = worker};
    worker->trained_now = train_run(worker->model, &task, &worker->training, worker->arena, err);
    if (!worker->trained_now) return false;
    return worker->training.diverged ||
           mpi_agree(mpi_rank() > 0 ||
                         worker_write_model(model_path, worker->model, worker->point->key, config->resolved,
                                            worker->point->corpus->hash, worker->training.files, err),
                     err);
}

/* --- evaluations and result --- */

/* Removes the evaluations that an earlier result file has from the task. *done: nothing is missing. */
static bool use_earlier_result(Worker *worker, bool *done, Error *err) {
    RunTask *task = &worker->task;
    ResultFile earlier = {.known = NEW(worker->arena, task->request_count, bool)};
    if (!mpi_agree(mpi_rank() > 0 || result_file_read(&earlier, worker->result, task, worker->arena, err),
                   err))
        return false;
    if (earlier.damaged) print_progress(worker, "note '%s' is damaged and is made again", worker->result);
    bool *known = earlier.known;
    mpi_broadcast(known, (size_t)task->request_count * sizeof *known);
    mpi_broadcast(&earlier, sizeof earlier);
    int left = 0;
    for (int i = 0; i < task->request_count; i++)
        if (!known[i]) task->requests[left++] = task->requests[i];
    task->request_count = left;
    task->trained |= earlier.trained;
    worker->earlier = earlier.sound;
    *done = earlier.done;
    return true;
}

static bool write_record(Worker *worker, Error *err) {
    RunRecord record = {.point = worker->point,
                        .status = RUN_DONE,
                        .training = worker->trained_now ? &worker->training : NULL,
                        .evaluations = worker->evaluations,
                        .evaluation_count = worker->evaluation_count,
                        .threads = worker->threads};
    if (worker->training.diverged) {
        record.status = RUN_DIVERGED;
        record.reason =
            arena_format(worker->arena, "the loss or the gradient was not finite at step %lld of %lld",
                         (long long)worker->training.diverged_step, (long long)worker->point->steps);
    }
    worker->last_result = clock_now();
    return worker->options->shared_folder
               ? result_file_write(worker->result, &record, worker->earlier, worker->arena, err)
               : runs_write_result(worker->result, &record, err);
}

static bool write_result(Worker *worker, Error *err) {
    return mpi_agree(mpi_rank() > 0 || write_record(worker, err), err);
}

static bool on_share(void *user, double share) {
    Worker *worker = user;
    double now = clock_now();
    if (now - worker->last_line >= SECONDS_BETWEEN_LINES[worker->options->shared_folder] || share >= 1) {
        print_progress(worker, "evaluate %d %d %.4f", worker->evaluation_count + 1,
                       worker->task.request_count, share);
        worker->last_line = now;
    }
    return !stop_wanted;
}

static bool evaluate(Worker *worker, Error *err) {
    Arena *scratch = arena_new(0);
    bool fine = true;
    for (int i = 0; i < worker->task.request_count && fine; i++) {
        const EvaluateRequest *request = &worker->task.requests[i];
        const Model *model = worker->model;
        if (request->variant)
            model = config_variant(worker->point->config, model, request->variant, worker->arena, err);
        const Corpus *corpus = worker->point->corpus;
        EvaluateResult *result = &worker->evaluations[i];
        fine = model && (corpus->examples ? evaluate_examples_run(model, corpus->examples, request, on_share,
                                                                  worker, result, worker->arena, scratch, err)
                                          : evaluate_run(model, corpus, request, on_share, worker, result,
                                                         worker->arena, scratch, err));
        if (!fine) break;
        result->method_files = encoding_files(&model->position, worker->arena);
        worker->evaluation_count++;
        bool due = mpi_rank() == 0 && clock_now() - worker->last_result > SECONDS_BETWEEN_RESULTS;
        if (mpi_or(due)) fine = write_result(worker, err);
    }
    Error later;
    if (!fine && err->code == EXIT_STOPPED && !write_result(worker, &later)) *err = later;
    arena_free(scratch);
    return fine;
}

bool worker_check(const RunTask *task, const Config *config, Error *err) {
    if (!task->trained && !precision_check(config->train.precision, config->source, "train.precision", err))
        return false;
    for (int i = 0; i < task->request_count; i++) {
        const EvaluateRequest *request = &task->requests[i];
        if (!precision_check(request->precision, config->source, "evaluate.precision", err)) return false;
        if (request->hint && (!config->data.task || examples_hint(config->data.task, request->hint) < 0))
            return error_set(err, EXIT_USAGE, "%s: 'requests.hint': the task has no hint '%s'",
                             config->source, request->hint);
    }
    return true;
}

/* Locks the run folder. A worker that was just killed may need a moment to end, so this waits. In a shared
   folder it waits without limit: a worker that the scheduler wrongly reported as dead may run for hours. */
static bool lock_folder(Worker *worker, Error *err) {
    const char *folder = worker->folder;
    int directory = worker->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return error_system(err, "cannot open run folder '%s'", folder);
    for (int i = 0; flock(directory, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK) return error_system(err, "cannot lock '%s'", folder);
        if (i == LOCK_WAIT_TENTHS && !worker->options->shared_folder)
            return error_set(err, EXIT_SYSTEM, "another worker is using '%s'", folder);
        if (i == LOCK_WAIT_TENTHS)
            print_progress(worker, "note another worker is using '%s'; waiting for it", folder);
        if (stop_wanted)
            return error_set(err, EXIT_STOPPED, "stopped while another worker was busy in '%s'", folder);
        usleep(100000);
    }
    return true;
}

static bool train_and_evaluate(Worker *worker, Error *err) {
    const Config *config = worker->point->config;
    const char *model_path = arena_format(worker->arena, "%s/model.safetensors", worker->folder);
    worker->model = model_new(&config->model, &config->position, (int)config->train.length, worker->arena);
    model_allocate(worker->model, worker->arena);
    worker->model->threads = worker->threads;
    worker->model->seed = (uint64_t)config->train.seed;
    worker->model->given_positions = examples_give_positions(config->data.task);
    worker->evaluations = NEW(worker->arena, worker->task.request_count, EvaluateResult);
    worker->last_result = clock_now();
    bool loaded = worker->task.trained && mpi_agree(load_model(worker, model_path, err), err);
    if (worker->task.trained && !loaded) {
        if (worker->task.evaluate_only || worker->task.imported) return false;
        print_progress(worker, "note %s; training again", err->text);
    }
    if (!loaded && !train(worker, model_path, err)) return false;
    if (!worker->training.diverged && !evaluate(worker, err)) return false;
    if (!write_result(worker, err)) return false;
    if (mpi_rank() == 0) train_state_remove(state_path(worker));
    return true;
}

static bool work(Worker *worker, Error *err) {
    bool done = false;
    if (!mpi_agree(blas_reserve(worker->threads, err), err) ||
        !mpi_agree(mpi_rank() > 0 || lock_folder(worker, err), err) ||
        !mpi_agree(read_task(worker, err) && read_point(worker, err), err) ||
        (worker->options->shared_folder && !use_earlier_result(worker, &done, err)))
        return false;
    if (done) print_progress(worker, "note nothing is missing");
    return done || train_and_evaluate(worker, err);
}

void worker_begin(void) {
    signals_handle((const int[]){SIGINT, SIGTERM, SIGHUP, SIGUSR1, 0}, on_stop, SA_RESTART);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

ExitCode worker_run(const char *folder, int threads, const WorkerOptions *options, Error *err) {
    worker_begin();
    Worker worker = {.folder = folder,
                     .options = options ? options : &(WorkerOptions){0},
                     .threads = threads,
                     .lock = -1,
                     .arena = arena_new(0)};
    worker.result = arena_format(worker.arena, "%s/result.db", folder);
    bool fine = work(&worker, err);
    if (worker.lock >= 0) close(worker.lock);
    arena_free(worker.arena);
    return fine ? EXIT_DONE : err->code;
}

/* --- one run after the other, on all ranks --- */

typedef struct Call {
    ExitCode code;
    char folder[4096]; /* "": worker_dismiss was called */
} Call;

ExitCode worker_call(const char *folder, int threads, const WorkerOptions *options, Error *err) {
    Call call = {0};
    if (snprintf(call.folder, sizeof call.folder, "%s", folder) >= (int)sizeof call.folder)
        return error_set(err, EXIT_USAGE, "the path of run folder '%.100s...' is too long", folder),
               err->code;
    mpi_broadcast(&call, sizeof call);
    return worker_run(folder, threads, options, err);
}

ExitCode worker_dismiss(ExitCode code) {
    Call call = {.code = code};
    mpi_broadcast(&call, sizeof call);
    return code;
}

ExitCode worker_serve(int threads) {
    Error err;
    for (Call call;;) {
        mpi_broadcast(&call, sizeof call);
        if (!*call.folder) return call.code;
        worker_run(call.folder, threads, NULL, &err);
    }
}
