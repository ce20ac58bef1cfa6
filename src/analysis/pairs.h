/* pairs: paired differences between cells (analysis/series.h): the same seed, evaluated on the same windows.
 */
#ifndef POSLAB_ANALYSIS_PAIRS_H
#define POSLAB_ANALYSIS_PAIRS_H

#include "math/stats.h"
#include "analysis/series.h"

/* Paired differences of `cells` (each evaluated like `base`) from it, over the seeds that all of them and the
   base have, in units of at least max(length, block) targets. Fails (damaged) where windows do not match. */
bool pairs_compare(StatsDifference *differences, const SeriesCell *const *cells, int count,
                   const SeriesCell *base, int64_t block, int resamples, Arena *arena, Error *err);

#endif
