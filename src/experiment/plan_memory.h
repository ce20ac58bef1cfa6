/* plan_memory: how many runs fit into the machine's memory at once. Whatever order they come in: reckoned are
 * those that take most, at their peaks. And how many workers a process can have with the files that it may
 * open.
 */
#ifndef POSLAB_EXPERIMENT_PLAN_MEMORY_H
#define POSLAB_EXPERIMENT_PLAN_MEMORY_H

#include "experiment/plan.h"

/* All points of a plan. */
const PlanPoint **crowd_of(const Plan *plan, Arena *arena);

/* At most this many of the points at once; `count` if all of them fit. */
int plan_memory_fitting(const PlanPoint *const *points, int count, Arena *arena);

/* Refuses more `jobs` at a time than fit (EXIT_USAGE), and says how many do. One alone is the plan's to
 * refuse. The process's limit on open files is raised as far as they need it and it is allowed. */
bool plan_memory_check(const PlanPoint *const *points, int count, int jobs, Arena *arena, Error *err);

#endif
