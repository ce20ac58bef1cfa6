/* reference_curves: perplexity curves of papers, from the table `reference`.
 *
 * A curve is a method at one training length, evaluated without overlap from that length on. From each
 * source the training lengths are used at which it has most of the experiment's methods; of two curves of a
 * method the longer one. Data and models differ from ours, so only ratios to the value at the training
 * length, at the same multiple of it, can be compared.
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
    const char *sources; /* in words; "" if there are none */
} ReferenceCurves;

/* All curves of the methods of an experiment, by source; `sources` are of all numbers of these methods,
   curves or not. The only reader of the table `reference`. NULL and err if reading fails. */
const ReferenceCurves *reference_curves_read(Database *store, const char *experiment, Arena *arena,
                                             Error *err);

/* Those curves that are compared with ours, by training length, and their sources. */
const ReferenceCurves *reference_curves_choose(const ReferenceCurves *all, Arena *arena);

/* The perplexity at this multiple of the training length; between two lengths by a straight line in the
   logarithms of both (*between is then true); NAN outside. A length within a thousandth counts as the same.
 */
double reference_curves_at(const ReferenceCurve *curve, double multiple, bool *between);

#endif
