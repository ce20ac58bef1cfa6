#include "cli/cmd_run.h"

#include <string.h>

#include "sys/mpi.h"
#include "sys/threads.h"
#include "run/reevaluate.h"
#include "slurm/manifest.h"

typedef struct Workers {
    int64_t jobs, threads; /* workers at a time; threads of each */
} Workers;

/* Started by mpirun, rank 0 does what one process would do, and calls the others to each run. Each of them
   computes on the threads that were asked for; a mistake is one on all ranks. */
static ExitCode together(const Arguments *arguments, ExitCode (*work)(const Arguments *, Workers, Error *),
                         Error *err) {
    Workers workers = {1, 1};
    if (!mpi_begin(err) || !arguments_count(arguments, 'j', 1, JOBS_MOST, &workers.jobs, err) ||
        !arguments_count(arguments, 'T', 1, THREADS_MAX, &workers.threads, err))
        return err->code;
    if (mpi_ranks() > 1 && workers.jobs > 1)
        return error_set(err, EXIT_USAGE, "%d ranks do one run at a time; leave out --jobs", mpi_ranks()),
               err->code;
    if (mpi_rank() > 0) return worker_serve((int)workers.threads);
    return worker_dismiss(work(arguments, workers, err));
}

static ExitCode run_sweep(const Arguments *arguments, Workers workers, Error *err) {
    int64_t retries = 0, timeout = 0;
    const char *retry = arguments->value['F'];
    if (!arguments_count(arguments, 'Y', 0, 1000, &retries, err) ||
        !arguments_count(arguments, 't', 1, 1000000000, &timeout, err))
        return err->code;
    bool failed = retry && strcmp(retry, "failed") == 0, changed = retry && strcmp(retry, "changed") == 0;
    if (retry && !failed && !changed)
        return error_set(err, EXIT_USAGE, "--retry takes 'failed' or 'changed', got '%s'", retry), err->code;
    const Experiment *experiment = config_read(arguments->words[0], arguments->sets, arguments->arena, err);
    const Plan *plan = experiment ? plan_make(experiment, (int)workers.threads, arguments->arena, err) : NULL;
    if (!plan) return err->code;
    SweepOptions sweep = {.jobs = (int)workers.jobs,
                          .threads = (int)workers.threads,
                          .retries = (int)retries,
                          .timeout = (int)timeout,
                          .only_failed = failed,
                          .retrain_changed = changed,
                          .quiet = arguments_given(arguments, 'q'),
                          .dry_run = arguments_given(arguments, 'n'),
                          .command = arguments->typed,
                          .database = arguments->value['D']};
    return sweep_run(plan, &sweep, err);
}

ExitCode cmd_run_run(const Arguments *arguments, Error *err) {
    return together(arguments, run_sweep, err);
}

ExitCode cmd_run_worker(const Arguments *arguments, Error *err) {
    int64_t threads = 1, task = 0;
    if (!arguments_count(arguments, 'T', 1, THREADS_MAX, &threads, err) ||
        !arguments_count(arguments, '+', 1, INT64_C(1) << 40, &task, err))
        return err->code;
    if (!mpi_begin(err)) return err->code;
    return task ? manifest_run_task(arguments->words[0], task, (int)threads, err)
                : worker_run(arguments->words[0], (int)threads, NULL, err);
}

static ExitCode run_eval(const Arguments *arguments, Workers workers, Error *err) {
    const char *const *value = arguments->value;
    ReevaluateOptions revisit = {.lengths = value['L'],
                                 .multiples = value['X'],
                                 .protocols = value['C'],
                                 .split = value['V'],
                                 .targets = value['N'],
                                 .variants = arguments->sets,
                                 .runs = value['U'],
                                 .methods = value['@'],
                                 .experiment = value['E']};
    revisit.sweep = (SweepOptions){.jobs = (int)workers.jobs,
                                   .threads = (int)workers.threads,
                                   .quiet = arguments_given(arguments, 'q'),
                                   .dry_run = arguments_given(arguments, 'n'),
                                   .command = arguments->typed,
                                   .database = value['D']};
    return reevaluate_run(arguments->words[0], &revisit, err);
}

ExitCode cmd_run_eval(const Arguments *arguments, Error *err) {
    return together(arguments, run_eval, err);
}
