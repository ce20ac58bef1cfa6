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
    double **features; /* what naive_features.c computes once for all rows */
    Arena *arena;
} NaiveScores;

/* One method's formulas: those of naive_scores and naive_value_at, which is NULL without vectors at values.
 */
typedef struct NaiveScoreFormulas {
    const char *method;
    void (*scores)(const NaiveScores *, int h, int i, double *s);
    void (*values)(const NaiveScores *, int h, int d, double *value);
} NaiveScoreFormulas;

double naive_plain(const NaiveScores *n, int h, int i, int j); /* q_i . k_j / sqrt(D) */
double naive_slope(int heads, int h);                          /* ALiBi's */

extern const NaiveScoreFormulas feature_formulas[]; /* naive_features.c */
extern const int feature_formula_count;

/* Whether there are formulas for this method. */
bool naive_scores_known(const char *method);

/* s[0..i]: the scores of query i in head h, before the softmax. */
void naive_scores(const NaiveScores *n, int h, int i, double *s);

/* value[D] += the vector added to values at distance d. */
void naive_value_at(const NaiveScores *n, int h, int d, double *value);

#endif
