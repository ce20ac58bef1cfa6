/* selection: what conditions (--where, --methods) leave of the results of experiments; several experiments as
 * one.
 *
 * A condition names a field of observations (analysis/observations.h) and a value. Several conditions about
 * one field are alternatives; those about different fields must all hold. What is left is a Results like
 * any other, whose signature describes the evaluations that are left, followed by the conditions.
 */
#ifndef POSLAB_ANALYSIS_SELECTION_H
#define POSLAB_ANALYSIS_SELECTION_H

#include "analysis/results.h"

/* Replaces each of the sets by what the conditions leave of it, and removes sets of which nothing is left.
   where: "field=value"; methods: names or labels; both NULL-terminated, or NULL. Without conditions the sets
   are unchanged. Errors: an unknown field; a condition that holds for nothing, with the values that the field
   has; conditions that never hold together (usage); failure to read. */
bool selection_apply(const Results **sets, int *count, const char *const *where, const char *const *methods,
                     Arena *arena, Error *err);

/* Replaces one set by what conditions in one text leave of it: "field=value,field=value". */
bool selection_choose(const Results **set, const char *conditions, Arena *arena, Error *err);

/* The series of several experiments, also of several databases, in one Results, with the reference numbers of
   the first. Their names have all settings in which the series differ, and `paths` all keys. */
Results *selection_join(const Results *const *sets, int count, Arena *arena);

#endif
