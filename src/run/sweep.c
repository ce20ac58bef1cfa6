/* sweep: compares a plan with the database, makes a job for each incomplete run, and reports the outcome.
   run/jobs.c executes the jobs. */
#include "run/sweep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/atomic_file.h"
#include "sys/lock.h"
#include "sys/version.h"
#include "experiment/plan_memory.h"
#include "experiment/run_label.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/worker.h"

typedef struct Sweep {
    const Plan *plan;
    const SweepOptions *options;
    const char *database;
    Jobs jobs;     /* one per incomplete point; `diverged` also counts earlier runs */
    int others;    /* with only_failed: missing runs that have not failed */
    int changed;   /* trained by another revision and not retrained */
    int untrained; /* with evaluate_only: runs without weights */
    Arena *arena;
} Sweep;

/* --- missing runs --- */

/* Adds a job for the point if it is incomplete. */
static void plan_job(Sweep *sweep, const PlanPoint *point, const char *setting) {
    Job *job = &sweep->jobs.items[sweep->jobs.count];
    Arena *arena = sweep->arena;
    const RunState state = runs_state(sweep->jobs.store, point->key);
    bool retrain = state.changed && sweep->options->retrain_changed;
    sweep->changed += state.changed && !retrain;
    if (state.status == RUN_DIVERGED && !retrain) {
        sweep->jobs.diverged++;
        return;
    }
    if (sweep->options->only_failed && state.status != RUN_FAILED) {
        sweep->others += state.status != RUN_DONE;
        return;
    }
    if (sweep->options->evaluate_only && !state.trained) {
        sweep->untrained++;
        return;
    }
    *job = (Job){.point = point, .retrain = retrain};
    job->label = run_label_name(plan_label(point, arena), setting, arena);
    const char *name = sweep->plan->experiment->name;
    job->folder = sweep->jobs.store ? run_folder_find(sweep->jobs.store, name, point->key, arena)
                                    : run_folder_path(sweep->database, name, point->key, arena);
    job->task.evaluate_only = sweep->options->evaluate_only;
    if (run_task_missing(&job->task, retrain ? NULL : sweep->jobs.store, point, arena)) sweep->jobs.count++;
}

static void plan_jobs(Sweep *sweep) {
    const char **settings = run_label_settings(sweep->plan, sweep->arena);
    for (int i = 0; i < sweep->plan->count; i++) plan_job(sweep, &sweep->plan->points[i], settings[i]);
}

static bool fits_together(const Sweep *sweep, Error *err) {
    double *bytes = NEW(sweep->arena, sweep->jobs.count + 1, double);
    for (int i = 0; i < sweep->jobs.count; i++) bytes[i] = plan_resident(sweep->jobs.items[i].point);
    return plan_memory_check(bytes, sweep->jobs.count, sweep->options->jobs, sweep->arena, err);
}

static void print_jobs(const Sweep *sweep) {
    for (int i = 0; i < sweep->jobs.count; i++) {
        const Job *job = &sweep->jobs.items[i];
        printf("%s  %s  %s%d evaluation%s\n", job->point->key, job->label,
               job->task.trained ? "" : "train, then ", job->task.request_count,
               job->task.request_count == 1 ? "" : "s");
    }
    printf("%d of %d runs to do\n", sweep->jobs.count, sweep->plan->count);
}

/* Imports results that a killed parent did not import. */
static bool import_results(Sweep *sweep) {
    const Plan *plan = sweep->plan;
    bool fine = true;
    for (int i = 0; i < plan->count && fine; i++) {
        ArenaMark mark = arena_mark(sweep->arena);
        const char **folders = run_folder_candidates(sweep->jobs.store, plan->experiment->name,
                                                     plan->points[i].key, sweep->arena);
        for (; *folders && fine; folders++) fine = jobs_import_result(&sweep->jobs, *folders);
        arena_release(sweep->arena, mark);
    }
    return fine;
}

static ExitCode conclude(Sweep *sweep, Error *err) {
    const Jobs *jobs = &sweep->jobs;
    int runs = sweep->plan->count, done = runs - jobs->failed - jobs->left - sweep->untrained - sweep->others;
    char diverged[64] = "";
    if (jobs->diverged) snprintf(diverged, sizeof diverged, " (%d diverged)", jobs->diverged);
    if (sweep->untrained)
        progress_message(jobs->progress, true, "%d of %d runs are not trained yet and were left out",
                         sweep->untrained, runs);
    if (sweep->changed && !sweep->options->evaluate_only)
        progress_message(jobs->progress, true,
                         "%d of %d runs were trained by another revision of poslab than this, %s;"
                         " --retry changed retrains them",
                         sweep->changed, runs, version_revision());
    if (jobs->fatal.code) {
        *err = jobs->fatal;
        return err->code;
    }
    const char *start = jobs->count ? "" : "nothing to do: ";
    progress_message(jobs->progress, false, "%s%d of %d runs are done%s", start, done, runs, diverged);
    if (jobs->refused && !jobs->left) {
        error_set(err, EXIT_SYSTEM, "%d of %d runs failed: %.700s; the same command continues", jobs->failed,
                  runs, jobs->refused);
        return err->code;
    }
    if (jobs->left) progress_message(jobs->progress, true, "continue with: %s", sweep->options->command);
    return jobs->left ? EXIT_STOPPED : jobs->failed ? EXIT_SOME_FAILED : EXIT_DONE;
}

static void note_corpora(Sweep *sweep) {
    for (int i = 0; i < sweep->plan->count; i++) {
        const Corpus *corpus = sweep->plan->points[i].corpus;
        if (i && corpus == sweep->plan->points[i - 1].corpus) continue;
        const char *note = corpus_note(corpus, sweep->arena);
        if (*note) progress_message(sweep->jobs.progress, true, "note    corpus: %s", note);
    }
}

/* Called with the lock held and the store open. */
static ExitCode sweep_stored(Sweep *sweep, Error *err) {
    const Plan *plan = sweep->plan;
    double work = 0;
    sweep->jobs.progress = progress_new(0, 0, 0, 0, sweep->options->quiet, sweep->arena);
    bool (*store_plan)(Database *, const Plan *, Error *) =
        sweep->options->evaluate_only ? runs_add_requests : runs_store_plan;
    if (!store_plan(sweep->jobs.store, plan, err)) return err->code;
    if (!import_results(sweep)) return conclude(sweep, err);
    plan_jobs(sweep);
    for (int i = 0; i < sweep->jobs.count; i++)
        if (!worker_check(&sweep->jobs.items[i].task, sweep->jobs.items[i].point->config, err))
            return err->code;
    for (int i = 0; i < sweep->jobs.count; i++)
        work += jobs_train_work(&sweep->jobs.items[i]) + jobs_evaluate_work(&sweep->jobs.items[i]);
    if (!fits_together(sweep, err)) return err->code;
    sweep->jobs.progress = progress_new(sweep->options->jobs, plan->count, plan->count - sweep->jobs.count,
                                        work, sweep->options->quiet, sweep->arena);
    note_corpora(sweep);
    jobs_run(&sweep->jobs);
    return conclude(sweep, err);
}

static ExitCode sweep_dry(Sweep *sweep, Error *err) {
    struct stat file;
    bool empty = stat(sweep->database, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0;
    if (!empty &&
        access(sweep->database, F_OK) == 0) { /* an empty file is treated as no database, as `run` does */
        sweep->jobs.store = database_open(sweep->database, DATABASE_READ, err);
        if (!sweep->jobs.store) return err->code;
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
    sweep->jobs.program = arena_format(sweep->arena, "/proc/%d/fd/%d", (int)getpid(), program);
    int lock = lock_database(sweep->database, sweep->arena, err);
    if (lock < 0) return err->code;
    sweep->jobs.store = database_open(sweep->database, DATABASE_CREATE, err);
    ExitCode code = sweep->jobs.store ? sweep_stored(sweep, err) : err->code;
    close(lock);
    close(program);
    return code;
}

ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Error *err) {
    if (options->jobs < 1 || options->jobs > JOBS_MOST) BUG("%d jobs", options->jobs);
    Sweep sweep = {.plan = plan, .options = options, .arena = arena_new(0)};
    sweep.database = options->database ? options->database
                                       : arena_format(sweep.arena, "%s.db", plan->experiment->directory);
    sweep.jobs = (Jobs){.items = NEW(sweep.arena, plan->count, Job),
                        .slots = NEW(sweep.arena, options->jobs, Job *),
                        .slot_count = options->jobs,
                        .threads = options->threads,
                        .retries = options->retries,
                        .timeout = options->timeout,
                        .evaluate_only = options->evaluate_only,
                        .arena = sweep.arena};
    ExitCode code = options->dry_run ? sweep_dry(&sweep, err) : sweep_locked(&sweep, err);
    database_close(sweep.jobs.store);
    arena_free(sweep.arena);
    return code;
}
