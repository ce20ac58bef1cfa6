/* plan_memory: how many runs fit into memory at the same time.
 *
 * A run is given by its peak bytes (plan_resident). Runs may start in any order, so the largest ones are
 * assumed to run together. The parent process also needs open files for each worker.
 */
#ifndef POSLAB_EXPERIMENT_PLAN_MEMORY_H
#define POSLAB_EXPERIMENT_PLAN_MEMORY_H

#include "base/arena.h"

/* The number of runs that fit into memory at the same time in any combination; `count` if all do. */
int plan_memory_fitting(const double *bytes, int count, Arena *arena);

/* Fails with EXIT_USAGE if `jobs` runs at a time do not fit; the error names the number that does. (A
   single run that does not fit is an error of the plan.) Also raises the soft limit on open files to the
   number that the workers need, if the hard limit allows it. */
bool plan_memory_check(const double *bytes, int count, int jobs, Arena *arena, Error *err);

#endif
