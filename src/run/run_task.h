/* run_task: decides which parts of a planned run are missing. The result is the task of a worker.
 *
 * A run is skipped if its training and all requested evaluations are stored under its key, or if it diverged.
 * A trained run that lacks evaluations is only evaluated. A run is stale, and trained again, if the file of
 * its method was edited after the training. On request, runs that were trained with other shared sources are
 * trained again, too. An evaluation is stale, and repeated, if the file of its variant's method was edited.
 */
#ifndef POSLAB_RUN_TASK_H
#define POSLAB_RUN_TASK_H

#include "train/evaluate.h"
#include "experiment/plan.h"
#include "store/runs.h"

typedef struct RunTask {
    char key[PLAN_KEY_SIZE];
    bool trained;       /* the training is complete: only evaluations are missing */
    bool evaluate_only; /* fail if the weights cannot be loaded, instead of training again */
    bool imported;      /* the same, since another program trained it (run/import.h) */
    bool retrain;       /* the stored results must be deleted before the run starts (run_task_forget) */
    const char *from;   /* path of the weights of the run that this one continues; NULL: none, or lost */
    EvaluateRequest *requests; /* [request_count]: missing evaluations */
    int request_count;
    int stale; /* number of stale evaluations; 0 if the run itself is stale */
} RunTask;

/* Which trained runs are trained again, never imported ones. RUN_TASK_NONE also keeps stale evaluations. */
typedef enum RunTaskRetrain {
    RUN_TASK_NONE,
    RUN_TASK_STALE,
    RUN_TASK_STALE_AND_CHANGED,
    RUN_TASK_ALL
} RunTaskRetrain;
bool run_task_retrains(const RunState *state, RunTaskRetrain which);

/* What must be done with one point of a plan, apart from its missing evaluations. */
typedef struct RunTaskNeed {
    bool retrain; /* delete its training and evaluations, and train it; also set for a trained run if the run
                     that it continues is retrained */
    bool train;   /* train it. Without `retrain`, stored evaluations are kept: the weights are lost, and a
                     missing evaluation or a run that continues this one needs them */
    bool repeat;  /* repeat its stale evaluations */
} RunTaskNeed;

/* [points of the plan]: what must be done with each point. Owned by the arena. */
const RunTaskNeed *run_task_needs(Database *store, const Plan *plan, RunTaskRetrain which, Arena *arena);

/* Makes the task of a point with this need: sets key, trained, retrain and requests (owned by the arena). If
   `store` is NULL, everything is missing. Returns whether anything is missing; a diverged run that is not
   trained again lacks nothing. */
bool run_task_needed(RunTask *task, Database *store, const PlanPoint *point, RunTaskNeed need, Arena *arena);

/* If the run must be retrained, deletes its results from the database and its files from the run folders. */
bool run_task_forget(RunTask *task, Database *store, Arena *arena, Error *err);

/* Counts the stale runs of a plan, and the stale evaluations of the other runs. */
void run_task_count_stale(Plan *plan, Database *store, Arena *arena);

/* If the run that a point continues has no usable weights, returns the reason and the remedy. Otherwise
   returns NULL; *path is the path of the weights, or NULL if the point continues no run. */
const char *run_task_lacks_parent(const char **path, Database *store, const PlanPoint *point, Arena *arena);

/* Sentences such as "2 of 8 runs are stale: the file of their method was edited after the training". */
const char *run_task_stale_text(int stale, int runs, Arena *arena);
const char *run_task_stale_evaluations_text(int stale, Arena *arena);

/* Write a task as JSON (requests.json), and read it. Errors (EXIT_USAGE) begin with `source`. */
Json *run_task_json(const RunTask *task, Arena *arena);
bool run_task_read(RunTask *task, const Json *root, const char *source, Arena *arena, Error *err);

#endif
