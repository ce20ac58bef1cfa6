/* jobs: executes the runs of a sweep in worker processes, several at a time.
 *
 * jobs_run is a loop: it handles signals, starts workers in free slots, waits for output, and stores the
 * results of workers that have ended. Only this process writes to the database. With one slot, jobs are run
 * in their order. With several, the longest is started first, so that all slots become free at about the same
 * time. With several MPI ranks there are no worker processes: all ranks together perform one run at a time.
 */
#ifndef POSLAB_RUN_JOBS_H
#define POSLAB_RUN_JOBS_H

#include "experiment/plan.h"
#include "store/database.h"
#include "run/progress.h"
#include "run/run_task.h"
#include "run/worker_process.h"

enum { JOBS_MOST = 1024 }; /* the most slots */

/* One incomplete run. The caller sets the fields up to `parent`. */
typedef struct Job {
    const PlanPoint *point;
    const char *label, *folder;
    RunTask task;
    RunTaskNeed need;
    const struct Job *parent; /* an earlier job that trains the run that this job continues; NULL: none */
    double chain;             /* FLOPs of this job and of the longest chain of jobs that continue it */
    bool begun, ended;
    int attempts;         /* number of attempts that have failed */
    double last_progress; /* time of the last progress line of its worker (clock_now) */
    bool timed_out;       /* killed for lack of progress */
    WorkerProcess child;
} Job;

typedef struct JobsOptions {
    int64_t slots;      /* workers at a time, 1 .. JOBS_MOST */
    int64_t threads;    /* of each worker (sys/threads.h) */
    int64_t retries;    /* additional attempts of a run that fails */
    int64_t timeout;    /* seconds without progress after which a worker is killed; 0: never */
    bool evaluate_only; /* train nothing; a run that fails keeps its status */
} JobsOptions;

/* The jobs of a sweep and their state. Pointers are not owned. The caller sets the second part to zero, and
   jobs_run computes it. */
typedef struct Jobs {
    Job *items; /* [count]; parents before the jobs that continue them */
    int count;
    Job **slots; /* [options.slots] the job that runs in each slot, or NULL */
    JobsOptions options;
    const char *program; /* path of the program that is executed as worker */
    Database *store;
    Progress *progress;
    Arena *arena;

    int begun, running, failed, diverged, left; /* numbers of jobs; left: stopped or not started */
    bool stopping, killing; /* after the first signal or a fatal error; after the second signal */
    const char *refused;    /* the last reason of a run that failed with EXIT_SYSTEM, or NULL */
    Error fatal;            /* error that ends the sweep; code EXIT_DONE: none */
} Jobs;

/* Executes the jobs until all have ended, or until a signal or an error. */
void jobs_run(Jobs *jobs);

/* Imports FOLDER/result.db, if it exists, and removes it. A damaged file is removed without import; its
   results remain missing. After other errors returns false with jobs->fatal set. */
bool jobs_import_result(Jobs *jobs, const char *folder);

/* FLOPs of the training and of the evaluations that a job has to do. */
double jobs_train_work(const Job *job);
double jobs_evaluate_work(const Job *job);

#endif
