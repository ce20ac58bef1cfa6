/* sweep: sweep_run makes one Job for each point that lacks something and then loops: handle signals, start
 * workers in free slots, wait for output, import the results of workers that ended. Only the parent writes
 * to the database.
 */
#include "run/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/atomic_file.h"
#include "sys/lock.h"
#include "sys/mpi.h"
#include "sys/signals.h"
#include "sys/version.h"
#include "experiment/plan_memory.h"
#include "experiment/run_label.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/progress.h"
#include "run/run_task.h"
#include "run/worker.h"
#include "run/worker_process.h"

typedef struct Job {
    const PlanPoint *point;
    const char *label, *folder;
    RunTask task;
    bool retrain;         /* what is there of it goes before it begins */
    int attempts;         /* that have ended */
    double last_progress; /* when its worker last made progress */
    bool timed_out;       /* it was killed for making none */
    WorkerProcess child;
} Job;

typedef struct Sweep {
    const Plan *plan;
    const SweepOptions *options;
    const char *database;
    const char *program; /* this very binary, even if the file is replaced meanwhile */
    Database *store;
    Progress *progress;
    Job *jobs; /* [count], in the order of the points */
    int count, next;
    Job **slots;                         /* [options->jobs] the running ones, or NULL */
    int running, failed, diverged, left; /* left: stopped, or never started */
    int others;                          /* of only_failed: runs that are missing but have not failed */
    int changed;                         /* trained by another revision, and not to be trained anew */
    int untrained;                       /* of evaluate_only: runs that have no weights yet */
    bool stopping, killing;
    const char *refused; /* by the system: why a run could not be written, or NULL */
    Error fatal;         /* code EXIT_DONE: none */
    Arena *arena;
} Sweep;

static volatile sig_atomic_t signals, last_signal = SIGTERM;

static void on_signal(int signal) {
    last_signal = signal;
    signals++;
}

/* --- what is missing --- */

/* Adds a job for the point if it lacks something. */
static void plan_job(Sweep *sweep, const PlanPoint *point, const char *setting) {
    Job *job = &sweep->jobs[sweep->count];
    Arena *arena = sweep->arena;
    RunStatus status = sweep->store ? runs_status(sweep->store, point->key) : RUN_PENDING;
    bool changed = sweep->store && run_task_other_revision(sweep->store, point->key);
    bool retrain = changed && sweep->options->retrain_changed;
    sweep->changed += changed && !retrain;
    if (status == RUN_DIVERGED && !retrain) {
        sweep->diverged++;
        return;
    }
    if (sweep->options->only_failed && status != RUN_FAILED) {
        sweep->others += status != RUN_DONE;
        return;
    }
    if (sweep->options->evaluate_only && !run_task_is_trained(sweep->store, point->key)) {
        sweep->untrained++;
        return;
    }
    *job = (Job){.point = point, .retrain = retrain};
    job->label = arena_format(arena, "%s%s%s", plan_label(point, arena), *setting ? " " : "", setting);
    const char *name = sweep->plan->experiment->name;
    job->folder = sweep->store ? run_folder_find(sweep->store, name, point->key, arena)
                               : run_folder_path(sweep->database, name, point->key, arena);
    job->task.evaluate_only = sweep->options->evaluate_only;
    if (run_task_missing(&job->task, retrain ? NULL : sweep->store, point, arena)) sweep->count++;
}

static void plan_jobs(Sweep *sweep) {
    const char **settings = run_label_settings(sweep->plan, sweep->arena);
    for (int i = 0; i < sweep->plan->count; i++) plan_job(sweep, &sweep->plan->points[i], settings[i]);
}

static bool fits_together(const Sweep *sweep, Error *err) {
    double *bytes = NEW(sweep->arena, sweep->count + 1, double);
    for (int i = 0; i < sweep->count; i++) bytes[i] = plan_resident(sweep->jobs[i].point);
    return plan_memory_check(bytes, sweep->count, sweep->options->jobs, sweep->arena, err);
}

static double evaluate_work(const Job *job) {
    return job->point->request_count
               ? job->point->evaluate_flops * job->task.request_count / job->point->request_count
               : 0;
}

static double train_work(const Job *job) {
    return job->task.trained ? 0 : job->point->train_flops;
}

static void print_jobs(const Sweep *sweep) {
    for (int i = 0; i < sweep->count; i++) {
        const Job *job = &sweep->jobs[i];
        printf("%s  %s  %s%d evaluation%s\n", job->point->key, job->label,
               job->task.trained ? "" : "train, then ", job->task.request_count,
               job->task.request_count == 1 ? "" : "s");
    }
    printf("%d of %d runs to do\n", sweep->count, sweep->plan->count);
}

/* --- one run --- */

static bool set_status(Sweep *sweep, const Job *job, RunStatus status, const char *reason) {
    return runs_set_status(sweep->store, job->point->key, status, reason, &sweep->fatal);
}

/* Takes over FOLDER/result.db if there is one. A damaged one is removed: the run then lacks what was in it.
 */
static bool import_result(Sweep *sweep, const char *folder) {
    const char *path = arena_format(sweep->arena, "%s/result.db", folder);
    if (access(path, F_OK) != 0) return true;
    Error err;
    if (!runs_import_result(sweep->store, path, &err)) {
        if (err.code != EXIT_DAMAGED) sweep->fatal = err;
        if (err.code != EXIT_DAMAGED) return false;
        progress_message(sweep->progress, true, "poslab: %s; it is removed", err.text);
    }
    return unlink(path) == 0 || error_system(&sweep->fatal, "cannot remove '%s'", path);
}

/* Results that a killed parent could not take over any more. */
static bool import_results(Sweep *sweep) {
    const Plan *plan = sweep->plan;
    bool fine = true;
    for (int i = 0; i < plan->count && fine; i++) {
        ArenaMark mark = arena_mark(sweep->arena);
        const char **places =
            run_folder_candidates(sweep->store, plan->experiment->name, plan->points[i].key, sweep->arena);
        for (; *places && fine; places++) fine = import_result(sweep, *places);
        arena_release(sweep->arena, mark);
    }
    return fine;
}

static bool forget(Sweep *sweep, Job *job) {
    if (!runs_delete_training(sweep->store, job->point->key, &sweep->fatal)) return false;
    run_folder_delete_files(sweep->store, job->point->key, sweep->arena);
    job->retrain = false;
    return true;
}

static bool start_job(Sweep *sweep, Job *job, int slot) {
    Error *err = &sweep->fatal;
    if (job->retrain && !forget(sweep, job)) return false;
    if (!atomic_file_make_folder(job->folder, err) ||
        !worker_assign(job->folder, job->point->config, &job->task, err) ||
        !set_status(sweep, job, RUN_RUNNING, NULL))
        return false;
    if (mpi_ranks() == 1 &&
        !worker_process_start(&job->child, sweep->program, job->folder, sweep->options->threads, err))
        return false;
    ProgressRun run = {
        .label = job->label, .train_work = train_work(job), .evaluate_work = evaluate_work(job)};
    run.tokens_per_step = job->point->config->train.tokens_per_step;
    progress_begin(sweep->progress, slot, &run);
    job->last_progress = clock_now();
    job->timed_out = false;
    sweep->slots[slot] = job;
    sweep->running++;
    return true;
}

typedef struct Listener {
    Sweep *sweep;
    int slot;
} Listener;

/* A line of a worker; true if it is one of progress. */
static bool take_line(void *user, const char *line) {
    Sweep *sweep = ((Listener *)user)->sweep;
    int slot = ((Listener *)user)->slot, number, count;
    long long step, steps;
    double loss, speed, share;
    if (sscanf(line, "step %lld %lld %lf %lf", &step, &steps, &loss, &speed) == 4)
        progress_step(sweep->progress, slot, step, steps, loss, speed);
    else if (sscanf(line, "evaluate %d %d %lf", &number, &count, &share) == 3)
        progress_evaluate(sweep->progress, slot, number, count, share);
    else {
        if (strncmp(line, "note ", 5) == 0)
            progress_message(sweep->progress, false, "note    %s: %s", sweep->slots[slot]->label, line + 5);
        return false;
    }
    sweep->slots[slot]->last_progress = clock_now();
    return true;
}

/* The run failed; whether it is worth another attempt in its slot, which is then under way. */
static bool try_again(Sweep *sweep, Job *job, int slot, int code, const char *reason) {
    if (++job->attempts > sweep->options->retries || code == EXIT_USAGE || sweep->stopping) return false;
    progress_end(sweep->progress, slot, "retry", false);
    progress_message(sweep->progress, true, "        %s; attempt %d of %d", reason, job->attempts + 1,
                     sweep->options->retries + 1);
    run_task_missing(&job->task, sweep->store, job->point, sweep->arena);
    return start_job(sweep, job, slot);
}

static const char *failure_reason(const Sweep *sweep, const Job *job, int code, int signal) {
    const char *reason = worker_process_reason(&job->child, code, signal, sweep->arena);
    if (!job->timed_out) return reason;
    return arena_format(sweep->arena, "no progress for %d seconds (--timeout): %s", sweep->options->timeout,
                        reason);
}

/* The run's worker has ended, by itself or (signal) not: stores what it made and what became of it. */
static bool finish_job(Sweep *sweep, int slot, int code, int signal, const char *reason) {
    Job *job = sweep->slots[slot];
    sweep->slots[slot] = NULL;
    sweep->running--;
    if (!import_result(sweep, job->folder)) return false;
    RunStatus status = runs_status(sweep->store, job->point->key);
    if (code == EXIT_DONE && (status == RUN_DONE || status == RUN_DIVERGED)) {
        sweep->diverged += status == RUN_DIVERGED;
        progress_end(sweep->progress, slot, runs_status_names[status], true);
        return true;
    }
    if (code == EXIT_STOPPED || (sweep->stopping && signal)) {
        sweep->left++;
        progress_end(sweep->progress, slot, "stopped", false);
        return set_status(sweep, job,
                          run_task_is_trained(sweep->store, job->point->key) ? RUN_DONE : RUN_PENDING, NULL);
    }
    if (try_again(sweep, job, slot, code, reason)) return true;
    if (sweep->fatal.code) return false;
    sweep->failed++;
    if (code == EXIT_SYSTEM) sweep->refused = reason;
    progress_end(sweep->progress, slot, "failed", false);
    progress_message(sweep->progress, true, "        %s", reason);
    if (sweep->options->evaluate_only) return set_status(sweep, job, RUN_DONE, NULL); /* as it was */
    return set_status(sweep, job, RUN_FAILED, reason);
}

static bool end_job(Sweep *sweep, int slot) {
    Job *job = sweep->slots[slot];
    int signal, code = worker_process_wait(&job->child, &signal);
    return finish_job(sweep, slot, code, signal, failure_reason(sweep, job, code, signal));
}

static bool take_and_draw(void *user, const char *line) {
    bool taken = take_line(user, line);
    progress_draw(((Listener *)user)->sweep->progress);
    return taken;
}

/* With several ranks there are no workers: this process and the others do the run in slot 0 together. */
static void run_together(Sweep *sweep) {
    Listener listener = {sweep, 0};
    WorkerOptions options = {.take = take_and_draw, .user = &listener};
    Error err = {0};
    ExitCode code = worker_call(sweep->slots[0]->folder, sweep->options->threads, &options, &err);
    sweep->stopping |= code == EXIT_STOPPED;
    finish_job(sweep, 0, (int)code, 0, arena_copy(sweep->arena, err.text));
}

/* --- all runs --- */

static void signal_workers(Sweep *sweep, int signal) {
    for (int i = 0; i < sweep->options->jobs; i++)
        if (sweep->slots[i] && mpi_ranks() == 1) kill(sweep->slots[i]->child.pid, signal);
}

static void handle_signals(Sweep *sweep) {
    if ((signals || sweep->fatal.code) && !sweep->stopping) {
        sweep->stopping = true;
        signal_workers(sweep, last_signal); /* which workers ignore only if this process does, too */
        if (signals && sweep->running)
            progress_message(sweep->progress, false, "stopping; once more to stop without saving");
    }
    if (signals > 1 && !sweep->killing) {
        sweep->killing = true;
        signal_workers(sweep, SIGKILL);
    }
}

/* A worker without progress for too long is killed; what becomes of its run is found out as for any other. */
static void end_overdue(Sweep *sweep) {
    for (int i = 0; sweep->options->timeout && i < sweep->options->jobs; i++) {
        Job *job = sweep->slots[i];
        if (!job || job->timed_out || clock_now() - job->last_progress < sweep->options->timeout) continue;
        job->timed_out = true;
        kill(job->child.pid, SIGKILL);
    }
}

/* Waits a moment for output, reads it, and ends the workers that closed their pipes. */
static void listen_to_workers(Sweep *sweep) {
    struct pollfd fds[SWEEP_JOBS_MOST];
    int slot[SWEEP_JOBS_MOST], count = 0;
    for (int i = 0; i < sweep->options->jobs; i++) {
        if (!sweep->slots[i]) continue;
        fds[count] = (struct pollfd){.fd = sweep->slots[i]->child.pipe, .events = POLLIN};
        slot[count++] = i;
    }
    if (poll(fds, (nfds_t)count, 200) <= 0) return;
    for (int i = 0; i < count; i++) {
        Listener listener = {sweep, slot[i]};
        if (fds[i].revents && !worker_process_read(&sweep->slots[slot[i]]->child, take_line, &listener))
            end_job(sweep, slot[i]);
    }
}

/* While another program has the database locked, nobody listens to the workers. */
static bool heed_while_waiting(void *user, const char *message) {
    Sweep *sweep = user;
    handle_signals(sweep);
    for (int i = 0; i < sweep->options->jobs; i++)
        if (sweep->slots[i]) sweep->slots[i]->last_progress = clock_now();
    if (message) progress_message(sweep->progress, true, "%s", message);
    return !sweep->killing;
}

static void run_jobs(Sweep *sweep) {
    static const int handled[] = {SIGINT, SIGTERM, SIGHUP, 0};
    store_set_wait(sweep->store,
                   (StoreWait){.seconds = STORE_PATIENCE, .go_on = heed_while_waiting, .user = sweep});
    signals_handle(handled, on_signal, 0);
    while (sweep->running || (sweep->next < sweep->count && !sweep->stopping)) {
        handle_signals(sweep);
        for (int slot = 0; slot < sweep->options->jobs; slot++) {
            if (sweep->stopping || sweep->fatal.code || sweep->next == sweep->count) break;
            if (!sweep->slots[slot] && start_job(sweep, &sweep->jobs[sweep->next], slot)) sweep->next++;
        }
        end_overdue(sweep);
        if (sweep->running) (mpi_ranks() > 1 ? run_together : listen_to_workers)(sweep);
        progress_draw(sweep->progress);
    }
    sweep->left += sweep->count - sweep->next;
    progress_close(sweep->progress);
    signals_default(handled);
}

static ExitCode conclude(Sweep *sweep, Error *err) {
    int runs = sweep->plan->count,
        done = runs - sweep->failed - sweep->left - sweep->untrained - sweep->others;
    char diverged[64] = "";
    if (sweep->diverged) snprintf(diverged, sizeof diverged, " (%d diverged)", sweep->diverged);
    if (sweep->untrained)
        progress_message(sweep->progress, true, "%d of %d runs are not trained yet and were left out",
                         sweep->untrained, runs);
    if (sweep->changed && !sweep->options->evaluate_only)
        progress_message(sweep->progress, true,
                         "%d of %d runs were trained by another revision of poslab than this, %s;"
                         " --retry changed trains them anew",
                         sweep->changed, runs, version_revision());
    if (sweep->fatal.code) {
        *err = sweep->fatal;
        return err->code;
    }
    const char *start = sweep->count ? "" : "nothing to do: ";
    progress_message(sweep->progress, false, "%s%d of %d runs are done%s", start, done, runs, diverged);
    if (sweep->refused && !sweep->left) {
        error_set(err, EXIT_SYSTEM, "%d of %d runs failed: %.700s; the same command continues", sweep->failed,
                  runs, sweep->refused);
        return err->code;
    }
    if (sweep->left) progress_message(sweep->progress, true, "continue with: %s", sweep->options->command);
    return sweep->left ? EXIT_STOPPED : sweep->failed || sweep->diverged ? EXIT_SOME_FAILED : EXIT_DONE;
}

static void say_corpora(Sweep *sweep) {
    for (int i = 0; i < sweep->plan->count; i++) {
        const Corpus *corpus = sweep->plan->points[i].corpus;
        if (i && corpus == sweep->plan->points[i - 1].corpus) continue;
        const char *note = corpus_note(corpus, sweep->arena);
        if (*note) progress_message(sweep->progress, true, "note    corpus: %s", note);
    }
}

/* With the lock held and the store open. */
static ExitCode sweep_stored(Sweep *sweep, Error *err) {
    const Plan *plan = sweep->plan;
    double work = 0;
    sweep->progress = progress_new(0, 0, 0, 0, sweep->options->quiet, sweep->arena);
    bool (*plan_stored)(Database *, const Plan *, Error *) =
        sweep->options->evaluate_only ? runs_add_requests : runs_store_plan;
    if (!plan_stored(sweep->store, plan, err)) return err->code;
    if (!import_results(sweep)) return conclude(sweep, err);
    plan_jobs(sweep);
    for (int i = 0; i < sweep->count; i++)
        if (!worker_check(&sweep->jobs[i].task, sweep->jobs[i].point->config, err)) return err->code;
    for (int i = 0; i < sweep->count; i++)
        work += train_work(&sweep->jobs[i]) + evaluate_work(&sweep->jobs[i]);
    if (!fits_together(sweep, err)) return err->code;
    sweep->progress = progress_new(sweep->options->jobs, plan->count, plan->count - sweep->count, work,
                                   sweep->options->quiet, sweep->arena);
    say_corpora(sweep);
    run_jobs(sweep);
    return conclude(sweep, err);
}

static ExitCode sweep_dry(Sweep *sweep, Error *err) {
    struct stat file;
    bool empty = stat(sweep->database, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0;
    if (!empty && access(sweep->database, F_OK) == 0) { /* an empty file, too, a run makes a database of */
        sweep->store = database_open(sweep->database, DATABASE_READ, err);
        if (!sweep->store) return err->code;
    }
    plan_jobs(sweep);
    if (!fits_together(sweep, err)) return err->code;
    print_jobs(sweep);
    return EXIT_DONE;
}

static ExitCode sweep_locked(Sweep *sweep, Error *err) {
    if (!atomic_file_make_folder(run_folder_parent(sweep->database, sweep->arena), err)) return err->code;
    int program = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (program < 0) return error_system(err, "cannot open the program itself"), err->code;
    sweep->program = arena_format(sweep->arena, "/proc/%d/fd/%d", (int)getpid(), program);
    int lock = lock_database(sweep->database, sweep->arena, err);
    if (lock < 0) return err->code;
    sweep->store = database_open(sweep->database, DATABASE_CREATE, err);
    ExitCode code = sweep->store ? sweep_stored(sweep, err) : err->code;
    close(lock);
    close(program);
    return code;
}

ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Error *err) {
    if (options->jobs < 1 || options->jobs > SWEEP_JOBS_MOST) BUG("%d jobs", options->jobs);
    Sweep sweep = {.plan = plan, .options = options, .arena = arena_new(0)};
    sweep.database = options->database ? options->database
                                       : arena_format(sweep.arena, "%s.db", plan->experiment->directory);
    sweep.jobs = NEW(sweep.arena, plan->count, Job);
    sweep.slots = NEW(sweep.arena, options->jobs, Job *);
    ExitCode code = options->dry_run ? sweep_dry(&sweep, err) : sweep_locked(&sweep, err);
    database_close(sweep.store);
    arena_free(sweep.arena);
    return code;
}
