/* run_task: decides which parts of a planned run are missing; the result is the task of a worker.
 *
 * A run is skipped if its training and all requested evaluations are stored under its key, or if it diverged.
 * A trained run that lacks evaluations is only evaluated. A stale run, whose method's file was edited since
 * its training, is trained again; so are, if requested, runs of other shared sources. A stale evaluation, by
 * a variant whose method's file was edited, is repeated; its result replaces the old one (store/merge.h).
 */
#ifndef POSLAB_RUN_TASK_H
#define POSLAB_RUN_TASK_H

#include "train/evaluate.h"
#include "experiment/plan.h"
#include "store/runs.h"

typedef struct RunTask {
    char key[PLAN_KEY_SIZE];
    bool trained;       /* training is complete: only evaluations are missing */
    bool evaluate_only; /* fail if its weights cannot be loaded, instead of training again */
    bool imported;      /* the same, since another program trained it (run/import.h) */
    bool retrain;       /* what is stored of it must be deleted before it starts: run_task_forget */
    const char
        *from; /* the weights of the run that it continues; NULL: it continues none, or they are lost */
    EvaluateRequest *requests;
    int request_count;
    int stale; /* number of stale evaluations of a run that is not stale */
} RunTask;

/* Which trained runs are trained again, never imported ones; RUN_TASK_NONE also keeps stale evaluations. */
typedef enum RunTaskRetrain {
    RUN_TASK_NONE,
    RUN_TASK_STALE,
    RUN_TASK_STALE_AND_CHANGED,
    RUN_TASK_ALL
} RunTaskRetrain;
bool run_task_retrains(const RunState *state, RunTaskRetrain which);

/* What must be done with one point of a plan. retrain: delete its training and its evaluations, and train it
   again; also set for a trained run if the run that it continues is retrained. train: train it; without
   `retrain` its stored evaluations are kept (its weights were lost, and a missing evaluation or a run that
   continues it needs them). repeat: repeat its stale evaluations. */
typedef struct RunTaskNeed {
    bool retrain, train, repeat;
} RunTaskNeed;
const RunTaskNeed *run_task_needs(Database *store, const Plan *plan, RunTaskRetrain which, Arena *arena);

/* Sets key, trained, retrain and requests (owned by the arena) to what a point with this need lacks; without
   a store everything is missing. Returns whether anything is missing; a diverged run that is not trained
   again lacks nothing. */
bool run_task_needed(RunTask *task, Database *store, const PlanPoint *point, RunTaskNeed need, Arena *arena);

/* Deletes the outcome of the task's run from the database and its folders, if the run must be retrained. */
bool run_task_forget(RunTask *task, Database *store, Arena *arena, Error *err);

/* Counts the stale runs of a plan, and the stale evaluations of the other runs. */
void run_task_count_stale(Plan *plan, Database *store, Arena *arena);

/* The reason why the run that a point continues has no weights to start with, and the remedy; NULL: it has
   (their path is *path), or the point continues none (*path is NULL). */
const char *run_task_lacks_parent(const char **path, Database *store, const PlanPoint *point, Arena *arena);

/* "2 of 8 runs are stale: the file of their method was edited after the training", and of evaluations. */
const char *run_task_stale_text(int stale, int runs, Arena *arena);
const char *run_task_stale_evaluations_text(int stale, Arena *arena);

/* The task as JSON (requests.json), and back; errors (usage) begin with `source`. */
Json *run_task_json(const RunTask *task, Arena *arena);
bool run_task_read(RunTask *task, const Json *root, const char *source, Arena *arena, Error *err);

#endif
