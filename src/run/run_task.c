#include "run/run_task.h"

#include <string.h>

#include "store/run_folder.h"

bool run_task_retrains(const RunState *state, RunTaskRetrain which) {
    return (state->stale && which != RUN_TASK_NONE) ||
           (state->changed && which == RUN_TASK_STALE_AND_CHANGED);
}

bool run_task_missing(RunTask *task, Database *store, const PlanPoint *point, RunTaskRetrain which,
                      Arena *arena) {
    RunState state = runs_state(store, point->key);
    bool retrain = run_task_retrains(&state, which);
    memcpy(task->key, point->key, sizeof point->key);
    task->retrain = retrain;
    task->trained = state.trained && !retrain;
    task->requests = NEW(arena, point->request_count, EvaluateRequest);
    task->request_count = 0;
    for (int i = 0; i < point->request_count; i++)
        if (!store || retrain || !runs_has_evaluation(store, point->key, &point->requests[i]))
            task->requests[task->request_count++] = point->requests[i];
    return retrain || (state.status != RUN_DIVERGED &&
                       (task->request_count || !task->trained || state.status != RUN_DONE));
}

bool run_task_forget(RunTask *task, Database *store, Arena *arena, Error *err) {
    if (!task->retrain) return true;
    if (!runs_delete_training(store, task->key, err)) return false;
    run_folder_delete_files(store, task->key, arena);
    task->retrain = false;
    return true;
}

int run_task_stale(Database *store, const Plan *plan) {
    int stale = 0;
    for (int i = 0; i < plan->count; i++) stale += runs_state(store, plan->points[i].key).stale;
    return stale;
}

const char *run_task_stale_text(int stale, int runs, Arena *arena) {
    return arena_format(arena, "%d of %d run%s %s stale: the file of %s method was edited after the training",
                        stale, runs, runs == 1 ? "" : "s", stale == 1 ? "is" : "are",
                        stale == 1 ? "its" : "their");
}
