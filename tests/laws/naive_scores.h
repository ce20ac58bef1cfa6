/* naive_scores: formulas of methods that act on scores, in double, from the papers.
 *
 * The formulas of naive.h describe single hooks; these compute the complete scores from q and k,
 * independently of which hooks the method uses. They are compared with the output of attention.
 */
#ifndef POSLAB_TESTS_NAIVE_SCORES_H
#define POSLAB_TESTS_NAIVE_SCORES_H

#include "naive.h"

typedef struct NaiveScores {
    NaiveInputs in;
    double *q, *k, *x; /* [H,T,D] projected; [T,C], the input of the projections */
    Arena *arena;
} NaiveScores;

/* Whether there are formulas for this method. */
bool naive_scores_known(const char *method);

/* s[0..i]: the scores of query i in head h, before the softmax. */
void naive_scores(const NaiveScores *n, int h, int i, double *s);

/* value[D] += the vector added to values at distance d. */
void naive_value_at(const NaiveScores *n, int h, int d, double *value);

#endif
