/* grid: from the JSON of one experiment to the JSON of its points.
 *
 * `sweep` is an object of dotted path: list of values; the points are the product of its lists, the first
 * path varying slowest. A path that leads through another one ("method" and "method.base") is applied after
 * it. A list of such objects, blocks, is the union of their products, one after the other. A method that is
 * an object can have keys with dots: they are paths that are set at the points of this method. `exclude` is a
 * list of objects of path: value; a point is removed if all pairs of an entry match it. A text matches an
 * object with that `name`, and an object matches one that has all its members. This module knows JSON only:
 * whether a path exists in a config is found out when the point is read.
 */
#ifndef POSLAB_EXPERIMENT_GRID_H
#define POSLAB_EXPERIMENT_GRID_H

#include "base/json.h"

enum { GRID_MAX_POINTS = 10000, GRID_MAX_PATHS = 64, GRID_MAX_BLOCKS = 100, GRID_MAX_EXCLUDED = 1000 };

/* Sets a path of an experiment; the value becomes part of it. A path that `sweep` names loses its axis; a
   path into one that `sweep` names is set in each of its values, and what a method sets at this path is
   removed. "sweep.PATH" sets an axis, of every block. */
bool grid_set(Json *experiment, const char *path, Json *value, const char *source, Error *err);

/* The same from the text "path=value" of --set (value: JSON, or else a text). */
bool grid_override(Json *experiment, const char *assignment, const char *source, Error *err);

typedef struct Grid Grid;

/* Checks `sweep` and `exclude`. The experiment must outlive the axes. */
Grid *grid_new(const Json *experiment, const char *source, Arena *arena, Error *err);

int grid_count(const Grid *axes); /* of the product, before `exclude` */

/* The index-th point: the experiment without `sweep` and `exclude`. NULL: an error. */
Json *grid_point(const Grid *axes, int index, Arena *arena, Error *err);

/* Whether an entry of `exclude` matches the point. */
bool grid_excluded(Grid *axes, const Json *point);

/* Called after all points: an entry of `exclude` that matched none of them is an error. */
bool grid_finish(const Grid *axes, Error *err);

/* "train.length=64, train.seed=1"; "" without sweep. */
const char *grid_describe(const Grid *axes, int index, Arena *arena);

#endif
