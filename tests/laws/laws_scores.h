/* laws_scores: what the laws on hooks ask of the hooks on the score side, for laws_hooks.c and laws_form.c:
 * the far pair, pair biases, vectors, gates and changed scores, called alone on arrays between canaries. */
#ifndef POSLAB_TESTS_LAWS_SCORES_H
#define POSLAB_TESTS_LAWS_SCORES_H

#include "laws.h"

bool scores_paired(const PositionMethod *m, Error *err); /* forward hooks with their backwards */
bool scores_have_gradient(const PositionMethod *m);
bool scores_are_pure(const LawCase *c, Arena *arena, Error *err);

/* Backward hooks against differences, by tensor and by input. `used[i]`: tensor i makes a difference. */
bool scores_gradients_hold(const LawCase *c, bool used[POS_MAX_TENSORS], Arena *arena, Error *err);

/* The results of attention as the formulas of the method say, where there are any. */
bool scores_formulas_hold(const LawCase *c, int length, Arena *arena, Error *err);

/* Deviations from what the claims say. */
double scores_shift(const LawCase *c, Arena *arena);
double scores_prefix(const LawCase *c, int shorter, int longer, Arena *arena);

/* All outputs at some length, for a fingerprint. */
const float *scores_outputs(const LawCase *c, size_t *count, Arena *arena);

#endif
