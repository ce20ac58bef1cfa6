/* launch: see launch.h. */
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
static ExitCode together(const Arguments *arguments, ExitCode (*work)(const Arguments *, Workers, Err *),
                         Err *err) {
    Workers workers = {1, 1};
    if (!ranks_begin(err) || !arguments_count(arguments, 'j', 1, SWEEP_JOBS_MOST, &workers.jobs, err) ||
        !arguments_count(arguments, 'T', 1, LANES_MOST, &workers.threads, err))
        return err->code;
    if (ranks_count() > 1 && workers.jobs > 1)
        return err_set(err, EXIT_USAGE, "%d ranks do one run at a time; leave out --jobs", ranks_count()),
               err->code;
    if (ranks_number() > 0) return worker_serve((int)workers.threads);
    return worker_dismiss(work(arguments, workers, err));
}

static ExitCode run_sweep(const Arguments *arguments, Workers workers, Err *err) {
    int64_t retries = 0, timeout = 0;
    const char *retry = arguments->value['F'];
    if (!arguments_count(arguments, 'Y', 0, 1000, &retries, err) ||
        !arguments_count(arguments, 't', 1, 1000000000, &timeout, err))
        return err->code;
    bool failed = retry && strcmp(retry, "failed") == 0, changed = retry && strcmp(retry, "changed") == 0;
    if (retry && !failed && !changed)
        return err_set(err, EXIT_USAGE, "--retry takes 'failed' or 'changed', got '%s'", retry), err->code;
    const Experiment *experiment = config_read(arguments->words[0], arguments->sets, arguments->arena, err);
    const Plan *plan = experiment ? plan_make(experiment, (int)workers.threads, arguments->arena, err) : NULL;
    if (!plan) return err->code;
    SweepOptions sweep = {.jobs = (int)workers.jobs,
                          .threads = (int)workers.threads,
                          .retries = (int)retries,
                          .timeout = (int)timeout,
                          .only_failed = failed,
                          .changed_too = changed,
                          .quiet = arguments_given(arguments, 'q'),
                          .dry = arguments_given(arguments, 'n'),
                          .command = arguments->typed,
                          .database = arguments->value['D']};
    return sweep_run(plan, &sweep, err);
}

ExitCode launch_run(const Arguments *arguments, Err *err) {
    return together(arguments, run_sweep, err);
}

ExitCode launch_worker(const Arguments *arguments, Err *err) {
    int64_t threads = 1, task = 0;
    if (!arguments_count(arguments, 'T', 1, LANES_MOST, &threads, err) ||
        !arguments_count(arguments, '+', 1, INT64_C(1) << 40, &task, err))
        return err->code;
    if (!ranks_begin(err)) return err->code;
    return task ? task_run(arguments->words[0], task, (int)threads, err)
                : worker_run(arguments->words[0], (int)threads, NULL, err);
}

static ExitCode run_eval(const Arguments *arguments, Workers workers, Err *err) {
    const char *const *value = arguments->value;
    RevisitOptions revisit = {.lengths = value['L'],
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
                                   .dry = arguments_given(arguments, 'n'),
                                   .command = arguments->typed,
                                   .database = value['D']};
    return revisit_run(arguments->words[0], &revisit, err);
}

ExitCode launch_eval(const Arguments *arguments, Err *err) {
    return together(arguments, run_eval, err);
}
