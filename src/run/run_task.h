/* run_task: decides which parts of a planned run are missing; the result is the task of a worker.
 *
 * A run is skipped if its training and all requested evaluations are stored under its key, or if it diverged.
 * A trained run that lacks evaluations is only evaluated.
 */
#ifndef POSLAB_RUN_TASK_H
#define POSLAB_RUN_TASK_H

#include "train/evaluate.h"
#include "experiment/plan.h"
#include "store/database.h"

typedef struct RunTask {
    char key[PLAN_KEY_SIZE];
    bool trained;       /* training is complete: only evaluations are missing */
    bool evaluate_only; /* fail if its weights cannot be loaded, instead of training again */
    EvaluateRequest *requests;
    int request_count;
} RunTask;

/* Sets key, trained and requests (owned by the arena) to what the point lacks; without a store everything is
   missing. Returns whether anything is missing; a diverged run lacks nothing. */
bool run_task_missing(RunTask *task, Database *store, const PlanPoint *point, Arena *arena);

/* The task as JSON (requests.json), and back; errors (usage) begin with `source`. */
Json *run_task_json(const RunTask *task, Arena *arena);
bool run_task_read(RunTask *task, const Json *root, const char *source, Arena *arena, Error *err);

#endif
