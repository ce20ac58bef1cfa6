/* missing: what a planned run lacks, as the task of a worker. */
#ifndef POSLAB_MISSING_H
#define POSLAB_MISSING_H

#include "store/database.h"
#include "run/worker.h"

/* The training's outcome is stored, whatever became of later evaluations. */
bool missing_is_trained(Store *store, const char *key);

/* The training's outcome is stored, and sources other than this program's had part in it. */
bool missing_is_changed(Store *store, const char *key);

/* Fills key, trained and requests (owned by the arena) with what the point lacks by now; without a store that
   is everything. Returns whether anything is missing; a diverged run lacks nothing. */
bool missing_task(WorkerTask *task, Store *store, const PlanPoint *point, Arena *arena);

#endif
