/* naive: the model once more, in double and in plain loops, to judge the real one by.
 *
 * Written from section 4 of the design and the comment of model/model.h, not from model/model.c: one loop for
 * each sum of the formulas, every intermediate array kept, nothing in tiles, no BLAS. It shares with the real
 * model the table of parameters alone (names and places). Without dropout.
 *
 * Position methods enter in one of two ways: through their hooks (floats in, floats out, so any method can be
 * judged), or through formulas of our own, in double, written from the papers (naive_formulas.c, and
 * naive_family.c with the rotary family; a hook that computes the wrong thing disagrees with them). Gradients
 * of formulas are central differences.
 */
#ifndef POSLAB_TESTS_NAIVE_H
#define POSLAB_TESTS_NAIVE_H

#include "model/model.h"
#include "position/encoding.h"

typedef enum NaiveWay { NAIVE_HOOKS, NAIVE_FORMULAS } NaiveWay;

/* Whether there are formulas for the method of this name. */
bool naive_knows(const char *method);

/* Forward, and backward if gradients is not NULL. `source` names the first sequence, for methods that draw
   where rows stand; zeros are the first window of an evaluation. values[model->size] are the weights;
   nll[B*T] in nats; gradients[model->size] += scale * d(sum of nll)/d(values). */
void naive_run(const Model *model, const double *values, NaiveWay way, EncodingDraw place,
               const uint16_t *const *tokens, int sequences, int length, double *nll, double scale,
               double *gradients);

/* model->values in double, owned by the arena. */
double *naive_values(const Model *model, Arena *arena);

/* What a formula may look at: the method's tensors in layout order, and T rows at their positions. */
typedef struct NaiveInputs {
    const Encoding *position;
    const PositionShape *shape;
    const double *param[POS_MAX_TENSORS];
    const double *positions; /* [T]; NULL: 0..T-1 */
    int length;
} NaiveInputs;

/* The formulas: what is added to x[T,C], and to p[T,C] before q and k are projected; row t of q or k turned
   in place, forward (sign 1) or back (sign -1); bias[H,T] by head and distance, every element written. */
void naive_embed(const NaiveInputs *in, double *x);
void naive_input(const NaiveInputs *in, double *p);
void naive_transform(const NaiveInputs *in, PositionRole role, double *row, int t, int sign);
void naive_bias(const NaiveInputs *in, double *bias);

/* One method's formulas; a NULL adds nothing and changes nothing. */
typedef struct NaiveFormulas {
    const char *method;
    void (*embed)(const NaiveInputs *, double *x);
    void (*table)(const NaiveInputs *, const double *dx, double *gradient); /* of embed's one table */
    void (*input)(const NaiveInputs *, double *p);
    void (*transform)(const NaiveInputs *, PositionRole role, double *row, int t, int sign);
    void (*bias)(const NaiveInputs *, double *bias);
} NaiveFormulas;

extern const NaiveFormulas family_formulas[]; /* naive_family.c */
extern const int family_formula_count;
/* Differences in every number of a large table would take too long: its formula has a gradient. */
bool naive_is_table(const Encoding *position);
void naive_table_gradient(const NaiveInputs *in, const double *dx, double *gradient);

/* The value of an option by its key: number, truth or index of the choice. */
double naive_option(const Encoding *position, const char *key);

/* The parameter of that name; a name that does not exist is a bug. */
const ModelParam *naive_param(const Model *model, const char *name);

#endif
