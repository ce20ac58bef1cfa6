/* pivot: the comparison table of an experiment, with chosen rows and columns.
 *
 * The values of an observation (analysis/observations.h) determine its row and column. Fields that neither
 * rows nor columns show split the table into grids with captions. By default a row is a method at a training
 * length under a protocol, and a column is an evaluation length or, for tasks, a size. "-" marks what was not
 * requested.
 *
 * Among observations under equal conditions (corpus, split, protocol, length and, if methods are compared,
 * training length) the best mean is marked, and every number that the paired bootstrap of math/stats.h does
 * not distinguish from it (p >= 0.05, Holm). With one seed nothing is tested and only the best is marked.
 * Ratios are not tested. For tasks a number is the median over seeds of the metric.
 */
#ifndef POSLAB_ANALYSIS_PIVOT_H
#define POSLAB_ANALYSIS_PIVOT_H

#include "base/table.h"
#include "analysis/results.h"

typedef struct PivotOptions {
    const char *rows, *columns; /* names of fields, separated by commas; NULL: the default */
    bool ratio;                 /* to the value at the training length */
    bool paper;          /* include the paper's numbers, at the same multiples of the training length */
    bool mark;           /* mark the best numbers */
    SeriesMetric metric; /* of tasks; SERIES_PERPLEXITY: the exact match */
} PivotOptions;

/* The table has no columns for programs, and no rows if there are no observations. Returns NULL with err set
   if a field is unknown or reading fails. */
Table *pivot_table(const Results *set, const PivotOptions *options, Arena *arena, Error *err);

#endif
