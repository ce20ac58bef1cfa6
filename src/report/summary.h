/* verdict: what an experiment found, in sentences that follow from its numbers. */
#ifndef POSLAB_VERDICT_H
#define POSLAB_VERDICT_H

#include "analysis/results.h"

/* For each training length, under the first protocol: which method is best at that length and at the longest
   evaluated, how far the next one is, and how far each method stays within 5 % of its perplexity at the
   training length. NULL-terminated; NULL and err if reading fails. */
const char **verdict_sentences(Store *store, const SeriesSet *set, Arena *arena, Err *err);

#endif
