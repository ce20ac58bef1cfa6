#include "run/run_task.h"

#include <string.h>

#include "sys/version.h"
#include "store/runs.h"

static bool found(Database *store, const char *sql, const char *const *values) {
    Error ignored;
    Query *query = query_begin(store, sql, values);
    bool found = query_next(query);
    return query_end(query, &ignored) && found;
}

bool run_task_is_trained(Database *store, const char *key) {
    return found(store, "SELECT 1 FROM run WHERE key = ? AND steps IS NOT NULL",
                 (const char *const[]){key, NULL});
}

bool run_task_other_revision(Database *store, const char *key) {
    return found(store, "SELECT 1 FROM run WHERE key = ? AND steps IS NOT NULL AND revision IS NOT ?",
                 (const char *const[]){key, version_revision(), NULL});
}

bool run_task_missing(RunTask *task, Database *store, const PlanPoint *point, Arena *arena) {
    RunStatus status = store ? runs_status(store, point->key) : RUN_PENDING;
    memcpy(task->key, point->key, sizeof point->key);
    task->trained = store && run_task_is_trained(store, point->key);
    task->requests = NEW(arena, point->request_count, EvaluateRequest);
    task->request_count = 0;
    for (int i = 0; i < point->request_count; i++)
        if (!store || !runs_has_evaluation(store, point->key, &point->requests[i]))
            task->requests[task->request_count++] = point->requests[i];
    return status != RUN_DIVERGED && (task->request_count || !task->trained || status != RUN_DONE);
}
