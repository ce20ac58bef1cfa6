/* sweep: compares a plan with the database, makes a job for each incomplete run, and reports the outcome. */
#include "run/sweep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "sys/atomic_file.h"
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
    Jobs jobs;  /* one for each incomplete point; `diverged` also counts runs that diverged earlier */
    int others; /* with only_failed: missing runs that have not failed */
    int stale;  /* runs of an edited method */
    int stale_evaluations;
    int changed;   /* runs that were trained with other shared sources and are not retrained */
    int untrained; /* with evaluate_only: runs that are not trained */
    const char **settings;
    const RunTaskNeed *needs; /* [points of the plan] */
    Job **job_of;             /* [points of the plan]; NULL: the point is complete or left out */
    Arena *arena;
} Sweep;

/* --- missing runs --- */

/* Adds a job for the point if it is incomplete. */
static void plan_job(Sweep *sweep, int index) {
    const PlanPoint *point = &sweep->plan->points[index];
    Job *job = &sweep->jobs.items[sweep->jobs.count];
    Arena *arena = sweep->arena;
    const RunState state = runs_state(sweep->jobs.store, point->key);
    RunTaskNeed need = sweep->needs[index];
    bool retrain = need.retrain;
    sweep->stale += state.stale;
    sweep->changed += state.changed && !retrain;
    if (state.status == RUN_DIVERGED && !retrain) {
        sweep->jobs.diverged++;
        return;
    }
    if (sweep->options->only_failed && state.status != RUN_FAILED) {
        sweep->others += state.status != RUN_DONE;
        return;
    }
    if (sweep->options->jobs.evaluate_only && (!state.trained || state.stale)) {
        sweep->untrained += !state.trained;
        return;
    }
    if (sweep->options->jobs.evaluate_only) need = (RunTaskNeed){.repeat = need.repeat};
    *job = (Job){.point = point, .need = need};
    job->label = run_label_name(plan_label(point, arena), sweep->settings[index], arena);
    const char *name = sweep->plan->experiment->name;
    job->folder = sweep->jobs.store ? run_folder_find(sweep->jobs.store, name, point->key, arena)
                                    : run_folder_path(sweep->database, name, point->key, arena);
    job->task.evaluate_only = sweep->options->jobs.evaluate_only;
    if (run_task_needed(&job->task, sweep->jobs.store, point, need, arena)) {
        if (point->parent >= 0) job->parent = sweep->job_of[point->parent];
        sweep->job_of[index] = job;
        sweep->jobs.count++;
    }
    sweep->stale_evaluations += job->task.stale;
}

static void plan_jobs(Sweep *sweep) {
    const int *order = plan_order(sweep->plan, sweep->arena);
    sweep->settings = run_label_settings(sweep->plan, sweep->arena);
    sweep->needs = run_task_needs(sweep->jobs.store, sweep->plan, sweep->options->retrain, sweep->arena);
    sweep->job_of = NEW(sweep->arena, sweep->plan->count, Job *);
    for (int i = 0; i < sweep->plan->count; i++) plan_job(sweep, order[i]);
}

static bool fits_together(const Sweep *sweep, Error *err) {
    double *bytes = NEW(sweep->arena, sweep->jobs.count + 1, double);
    for (int i = 0; i < sweep->jobs.count; i++) bytes[i] = plan_resident(sweep->jobs.items[i].point);
    return plan_memory_check(bytes, sweep->jobs.count, (int)sweep->options->jobs.slots, sweep->arena, err);
}

/* The number of stale runs, and whether they are kept, left out or retrained. */
static const char *stale_text(const Sweep *sweep) {
    const SweepOptions *options = sweep->options;
    const char *text = run_task_stale_text(sweep->stale, sweep->plan->count, sweep->arena), *next;
    if (options->jobs.evaluate_only)
        next = "left out; `poslab run` retrains them";
    else
        next = options->retrain == RUN_TASK_NONE ? "kept (--retry missing)"
                                                 : "retrained (--retry missing keeps them)";
    if (options->only_failed) next = "left out by --retry failed";
    return arena_format(sweep->arena, "%s; %s", text, next);
}

static const char *stale_evaluations_text(const Sweep *sweep) {
    const char *text = run_task_stale_evaluations_text(sweep->stale_evaluations, sweep->arena);
    bool kept = sweep->options->retrain == RUN_TASK_NONE;
    return arena_format(sweep->arena, "%s; %s", text, kept ? "kept (--retry missing)" : "repeated");
}

static void print_jobs(const Sweep *sweep) {
    for (int i = 0; i < sweep->jobs.count; i++) {
        const Job *job = &sweep->jobs.items[i];
        printf("%s  %s  %s%d evaluation%s\n", job->point->key, job->label,
               job->task.trained ? "" : "train, then ", job->task.request_count,
               job->task.request_count == 1 ? "" : "s");
    }
    printf("%d of %d runs to do\n", sweep->jobs.count, sweep->plan->count);
    if (sweep->stale) printf("%s\n", stale_text(sweep));
    if (sweep->stale_evaluations) printf("%s\n", stale_evaluations_text(sweep));
}

/* Imports results that a killed sweep did not import. */
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

/* Prints commands that show the results, with --experiment if the database has several experiments. */
static void print_next(const Sweep *sweep) {
    static const char *const commands[] = {"table", "plot", "report"};
    Arena *arena = sweep->arena;
    Progress *progress = sweep->jobs.progress;
    Error ignored;
    int count = 0;
    const char *database = escape_text(ESCAPE_SHELL, sweep->database, arena), *option = "";
    if (database_experiments(sweep->jobs.store, NULL, &count, arena, &ignored) && count > 1)
        option = arena_format(arena, " --experiment %s",
                              escape_text(ESCAPE_SHELL, sweep->plan->experiment->name, arena));
    progress_message(progress, false, "Next:");
    for (int i = 0; i < COUNT_OF(commands); i++)
        progress_message(progress, false, "  poslab %s %s%s", commands[i], database, option);
}

static ExitCode conclude(Sweep *sweep, Error *err) {
    const Jobs *jobs = &sweep->jobs;
    int runs = sweep->plan->count, done = runs - jobs->failed - jobs->left - sweep->untrained - sweep->others;
    if (sweep->options->jobs.evaluate_only) done -= sweep->stale;
    char diverged[64] = "";
    if (jobs->diverged) snprintf(diverged, sizeof diverged, " (%d diverged)", jobs->diverged);
    if (sweep->untrained)
        progress_message(jobs->progress, true, "%d of %d runs are not trained yet and were left out",
                         sweep->untrained, runs);
    if (sweep->changed && !sweep->options->jobs.evaluate_only)
        progress_message(jobs->progress, true,
                         "%d of %d runs were trained by other sources than this poslab's (%s); --retry "
                         "changed retrains them",
                         sweep->changed, runs, version_revision());
    if (jobs->fatal.code) {
        *err = jobs->fatal;
        return err->code;
    }
    const char *start = jobs->count ? "" : "nothing to do: ";
    progress_message(jobs->progress, false, "%s%d of %d runs are done%s, in %s", start, done, runs, diverged,
                     sweep->database);
    if (jobs->refused && !jobs->left) {
        error_set(err, EXIT_SYSTEM, "%d of %d runs failed: %.700s; rerun the command to retry them",
                  jobs->failed, runs, jobs->refused);
        return err->code;
    }
    if (jobs->left) progress_message(jobs->progress, true, "to resume: %s", sweep->options->command);
    if (done && !jobs->left && !sweep->options->jobs.evaluate_only) print_next(sweep);
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

static ExitCode sweep_stored(Sweep *sweep, Error *err) {
    const Plan *plan = sweep->plan;
    double work = 0;
    sweep->jobs.progress = progress_new(0, 0, 0, 0, sweep->options->quiet, sweep->arena);
    bool (*store_plan)(Database *, const Plan *, Error *) =
        sweep->options->jobs.evaluate_only ? runs_add_requests : runs_store_plan;
    int dropped = sweep->options->jobs.evaluate_only ? 0 : runs_dropped(sweep->jobs.store, plan);
    if (!store_plan(sweep->jobs.store, plan, err)) return err->code;
    if (!import_results(sweep)) return conclude(sweep, err);
    plan_jobs(sweep);
    for (int i = 0; i < sweep->jobs.count; i++)
        if (!worker_check(&sweep->jobs.items[i].task, sweep->jobs.items[i].point->config, err))
            return err->code;
    for (int i = 0; i < sweep->jobs.count; i++)
        work += jobs_train_work(&sweep->jobs.items[i]) + jobs_evaluate_work(&sweep->jobs.items[i]);
    if (!fits_together(sweep, err)) return err->code;
    sweep->jobs.progress =
        progress_new((int)sweep->options->jobs.slots, plan->count, plan->count - sweep->jobs.count, work,
                     sweep->options->quiet, sweep->arena);
    note_corpora(sweep);
    if (sweep->stale) progress_message(sweep->jobs.progress, true, "note    %s", stale_text(sweep));
    if (sweep->stale_evaluations)
        progress_message(sweep->jobs.progress, true, "note    %s", stale_evaluations_text(sweep));
    if (dropped)
        progress_message(sweep->jobs.progress, false,
                         "note    %d finished run%s no longer in '%s' (see `poslab runs`); `poslab prune` "
                         "would delete them; --set name=NAME makes another experiment",
                         dropped, dropped == 1 ? " is" : "s are", plan->experiment->name);
    /* Results of a run whose parent is retrained are deleted at once: after an interruption they would belong
       to the old weights of the parent. */
    for (int i = 0; i < sweep->jobs.count; i++) {
        Job *job = &sweep->jobs.items[i];
        if (job->parent && !run_task_forget(&job->task, sweep->jobs.store, sweep->arena, err))
            return err->code;
    }
    jobs_run(&sweep->jobs);
    return conclude(sweep, err);
}

static ExitCode sweep_dry(Sweep *sweep, Error *err) {
    struct stat file;
    bool empty = stat(sweep->database, &file) == 0 && S_ISREG(file.st_mode) && file.st_size == 0;
    if (!empty && access(sweep->database, F_OK) == 0) { /* an empty file counts as missing */
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
    sweep->jobs.store = database_open_locked(sweep->database, DATABASE_CREATE, err);
    ExitCode code = sweep->jobs.store ? sweep_stored(sweep, err) : err->code;
    close(program);
    return code;
}

ExitCode sweep_run(const Plan *plan, const SweepOptions *options, Error *err) {
    int slots = (int)options->jobs.slots;
    if (slots < 1 || slots > JOBS_MOST) BUG("%d jobs", slots);
    Sweep sweep = {.plan = plan, .options = options, .arena = arena_new(0)};
    sweep.database = config_database(plan->experiment, options->database, sweep.arena);
    sweep.jobs = (Jobs){.items = NEW(sweep.arena, plan->count, Job),
                        .slots = NEW(sweep.arena, slots, Job *),
                        .options = options->jobs,
                        .arena = sweep.arena};
    ExitCode code = options->dry_run ? sweep_dry(&sweep, err) : sweep_locked(&sweep, err);
    database_close(sweep.jobs.store);
    arena_free(sweep.arena);
    return code;
}
