/* laws_scores: the parts of the laws on hooks that concern scores, for laws_hooks.c and laws_form.c.
 *
 * The hooks for the far pair, pair biases, vectors, gates and changed scores are called directly, on arrays
 * between canaries.
 */
#ifndef POSLAB_TESTS_LAWS_SCORES_H
#define POSLAB_TESTS_LAWS_SCORES_H

#include "laws.h"

bool scores_paired(const PositionMethod *m, Error *err); /* forward hooks come with their backward hooks */
bool scores_have_gradient(const PositionMethod *m);
bool scores_are_pure(const LawCase *c, Arena *arena, Error *err);

/* Compares backward hooks with differences, by tensor and by input. used[i]: tensor i has an effect. */
bool scores_gradients_hold(const LawCase *c, bool used[POS_MAX_TENSORS], Arena *arena, Error *err);

/* Whether the output of attention agrees with the formulas of the method, if there are any. */
bool scores_formulas_hold(const LawCase *c, int length, Arena *arena, Error *err);

/* Deviations from the declared promises. */
double scores_shift(const LawCase *c, Arena *arena);
double scores_prefix(const LawCase *c, int shorter, int longer, Arena *arena);
double scores_normalised(const LawCase *c, Arena *arena);

/* All outputs at one length, for a hash. */
const float *scores_outputs(const LawCase *c, size_t *count, Arena *arena);

#endif
