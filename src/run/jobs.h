/* jobs: runs of a sweep in worker processes, several at a time.
 *
 * jobs_run turns in one loop: handle signals, start workers while there are free slots, wait for output,
 * store the outcome of the runs whose workers have ended. With several MPI ranks there are no workers: the
 * ranks do one run after the other together.
 */
#ifndef POSLAB_RUN_JOBS_H
#define POSLAB_RUN_JOBS_H

#include "experiment/plan.h"
#include "store/database.h"
#include "run/progress.h"
#include "run/run_task.h"
#include "run/worker_process.h"

enum { JOBS_MOST = 1024 }; /* at a time */

/* One run that lacks something. The caller sets the first five fields. */
typedef struct Job {
    const PlanPoint *point;
    const char *label, *folder;
    RunTask task;
    bool retrain;         /* its stored results and its files are deleted before it begins */
    int attempts;         /* that have ended */
    double last_progress; /* when its worker last made progress (clock_now) */
    bool timed_out;       /* it was killed for making none */
    WorkerProcess child;
} Job;

/* The jobs and how to do them; nothing is owned. jobs_run fills in the second part, which begins as zero. */
typedef struct Jobs {
    Job *items; /* [count], in the order in which they begin */
    int count;
    Job **slots;         /* [slot_count] the running ones, or NULL */
    int slot_count;      /* workers at a time, 1 .. JOBS_MOST */
    int threads;         /* of each worker */
    int retries;         /* further attempts of a run that fails */
    int timeout;         /* seconds without progress after which a worker is killed; 0: never */
    bool evaluate_only;  /* nothing is trained: a run that fails keeps its status */
    const char *program; /* that workers run */
    Database *store;
    Progress *progress;
    Arena *arena;

    int next, running, failed, diverged, left; /* left: stopped, or never started */
    bool stopping, killing;
    const char *refused; /* by the system: why a run could not be written, or NULL */
    Error fatal;         /* what ends the sweep; code EXIT_DONE: none */
} Jobs;

void jobs_run(Jobs *jobs);

/* Imports FOLDER/result.db, if there is one, and removes it. A damaged one is only removed: the run then
   lacks what was in it. Other errors are in jobs->fatal. */
bool jobs_import_result(Jobs *jobs, const char *folder);

/* FLOPs of what a job lacks. */
double jobs_train_work(const Job *job);
double jobs_evaluate_work(const Job *job);

#endif
