/* naive_scores: formulas of methods that act on scores, in double, from the papers.
 *
 * Where naive.h's formulas say what one hook does, these say what becomes of q and k: the scores, whichever
 * hooks make them. They are held against what attention computes with the method.
 */
#ifndef POSLAB_TESTS_NAIVE_SCORES_H
#define POSLAB_TESTS_NAIVE_SCORES_H

#include "naive.h"

typedef struct NaiveScores {
    NaiveInputs in;
    double *q, *k, *x; /* [H,T,D] as projected, [T,C] which they are projected from */
    Arena *arena;
} NaiveScores;

/* Whether there are formulas for the method of this name. */
bool naive_scores_known(const char *method);

/* s[0..i]: the scores of query i in head h, before the softmax. */
void naive_scores(const NaiveScores *n, int h, int i, double *s);

/* value[D] += what is added to values at distance d. */
void naive_value_at(const NaiveScores *n, int h, int d, double *value);

#endif
