/* mutants: wrong copies of the methods, each with the law that must reject it.
 *
 * A mutant is a real method with one change, an error that somebody has made or could make. Changed hooks
 * call the real ones.
 */
#ifndef POSLAB_TESTS_MUTANTS_H
#define POSLAB_TESTS_MUTANTS_H

#include "position/position.h"

typedef struct MethodMutant {
    const char *what, *method, *law;
    const char *option; /* set to 1 first (a boolean or a number), or NULL */
    void (*spoil)(PositionMethod *copy);
} MethodMutant;

extern const MethodMutant method_mutants[],
    field_mutants[];                        /* of the five methods of the core; of other methods */
extern const MethodMutant family_mutants[]; /* of the rotary family and of further biases */
extern const MethodMutant scores_mutants[]; /* of methods that act on scores */
extern const int method_mutant_count, field_mutant_count, family_mutant_count, scores_mutant_count;

#endif
