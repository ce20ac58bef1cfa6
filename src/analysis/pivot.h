/* pivot: the comparison table of an experiment, with chosen rows and columns.
 *
 * Every observation (analysis/observations.h) is in the row and column of its values. Fields that neither
 * rows nor columns show split the table: there is one grid for each of their values, with a caption.
 * By default rows are methods at a training length under a protocol, and columns are evaluation lengths;
 * training lengths for which the experiment requests other lengths then have a grid of their own. What was
 * not requested at a length of the grid is "-".
 *
 * The best numbers are marked (except where the output cannot show it, see `mark`). Among observations under
 * equal conditions (the same corpus, split, protocol and length and, where methods are compared, the same
 * training length) these are the lowest mean and every number that is not distinguishable from it: p >= 0.05
 * in the paired bootstrap of math/stats.h, with Holm's correction over those compared. With one seed nothing
 * can be tested and only the lowest number is marked. A note says which rule was used. Ratios are not
 * tested.
 *
 * Of an experiment on a task, columns are sizes, those of training marked in the head; a number is the median
 * over seeds of the metric, the best is the highest median (of nll the lowest), and examples take the place
 * of windows in the test.
 */
#ifndef POSLAB_ANALYSIS_PIVOT_H
#define POSLAB_ANALYSIS_PIVOT_H

#include "base/table.h"
#include "analysis/results.h"

typedef struct PivotOptions {
    const char *rows, *columns; /* names of fields, separated by commas; NULL: the default */
    bool ratio;                 /* to the value at the training length */
    bool paper;                 /* with the paper's numbers, at the same multiples of the training length */
    bool mark;                  /* the best numbers */
    SeriesMetric metric;        /* of tasks; SERIES_PERPLEXITY: the exact match */
} PivotOptions;

/* For people only. NULL and err: an unknown field, failure to read. Without
   observations it has no rows. */
Table *pivot_table(const Results *set, const PivotOptions *options, Arena *arena, Error *err);

#endif
