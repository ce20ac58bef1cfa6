/* launch: see launch.h. */
#include "launch.h"

#include <string.h>

#include "lanes.h"
#include "ranks.h"
#include "revisit.h"
#include "task.h"

/* Started by mpirun, rank 0 does what one process would do, and calls the others to each run. */
static ExitCode together(const Arguments *arguments, ExitCode (*work)(const Arguments *, Err *), Err *err) {
    if (!ranks_begin(err)) return err->code;
    if (ranks_number() == 0) return worker_dismiss(work(arguments, err));
    int64_t threads = 1;
    if (arguments_count(arguments, 'T', 1, LANES_MOST, &threads, err)) lanes_set((int)threads);
    return worker_serve();
}

/* The threads of a worker are this process's own where there are several ranks. */
static bool set_threads(int64_t jobs, int64_t threads, Err *err) {
    if (ranks_count() == 1) return true;
    if (jobs > 1)
        return err_set(err, EXIT_USAGE, "%d ranks do one run at a time; leave out --jobs", ranks_count());
    lanes_set((int)threads);
    return true;
}

static ExitCode run_sweep(const Arguments *arguments, Err *err) {
    int64_t jobs = 1, threads = 1, retries = 0, timeout = 0;
    const char *retry = arguments->value['F'];
    if (!arguments_count(arguments, 'j', 1, 1024, &jobs, err) ||
        !arguments_count(arguments, 'T', 1, 1024, &threads, err) ||
        !arguments_count(arguments, 'Y', 0, 1000, &retries, err) ||
        !arguments_count(arguments, 't', 1, 1000000000, &timeout, err))
        return err->code;
    bool failed = retry && strcmp(retry, "failed") == 0, changed = retry && strcmp(retry, "changed") == 0;
    if (retry && !failed && !changed)
        return err_set(err, EXIT_USAGE, "--retry takes 'failed' or 'changed', got '%s'", retry), err->code;
    if (!set_threads(jobs, threads, err)) return err->code;
    const Experiment *experiment = config_read(arguments->words[0], arguments->sets, arguments->arena, err);
    const Plan *plan = experiment ? plan_make(experiment, arguments->arena, err) : NULL;
    if (!plan) return err->code;
    SweepOptions sweep = {.jobs = (int)jobs,
                          .threads = (int)threads,
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
    lanes_set((int)threads);
    if (!ranks_begin(err)) return err->code;
    return task ? task_run(arguments->words[0], task, err) : worker_run(arguments->words[0], NULL, err);
}

static ExitCode run_eval(const Arguments *arguments, Err *err) {
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
    int64_t jobs = 1, threads = 1;
    if (!arguments_count(arguments, 'j', 1, 1024, &jobs, err) ||
        !arguments_count(arguments, 'T', 1, 1024, &threads, err))
        return err->code;
    if (!set_threads(jobs, threads, err)) return err->code;
    revisit.sweep = (SweepOptions){.jobs = (int)jobs,
                                   .threads = (int)threads,
                                   .quiet = arguments_given(arguments, 'q'),
                                   .dry = arguments_given(arguments, 'n'),
                                   .command = arguments->typed,
                                   .database = value['D']};
    return revisit_run(arguments->words[0], &revisit, err);
}

ExitCode launch_eval(const Arguments *arguments, Err *err) {
    return together(arguments, run_eval, err);
}
