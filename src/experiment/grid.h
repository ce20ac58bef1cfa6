/* axes: from one experiment's JSON to the JSON of its points.
 *
 * `sweep` is an object of dotted path: list of values; the points are the product of its lists, the first
 * path varying slowest. A path that leads through another one ("method" and "method.base") is applied after
 * it. `exclude` is a list of objects of path: value; a point is dropped if all pairs of an entry match it. A
 * text matches an object whose `name` it is, an object matches one that has all its members.
 *
 * All of this works on JSON alone; whether a path means anything is found out when a point is read.
 */
#ifndef POSLAB_AXES_H
#define POSLAB_AXES_H

#include "base/json.h"

enum { AXES_MAX_POINTS = 10000, AXES_MAX_PATHS = 64, AXES_MAX_EXCLUDED = 1000 };

/* Sets a path of an experiment; takes ownership of the value. A path that `sweep` names loses its axis; a
   path into one that `sweep` names is set in each of its values. "sweep.PATH" sets an axis. */
bool axes_set(Json *experiment, const char *path, Json *value, const char *place, Err *err);

/* The same from the text "path=value" of --set (value: JSON, or else a text). */
bool axes_override(Json *experiment, const char *assignment, const char *place, Err *err);

typedef struct Axes Axes;

/* Checks `sweep` and `exclude`. The experiment must outlive the axes. */
Axes *axes_new(const Json *experiment, const char *place, Arena *arena, Err *err);

int axes_count(const Axes *axes); /* of the product, before `exclude` */

/* The index-th point: the experiment without `sweep` and `exclude`; to be given to json_free. NULL: an error.
 */
Json *axes_point(const Axes *axes, int index, Err *err);

/* Whether an entry of `exclude` matches the point. */
bool axes_excluded(Axes *axes, const Json *point);

/* Called after all points: an entry of `exclude` that matched none of them is an error. */
bool axes_finish(const Axes *axes, Err *err);

/* "train.length=64, train.seed=1"; "" without sweep. */
const char *axes_describe(const Axes *axes, int index, Arena *arena);

#endif
