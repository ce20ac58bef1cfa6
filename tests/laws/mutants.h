/* mutants: spoilt copies of the methods, each with the law that must catch it.
 *
 * A mutant is a real method with one thing changed, and the change is a mistake that somebody has made
 * (methods survey) or could make. Hooks that are spoilt call the real ones.
 */
#ifndef POSLAB_TESTS_MUTANTS_H
#define POSLAB_TESTS_MUTANTS_H

#include "position/position.h"

typedef struct MethodMutant {
    const char *what, *method, *law;
    const char *option; /* set to 1 before (a truth or a number), or NULL */
    void (*spoil)(PositionMethod *copy);
} MethodMutant;

extern const MethodMutant method_mutants[], field_mutants[]; /* of the core's five methods, of the field's */
extern const MethodMutant family_mutants[];                  /* of the rotary family and further biases */
extern const MethodMutant scores_mutants[];                  /* of those that act on scores */
extern const int method_mutant_count, field_mutant_count, family_mutant_count, scores_mutant_count;

#endif
