/* grid: expands the JSON of an experiment to the JSON of its points.
 *
 * `sweep` is an object of dotted path: list of values. The points are the product of its lists; the first
 * path varies slowest. A path inside another one ("method.base" inside "method") is applied after it. A
 * list of such objects (blocks) is the union of their products, in order. A method that is an object can
 * have keys with dots: paths that are set at the points of this method. `exclude` is a list of objects of
 * path: value; it removes the points that match all pairs of an entry. A text matches an object with that
 * `name`; an object matches an object that has all its members. This module does not know the keys of a
 * config: a wrong path is an error when the point is read.
 */
#ifndef POSLAB_EXPERIMENT_GRID_H
#define POSLAB_EXPERIMENT_GRID_H

#include "base/json.h"

enum { GRID_MAX_POINTS = 10000, GRID_MAX_PATHS = 64, GRID_MAX_BLOCKS = 100, GRID_MAX_EXCLUDED = 1000 };

/* Sets a path of an experiment; the value becomes part of the tree. An axis of `sweep` with this path is
   removed. A path inside an axis is set in each value of the axis, and values that methods set at this path
   are removed. "sweep.PATH" sets an axis of every block. */
bool grid_set(Json *experiment, const char *path, Json *value, const char *source, Error *err);

/* The same from the argument "path=value" of --set; the value is JSON, otherwise a text. */
bool grid_override(Json *experiment, const char *assignment, const char *source, Error *err);

typedef struct Grid Grid;

/* Checks `sweep` and `exclude`. The experiment must live as long as the grid. */
Grid *grid_new(const Json *experiment, const char *source, Arena *arena, Error *err);

int grid_count(const Grid *axes); /* number of points before `exclude` */

/* The JSON of point `index`: the experiment without `sweep` and `exclude`. NULL on error. */
Json *grid_point(const Grid *axes, int index, Arena *arena, Error *err);

/* Whether a point has all values of an object of values by path. An object matches an object with at least
   its members, a text also the name of an object. */
bool grid_matches(const Json *values, const Json *point);

/* Whether an entry of `exclude` matches the point. */
bool grid_excluded(Grid *axes, const Json *point);

/* Called after the last point: an entry of `exclude` that matched no point is an error. */
bool grid_finish(const Grid *axes, Error *err);

/* The values of a point: "train.length=64, train.seed=1"; "" without a sweep. */
const char *grid_describe(const Grid *axes, int index, Arena *arena);

#endif
