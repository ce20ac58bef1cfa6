/* summary: the findings of an experiment: the answer in up to five lines, and the verdicts on claims.
 *
 * Every line follows from the numbers. Methods are ranked by mean perplexity at the training length and at
 * the longest evaluated length, under the first protocol. The best method is called distinguishable from
 * the next only if the paired bootstrap (math/stats.h) confirms it.
 */
#ifndef POSLAB_REPORT_SUMMARY_H
#define POSLAB_REPORT_SUMMARY_H

#include "analysis/claims.h"

/* Writes up to five lines for someone who knows only the paper's abstract: what was compared, which methods
   extrapolate, which is best at the training length and at the longest, how many claims are supported. Of a
   task: up to which size methods answer 90 % of the examples, and which is best at the largest size. False
   and err if reading fails. */
bool summary_answer(const Results *set, const ClaimList *claims, FILE *out, Arena *arena, Error *err);

/* Writes how many claims have which verdict and, folded, each claim with its points. */
void summary_claims(const Results *set, const ClaimList *claims, FILE *out, Arena *arena);

#endif
