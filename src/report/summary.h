/* summary: the findings of an experiment: the answer in up to five lines, and the verdicts on claims.
 *
 * Every line is computed from the numbers. Methods are ranked by mean perplexity at the training length and
 * at the longest evaluated length, under the first protocol. The best is compared with the
 * next by the paired bootstrap (math/stats.h) if there are at least two seeds.
 */
#ifndef POSLAB_REPORT_SUMMARY_H
#define POSLAB_REPORT_SUMMARY_H

#include "analysis/claims.h"

/* Writes up to five lines for someone who knows only the paper's abstract: what was compared, which methods
   extrapolate, which is best at the training length and at the longest length, how many claims are supported.
   For tasks: up to which size methods answer 90 % of the examples, and which is best at the largest size.
   Returns false with err set if reading fails. */
bool summary_answer(const Results *set, const ClaimList *claims, FILE *out, Arena *arena, Error *err);

/* Writes the number of claims for each verdict and, folded, each claim with its points. */
void summary_claims(const Results *set, const ClaimList *claims, FILE *out, Arena *arena);

#endif
