/* plan_memory: how many runs fit into the machine at once.
 *
 * Runs are given by the bytes that each needs at its peak (plan_resident). They may start in any order, so
 * the largest ones are assumed to run together. A process also needs open files for each worker.
 */
#ifndef POSLAB_EXPERIMENT_PLAN_MEMORY_H
#define POSLAB_EXPERIMENT_PLAN_MEMORY_H

#include "base/arena.h"

/* How many of the runs fit into memory at once, whichever they are; `count` if all of them do. */
int plan_memory_fitting(const double *bytes, int count, Arena *arena);

/* Refuses more `jobs` at a time than fit (EXIT_USAGE) and says how many do. A single run is the plan's to
   refuse. Raises the process's limit on open files to what the workers need, where that is allowed. */
bool plan_memory_check(const double *bytes, int count, int jobs, Arena *arena, Error *err);

#endif
