#include "run/jobs.h"

#include <math.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "sys/signals.h"
#include "store/merge.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/worker.h"

static volatile sig_atomic_t signals, last_signal = SIGTERM;

static void on_signal(int signal) {
    last_signal = signal;
    signals++;
}

double jobs_evaluate_work(const Job *job) {
    return job->point->request_count
               ? job->point->evaluate_flops * job->task.request_count / job->point->request_count
               : 0;
}

double jobs_train_work(const Job *job) {
    return job->task.trained ? 0 : job->point->train_flops;
}

/* --- one run --- */

static bool set_status(Jobs *jobs, const Job *job, RunStatus status, const char *reason) {
    return runs_set_status(jobs->store, job->point->key, status, reason, &jobs->fatal);
}

bool jobs_import_result(Jobs *jobs, const char *folder) {
    const char *path = arena_format(jobs->arena, "%s/result.db", folder);
    if (access(path, F_OK) != 0) return true;
    Error err;
    if (!merge_result(jobs->store, path, &err)) {
        if (err.code != EXIT_DAMAGED) jobs->fatal = err;
        if (err.code != EXIT_DAMAGED) return false;
        progress_message(jobs->progress, true, "poslab: %s; removed", err.text);
    }
    return unlink(path) == 0 || error_system(&jobs->fatal, "cannot remove '%s'", path);
}

static bool start_job(Jobs *jobs, Job *job, int slot) {
    Error *err = &jobs->fatal;
    if (!run_task_forget(&job->task, jobs->store, jobs->arena, err)) return false;
    if (!atomic_file_make_folder(job->folder, err) ||
        !worker_assign(job->folder, job->point->config, &job->task, err) ||
        !set_status(jobs, job, RUN_RUNNING, NULL))
        return false;
    if (mpi_ranks() == 1 &&
        !worker_process_start(&job->child, jobs->program, job->folder, (int)jobs->options.threads, err))
        return false;
    ProgressRun run = {
        .label = job->label, .train_work = jobs_train_work(job), .evaluate_work = jobs_evaluate_work(job)};
    run.tokens_per_step = job->point->config->train.tokens_per_step;
    progress_begin(jobs->progress, slot, &run);
    job->last_progress = clock_now();
    job->timed_out = false;
    jobs->slots[slot] = job;
    jobs->running++;
    job->ended = false;
    return true;
}

typedef struct Listener {
    Jobs *jobs;
    int slot;
} Listener;

/* Handles a line of output of a worker. Returns true for a line of progress. */
static bool take_line(void *user, const char *line) {
    Jobs *jobs = ((Listener *)user)->jobs;
    int slot = ((Listener *)user)->slot, number, count;
    long long step, steps;
    double loss, speed, share, exact = -1;
    if (sscanf(line, "step %lld %lld %lf %lf %lf", &step, &steps, &loss, &speed, &exact) >= 4)
        progress_step(jobs->progress, slot, step, steps, loss, speed, exact);
    else if (sscanf(line, "evaluate %d %d %lf", &number, &count, &share) == 3)
        progress_evaluate(jobs->progress, slot, number, count, share);
    else {
        if (sscanf(line, "note resuming from step %lld of %lld", &step, &steps) == 2)
            progress_resume(jobs->progress, slot, step, steps);
        if (strncmp(line, "note ", 5) == 0)
            progress_message(jobs->progress, false, "note    %s: %s", jobs->slots[slot]->label, line + 5);
        return false;
    }
    jobs->slots[slot]->last_progress = clock_now();
    return true;
}

/* After a failure, starts another attempt in the same slot, if one is allowed. Returns whether it did. */
static bool try_again(Jobs *jobs, Job *job, int slot, int code, const char *reason) {
    if (++job->attempts > jobs->options.retries || code == EXIT_USAGE || jobs->stopping) return false;
    progress_retry(jobs->progress, slot);
    progress_message(jobs->progress, true, "        %s; attempt %d of %d", reason, job->attempts + 1,
                     (int)jobs->options.retries + 1);
    RunTaskNeed need = {.repeat = job->need.repeat}; /* an attempt may already have completed the training */
    need.train = job->need.train && !run_folder_weights(jobs->store, job->point->key, jobs->arena);
    run_task_needed(&job->task, jobs->store, job->point, need, jobs->arena);
    return start_job(jobs, job, slot);
}

static const char *failure_reason(const Jobs *jobs, const Job *job, int code, int signal) {
    const char *reason = worker_process_reason(&job->child, code, signal, jobs->arena);
    if (!job->timed_out) return reason;
    return arena_format(jobs->arena, "no progress for %d seconds (--timeout): %s", (int)jobs->options.timeout,
                        reason);
}

/* The result shown at the end of a run: "perplexity 12.3 at 64", or of a task "exact 99.4 % at 2"; "" without
   evaluations. The length is that of runs_perplexity, the size that of runs_exact. */
static const char *result_text(const Jobs *jobs, const Job *job) {
    int64_t length;
    double exact = runs_exact(jobs->store, job->point->key, &length);
    if (!isnan(exact))
        return arena_format(jobs->arena, "exact %.1f %% at %lld", 100 * exact, (long long)length);
    double perplexity = runs_perplexity(jobs->store, job->point->key, &length);
    return isnan(perplexity) ? ""
                             : arena_format(jobs->arena, "perplexity %s at %lld",
                                            table_perplexity(perplexity, jobs->arena), (long long)length);
}

/* Stores the results and the status of a run whose worker exited with `code` or was ended by `signal`. */
static bool finish_job(Jobs *jobs, int slot, int code, int signal, const char *reason) {
    Job *job = jobs->slots[slot];
    jobs->slots[slot] = NULL;
    jobs->running--;
    job->ended = true;
    if (!jobs_import_result(jobs, job->folder)) return false;
    const RunState state = runs_state(jobs->store, job->point->key);
    if (code == EXIT_DONE && (state.status == RUN_DONE || state.status == RUN_DIVERGED)) {
        jobs->diverged += state.status == RUN_DIVERGED;
        progress_end(jobs->progress, slot, runs_status_names[state.status], result_text(jobs, job), true);
        return true;
    }
    if (code == EXIT_STOPPED || (jobs->stopping && signal)) {
        jobs->left++;
        progress_end(jobs->progress, slot, "stopped", "", false);
        return set_status(jobs, job, state.trained ? RUN_DONE : RUN_PENDING, NULL);
    }
    if (try_again(jobs, job, slot, code, reason)) return true;
    if (jobs->fatal.code) return false;
    jobs->failed++;
    if (code == EXIT_SYSTEM) jobs->refused = reason;
    progress_end(jobs->progress, slot, "failed", "", false);
    progress_message(jobs->progress, true, "        %s", reason);
    if (jobs->options.evaluate_only)
        return set_status(jobs, job, RUN_DONE, NULL); /* its status before this job */
    return set_status(jobs, job, RUN_FAILED, reason);
}

static bool end_job(Jobs *jobs, int slot) {
    Job *job = jobs->slots[slot];
    int signal, code = worker_process_wait(&job->child, &signal);
    return finish_job(jobs, slot, code, signal, failure_reason(jobs, job, code, signal));
}

static bool take_and_draw(void *user, const char *line) {
    bool taken = take_line(user, line);
    progress_draw(((Listener *)user)->jobs->progress);
    return taken;
}

/* With several ranks there are no worker processes: all ranks perform the run in slot 0 together. */
static void run_together(Jobs *jobs) {
    Listener listener = {jobs, 0};
    WorkerOptions options = {.take = take_and_draw, .user = &listener};
    Error err = {0};
    ExitCode code = worker_call(jobs->slots[0]->folder, (int)jobs->options.threads, &options, &err);
    jobs->stopping |= code == EXIT_STOPPED;
    finish_job(jobs, 0, (int)code, 0, arena_copy(jobs->arena, err.text));
}

/* --- all runs --- */

/* Computes the chain of each job. A chain of jobs, each of which continues the one before, takes at least the
   sum of their times, so the job that begins the longest chain is the most urgent. */
static void measure_chains(Jobs *jobs) {
    for (int i = jobs->count - 1; i >= 0; i--) {
        Job *job = &jobs->items[i];
        job->chain += jobs_train_work(job) + jobs_evaluate_work(job);
        if (!job->parent) continue;
        Job *parent = &jobs->items[job->parent - jobs->items];
        if (parent->chain < job->chain) parent->chain = job->chain;
    }
}

/* The next job that can begin: with several slots the most urgent one, with one slot the first. NULL if none
   is left or all wait for their parents. */
static Job *next_job(const Jobs *jobs) {
    Job *next = NULL;
    for (int i = 0; i < jobs->count; i++) {
        Job *job = &jobs->items[i];
        if (job->begun || (job->parent && !job->parent->ended)) continue;
        if (!next || (jobs->options.slots > 1 && job->chain > next->chain)) next = job;
    }
    return next;
}

/* Starts a job. If it has to be trained and the run that it continues has no weights, it fails at once. A
   trained run gets the path of these weights, too, because a worker trains again if its own are damaged. */
static bool begin_job(Jobs *jobs, Job *job, int slot) {
    const char *lack = run_task_lacks_parent(&job->task.from, jobs->store, job->point, jobs->arena);
    if (lack && !job->task.trained) {
        job->ended = true;
        jobs->failed++;
        progress_message(jobs->progress, true, "failed  %s: %s", job->label, lack);
        if (!set_status(jobs, job, RUN_FAILED, lack)) return false;
    } else if (!start_job(jobs, job, slot))
        return false;
    job->begun = true;
    jobs->begun++;
    return true;
}

static void signal_workers(Jobs *jobs, int signal) {
    for (int i = 0; i < jobs->options.slots; i++)
        if (jobs->slots[i] && mpi_ranks() == 1) kill(jobs->slots[i]->child.pid, signal);
}

static void handle_signals(Jobs *jobs) {
    if ((signals || jobs->fatal.code) && !jobs->stopping) {
        jobs->stopping = true;
        signal_workers(jobs, last_signal);
        if (signals && jobs->running)
            progress_message(jobs->progress, false, "stopping; interrupt again to stop without saving");
    }
    if (signals > 1 && !jobs->killing) {
        jobs->killing = true;
        signal_workers(jobs, SIGKILL);
    }
}

/* Kills workers without progress for `timeout` seconds. Their runs then fail as for any other reason. */
static void end_overdue(Jobs *jobs) {
    for (int i = 0; jobs->options.timeout && i < jobs->options.slots; i++) {
        Job *job = jobs->slots[i];
        if (!job || job->timed_out || clock_now() - job->last_progress < jobs->options.timeout) continue;
        job->timed_out = true;
        kill(job->child.pid, SIGKILL);
    }
}

/* Waits a short time for output, reads it, and ends the jobs of workers that have closed their pipes. */
static void listen_to_workers(Jobs *jobs) {
    struct pollfd fds[JOBS_MOST];
    int slot[JOBS_MOST], count = 0;
    for (int i = 0; i < jobs->options.slots; i++) {
        if (!jobs->slots[i]) continue;
        fds[count] = (struct pollfd){.fd = jobs->slots[i]->child.pipe, .events = POLLIN};
        slot[count++] = i;
    }
    if (poll(fds, (nfds_t)count, 200) <= 0) return;
    for (int i = 0; i < count; i++) {
        Listener listener = {jobs, slot[i]};
        if (fds[i].revents && !worker_process_read(&jobs->slots[slot[i]]->child, take_line, &listener))
            end_job(jobs, slot[i]);
    }
}

/* Called while another program locks the database. The output of workers is not read in this time, so it does
   not count as time without progress. */
static bool handle_signals_while_waiting(void *user, const char *message) {
    Jobs *jobs = user;
    handle_signals(jobs);
    for (int i = 0; i < jobs->options.slots; i++)
        if (jobs->slots[i]) jobs->slots[i]->last_progress = clock_now();
    if (message) progress_message(jobs->progress, true, "%s", message);
    return !jobs->killing;
}

void jobs_run(Jobs *jobs) {
    static const int handled[] = {SIGINT, SIGTERM, SIGHUP, 0};
    query_set_wait(
        jobs->store,
        (QueryWait){.seconds = QUERY_PATIENCE, .go_on = handle_signals_while_waiting, .user = jobs});
    signals_handle(handled, on_signal, 0);
    measure_chains(jobs);
    while (jobs->running || (jobs->begun < jobs->count && !jobs->stopping)) {
        handle_signals(jobs);
        for (int slot = 0; slot < jobs->options.slots; slot++) {
            Job *job;
            if (jobs->stopping || jobs->fatal.code) break;
            if (!jobs->slots[slot] && (job = next_job(jobs)) != NULL) begin_job(jobs, job, slot);
        }
        end_overdue(jobs);
        if (jobs->running) (mpi_ranks() > 1 ? run_together : listen_to_workers)(jobs);
        progress_draw(jobs->progress);
    }
    jobs->left += jobs->count - jobs->begun;
    progress_close(jobs->progress);
    signals_default(handled);
}
