/* jobs: executes the runs of a sweep in worker processes, several at a time.
 *
 * jobs_run is one loop: handle signals, start workers in free slots, wait for output, store the outcome of
 * runs whose workers have ended. One worker takes the jobs in their order; several take the longest first, so
 * that at the end no worker has a long run while the others have none. Only this process writes to the
 * database. With several MPI ranks there are no worker processes: all ranks perform one run after the other
 * together.
 */
#ifndef POSLAB_RUN_JOBS_H
#define POSLAB_RUN_JOBS_H

#include "experiment/plan.h"
#include "store/database.h"
#include "run/progress.h"
#include "run/run_task.h"
#include "run/worker_process.h"

enum { JOBS_MOST = 1024 }; /* at a time */

/* One incomplete run. The caller sets the fields up to `parent`. */
typedef struct Job {
    const PlanPoint *point;
    const char *label, *folder;
    RunTask task;
    RunTaskNeed need;
    const struct Job *parent; /* the run that it continues, if that is not done; an earlier job */
    double chain;             /* FLOPs of this job and of the longest chain of jobs that continue it */
    bool begun, ended;
    int attempts;         /* that have ended */
    double last_progress; /* time of the last progress line of its worker (clock_now) */
    bool timed_out;       /* killed for lack of progress */
    WorkerProcess child;
} Job;

typedef struct JobsOptions {
    int64_t slots;      /* workers at a time, 1 .. JOBS_MOST */
    int64_t threads;    /* of each worker (sys/threads.h) */
    int64_t retries;    /* further attempts of a run that fails */
    int64_t timeout;    /* seconds without progress after which a worker is killed; 0: never */
    bool evaluate_only; /* train nothing; a run that fails keeps its status */
} JobsOptions;

/* The jobs and their settings; nothing is owned. The caller sets the second part to zero; jobs_run fills it
   in. */
typedef struct Jobs {
    Job *items; /* [count]; parents before the jobs that continue them */
    int count;
    Job **slots; /* [options.slots] running jobs, or NULL */
    JobsOptions options;
    const char *program; /* executed as worker */
    Database *store;
    Progress *progress;
    Arena *arena;

    int begun, running, failed, diverged, left; /* left: stopped or not started */
    bool stopping, killing;
    const char *refused; /* why the system refused to write the files of a run, or NULL */
    Error fatal;         /* error that ends the sweep; code EXIT_DONE: none */
} Jobs;

void jobs_run(Jobs *jobs);

/* Imports FOLDER/result.db, if it exists, and removes it. A damaged file is removed without import, so that
   its results remain missing. Returns false with jobs->fatal set after other errors. */
bool jobs_import_result(Jobs *jobs, const char *folder);

/* FLOPs of the training and of the evaluations that a job lacks. */
double jobs_train_work(const Job *job);
double jobs_evaluate_work(const Job *job);

#endif
