/* reference_curves: perplexity curves of papers, from the table `reference`.
 *
 * A curve is a method at one training length, with nonoverlapping evaluation from that length on. Of each
 * source, those training lengths are used at which it has most of the experiment's methods; of two curves of
 * a method, the longer one. The papers' data and models are others, so only ratios to the value at the
 * training length can be compared, at equal multiples of that length.
 */
#ifndef POSLAB_ANALYSIS_REFERENCE_CURVES_H
#define POSLAB_ANALYSIS_REFERENCE_CURVES_H

#include "store/database.h"

typedef struct ReferenceCurve {
    const char *source, *dataset, *split, *method;
    int64_t train_length;
    int64_t *lengths; /* [count] ascending, from the training length on */
    double *perplexities;
    int count;
} ReferenceCurve;

typedef struct ReferenceCurves {
    ReferenceCurve *items;
    int count;
    const char *sources; /* as text; "" if there are none */
} ReferenceCurves;

/* All curves of the methods of an experiment, by source; `sources` also covers numbers that belong to no
   curve. The only reader of the table `reference`. Returns NULL with err set if reading fails. */
const ReferenceCurves *reference_curves_read(Database *store, const char *experiment, Arena *arena,
                                             Error *err);

/* The curves that are compared with the experiment, by training length, and their sources. */
const ReferenceCurves *reference_curves_choose(const ReferenceCurves *all, Arena *arena);

/* The perplexity at this multiple of the training length; NAN outside of the curve. Between two lengths it is
   interpolated linearly in the logarithms of both, and *between is true. Lengths that differ by less than a
   thousandth count as equal. */
double reference_curves_at(const ReferenceCurve *curve, double multiple, bool *between);

#endif
