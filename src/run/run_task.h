/* run_task: what a worker has to do: which parts of a planned run are missing. */
#ifndef POSLAB_RUN_TASK_H
#define POSLAB_RUN_TASK_H

#include "train/evaluate.h"
#include "experiment/plan.h"
#include "store/database.h"

typedef struct WorkerTask {
    char key[KEY_TEXT];
    bool trained;       /* the training is stored already: only evaluations are missing */
    bool evaluate_only; /* and if its weights cannot be loaded, that is an error: it is not trained again */
    EvaluateRequest *requests;
    int request_count;
} WorkerTask;

/* The training's outcome is stored, whatever became of later evaluations. */
bool missing_is_trained(Store *store, const char *key);

/* The training's outcome is stored, and sources other than this program's had part in it. */
bool missing_is_changed(Store *store, const char *key);

/* Fills key, trained and requests (owned by the arena) with what the point lacks by now; without a store that
   is everything. Returns whether anything is missing; a diverged run lacks nothing. */
bool missing_task(WorkerTask *task, Store *store, const PlanPoint *point, Arena *arena);

#endif
