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

/* An edit of a source file of src/: `text`, which occurs there once, is replaced. `law` is the law that must
   reject it; for tasks also a program (test_tasks) or a script (task_answers.py) of tests/. */
typedef struct CoreMutant {
    const char *what, *text, *replacement, *law;
} CoreMutant;

extern const CoreMutant task_mutants[]; /* of the generators of tasks, and of the loss on their targets */
extern const int task_mutant_count;

extern const MethodMutant method_mutants[],
    field_mutants[];                         /* of the five methods of the core; of other methods */
extern const MethodMutant family_mutants[];  /* of the rotary family and of further biases */
extern const MethodMutant scores_mutants[];  /* of methods that act on scores */
extern const MethodMutant feature_mutants[]; /* of methods with features */
extern const int method_mutant_count, field_mutant_count, family_mutant_count, scores_mutant_count,
    feature_mutant_count;

#endif
