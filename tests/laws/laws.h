/* laws: properties that every position method, and the model with it, must have.
 *
 * A law is a function of a case: a method with options, the sizes of a model, and a batch. It returns true,
 * or false with the reason in err. tests/laws/test_methods.c runs every law on every registered method;
 * tests/laws/test_laws.c shows that every law rejects mutants. No law refers to a method by name, so a new
 * file in methods/ is tested without further code; if tests/laws/naive.c has formulas for a method, the law
 * `agreement` uses them.
 *
 * Tolerances follow from float32 (half a unit in the last place is 6e-8 of a number). They are given at each
 * use, relative to a measured size.
 */
#ifndef POSLAB_TESTS_LAWS_H
#define POSLAB_TESTS_LAWS_H

#include "model/model.h"
#include "position/encoding.h"

typedef struct LawCase {
    Encoding position;
    ModelOptions model;
    int train_length;
    int batch, length; /* for passes through the model */
    uint64_t seed;     /* for weights, tokens and directions */
} LawCase;

typedef bool LawFunction(const LawCase *c, Arena *arena, Error *err);

/* Laws on hooks (laws_hooks.c): hooks are called directly, on memory between canaries. */
LawFunction law_form; /* name, label, citation; hooks come with their backward hooks; valid layout, limit and
                         fields */
LawFunction law_options; /* values within bounds are accepted, others refused; each option has an effect */
LawFunction
    law_init; /* depends only on the tensor's own stream; shared tensors do not depend on the method */
LawFunction law_purity;  /* equal inputs give equal bits; nothing is written outside the documented outputs */
LawFunction law_adjoint; /* transform is affine and <transform(x), y> = <x, transform_backward(y)> */
LawFunction law_gradient;   /* backward hooks agree with differences of forward hooks, for each tensor */
LawFunction law_shift;      /* POS_SHIFT_INVARIANT is declared if and only if it is true */
LawFunction law_prefix;     /* the same for POS_PREFIX_STABLE; with it the whole model is prefix stable */
LawFunction law_isometry;   /* the same for POS_ISOMETRY */
LawFunction law_positions;  /* the same for POS_BY_POSITION, which partners must have */
LawFunction law_normalised; /* the same for POS_NORMALISED */
LawFunction law_formulas;   /* hooks agree with the formulas of naive.c, at lengths up to 4096 */

/* Laws on the model (laws_model.c). */
LawFunction
    law_agreement; /* nll and all gradients agree with the naive model, with hooks and with formulas */
LawFunction law_causality; /* a changed token t leaves the losses before it unchanged, bit for bit */
LawFunction law_batch;  /* a sequence has the same loss alone and in a batch; gradients of a batch are sums */
LawFunction law_length; /* tables of one length are not used at another: L1, L2, L1 */
LawFunction law_edges;  /* 1 to 3 tokens, equal tokens, huge scores and logits; NaN is propagated */
LawFunction law_difference; /* each parameter of the method changes losses, unless it is declared inert */
LawFunction law_overfit;    /* a small batch is memorised, and every parameter with a gradient changes */

/* Laws on segments with a cache (laws_cache.c). */
LawFunction law_cache; /* with a cache of everything they equal one pass, if the method is prefix stable; with
                          one that slides, in one layer, they do unless the method has the hook embed */

/* Laws on the optimizer and the evaluation (laws_core.c). */
LawFunction law_optimizer; /* three updates of AdamW and NAG agree with the formulas, in double */
LawFunction
    law_accounting; /* evaluation scores every target once, with the context that the protocol defines */

typedef struct Law {
    const char *name;
    LawFunction *holds;
    bool slow; /* few cases per method and set of options suffice */
} Law;

extern const Law laws[];
extern const int law_count;
extern int law_threads; /* threads of the models in laws; 1 unless set */

const Law *law_find(const char *name); /* BUG if there is no such law */

/* "LAW, METHOD {OPTIONS}, SIZES" */
const char *law_case(const Law *law, const LawCase *c, Arena *arena);

/* Runs a law in its own arena. On failure err->text is its case and the reason. */
bool law_holds(const Law *law, const LawCase *c, Error *err);

/* ---- shared by laws and other tests ---- */

#define BROKEN(err, ...) error_set((err), EXIT_SOME_FAILED, __VA_ARGS__)

/* Tolerance for gradients, relative to the largest of the tensor: sums of about 1,000 products of float32. */
#define GRADIENT_TOLERANCE 2e-4
/* Tolerance for losses in nats, relative to 1 + nll. */
#define NLL_TOLERANCE 2e-5

PositionShape law_shape(const LawCase *c);
size_t law_tensor_size(const PositionTensor *tensor); /* floats of one copy */

/* Moves values away from their initial ones, with which errors may cancel (ones and zeros especially). Signs
 * are kept.
 */
void law_away(float *value, size_t size, uint64_t seed, const char *name);

/* A method with its default options; `with`: its partner, or NULL. */
Encoding law_defaults(const PositionMethod *method, const Encoding *with, Arena *arena);

/* Converts x[count] to double. */
double *law_widened(const float *x, size_t count, Arena *arena);

/* A model with its weights moved away from their initial values. */
Model *law_model(const LawCase *c, Arena *arena);

/* Whether a pass takes exactly the bytes that a counting arena counts, and at four times the length about
 * four times the bytes.
 */
bool law_activations_are_counted(const Model *model, bool training, Error *err);

/* Random sequences of length + 1 tokens, with different first tokens. */
const uint32_t **law_tokens(const LawCase *c, int sequences, int length, Arena *arena);

/* Whether every element agrees within GRADIENT_TOLERANCE of its tensor's largest one, plus a millionth of the
   model's largest one (the gradient of a tensor may be exactly zero). */
bool law_gradients_agree(const Model *model, const float *gradients, const double *expected, Error *err);
bool law_nll_agree(const float *nll, const double *expected, int sequences, int length, Error *err);

#endif
