/* naive: a second implementation of the model, in double and in plain loops, as a reference.
 *
 * It is written from section 4 of the design and the comment of model/model.h, not from model/model.c: one
 * loop for each sum of the formulas, all intermediate arrays kept, no tiles, no BLAS. It shares only the
 * table of parameters (names and offsets) with the real model. It has no dropout.
 *
 * A position method is used in one of two ways: through its hooks (in float, so any method can be tested), or
 * through independent formulas in double, written from the papers (naive_formulas.c; naive_family.c for the
 * rotary family), with which a wrong hook disagrees. Gradients of formulas are central differences.
 */
#ifndef POSLAB_TESTS_NAIVE_H
#define POSLAB_TESTS_NAIVE_H

#include "model/model.h"
#include "position/encoding.h"

typedef enum NaiveWay { NAIVE_HOOKS, NAIVE_FORMULAS } NaiveWay;

/* Whether there are formulas for this method. */
bool naive_knows(const char *method);

/* Forward pass, and backward pass if gradients is not NULL. `place` identifies the first sequence, for
   methods that draw positions; zeros are the first window of an evaluation. values[model->size] are the
   weights; nll[B*T] is in nats; gradients[model->size] += scale * d(sum of nll)/d(values). */
void naive_run(const Model *model, const double *values, NaiveWay way, EncodingDraw place,
               const uint32_t *const *tokens, int sequences, int length, double *nll, double scale,
               double *gradients);

/* model->values in double, owned by the arena. */
double *naive_values(const Model *model, Arena *arena);

/* The input of a formula: the method's tensors in layout order, and T rows with their positions. */
typedef struct NaiveInputs {
    const Encoding *position;
    const PositionShape *shape;
    const double *param[POS_MAX_TENSORS];
    const double *positions; /* [T]; NULL: 0..T-1 */
    int length;
} NaiveInputs;

/* The formulas: what is added to x[T,C], and to p[T,C] before q and k are projected; row t of q or k rotated
   in place, forward (sign 1) or backward (sign -1); bias[H,T] by head and distance, with every element
   written. */
void naive_embed(const NaiveInputs *in, double *x);
void naive_input(const NaiveInputs *in, double *p);
void naive_transform(const NaiveInputs *in, PositionRole role, double *row, int t, int sign);
void naive_bias(const NaiveInputs *in, double *bias);

/* One method's formulas; NULL: no effect. */
typedef struct NaiveFormulas {
    const char *method;
    void (*embed)(const NaiveInputs *, double *x);
    void (*table)(const NaiveInputs *, const double *dx,
                  double *gradient); /* gradient of embed's one table */
    void (*input)(const NaiveInputs *, double *p);
    void (*transform)(const NaiveInputs *, PositionRole role, double *row, int t, int sign);
    void (*bias)(const NaiveInputs *, double *bias);
} NaiveFormulas;

extern const NaiveFormulas family_formulas[]; /* naive_family.c */
extern const int family_formula_count;
/* Central differences of a large table would take too long, so its formula has a gradient. */
bool naive_is_table(const Encoding *position);
void naive_table_gradient(const NaiveInputs *in, const double *dx, double *gradient);

/* The value of an option: a number, a boolean, or the index of a choice. */
double naive_option(const Encoding *position, const char *key);

/* The parameter with this name; BUG if there is none. */
const ModelParam *naive_param(const Model *model, const char *name);

#endif
