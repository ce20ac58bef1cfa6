/* plan_memory: how many runs fit into the machine at once.
 *
 * Runs are given by the bytes that each needs at its peak (plan_resident). They may start in any order, so
 * the largest ones are assumed to run together. A process also needs open files for each worker.
 */
#ifndef POSLAB_EXPERIMENT_PLAN_MEMORY_H
#define POSLAB_EXPERIMENT_PLAN_MEMORY_H

#include "base/arena.h"

/* How many of the runs fit into memory at once in any combination; `count` if all do. */
int plan_memory_fitting(const double *bytes, int count, Arena *arena);

/* Fails with EXIT_USAGE if `jobs` runs at a time do not fit, and names the number that does. (A single run
   that does not fit is an error of the plan.) Also raises the soft limit on open files to the number that the
   workers need, if allowed. */
bool plan_memory_check(const double *bytes, int count, int jobs, Arena *arena, Error *err);

#endif
