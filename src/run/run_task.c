#include "run/run_task.h"

#include <string.h>

#include "store/runs.h"

bool run_task_missing(RunTask *task, Database *store, const PlanPoint *point, Arena *arena) {
    RunState state = runs_state(store, point->key);
    memcpy(task->key, point->key, sizeof point->key);
    task->trained = state.trained;
    task->requests = NEW(arena, point->request_count, EvaluateRequest);
    task->request_count = 0;
    for (int i = 0; i < point->request_count; i++)
        if (!store || !runs_has_evaluation(store, point->key, &point->requests[i]))
            task->requests[task->request_count++] = point->requests[i];
    return state.status != RUN_DIVERGED &&
           (task->request_count || !task->trained || state.status != RUN_DONE);
}
