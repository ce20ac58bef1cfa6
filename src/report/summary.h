/* summary: the findings of an experiment, in sentences that follow from its numbers.
 *
 * Methods are ranked by mean perplexity at the training length and at the longest evaluated length. A
 * difference that the paired bootstrap (math/stats.h) cannot confirm is not called one.
 */
#ifndef POSLAB_REPORT_SUMMARY_H
#define POSLAB_REPORT_SUMMARY_H

#include "analysis/results.h"

/* For each training length, under the first protocol: which method is best at that length and at the longest
   evaluated, how far the next one is, and how far each method stays within 5 % of its perplexity at the
   training length. NULL-terminated; NULL and err if reading fails. */
const char **summary_sentences(const Results *set, Arena *arena, Error *err);

#endif
