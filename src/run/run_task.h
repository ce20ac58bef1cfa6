/* run_task: what a worker has to do: which parts of a planned run are missing.
 *
 * A run is skipped if its training and all requested evaluations are stored under its key, or if it
 * diverged. A trained run that lacks evaluations is only evaluated.
 */
#ifndef POSLAB_RUN_TASK_H
#define POSLAB_RUN_TASK_H

#include "train/evaluate.h"
#include "experiment/plan.h"
#include "store/database.h"

typedef struct RunTask {
    char key[PLAN_KEY_SIZE];
    bool trained;       /* the training is stored already: only evaluations are missing */
    bool evaluate_only; /* and if its weights cannot be loaded, that is an error: it is not trained again */
    EvaluateRequest *requests;
    int request_count;
} RunTask;

/* Fills key, trained and requests (owned by the arena) with what the point lacks by now; without a store that
   is everything. Returns whether anything is missing; a diverged run lacks nothing. */
bool run_task_missing(RunTask *task, Database *store, const PlanPoint *point, Arena *arena);

#endif
