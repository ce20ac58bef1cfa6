/* laws: what must be true of every position method, and of the model around it.
 *
 * A law is a plain function of a case: a method with options, the sizes of a model, a batch. It returns true,
 * or false with the reason in err. tests/laws/test_methods.c runs every law on every registered method;
 * tests/laws/test_laws.c shows that every law bites, on spoilt copies. No law knows a method by name, so a
 * new file in methods/ is covered as it is; where tests/laws/naive.c has formulas for a method, `agreement`
 * uses them too.
 *
 * Tolerances follow from float32 (half a unit in the last place is 6e-8 of a number) and are stated where
 * they are used, always as a share of something measured.
 */
#ifndef POSLAB_TESTS_LAWS_H
#define POSLAB_TESTS_LAWS_H

#include "model/model.h"
#include "position/encoding.h"

typedef struct LawCase {
    Encoding position;
    ModelOptions model;
    int train_length;
    int batch, length; /* of the passes through the model */
    uint64_t seed;     /* of weights, tokens and directions */
} LawCase;

typedef bool LawFunction(const LawCase *c, Arena *arena, Error *err);

/* Laws on hooks (laws_hooks.c): the hooks alone, on memory between canaries. */
LawFunction law_form; /* name, label, citation; hooks paired with backwards; layout, limit and fields sane */
LawFunction law_options; /* bounds accepted, everything outside refused, each option changes something */
LawFunction law_init; /* a function of the tensor's own stream; shared tensors do not depend on the method */
LawFunction law_purity;    /* same input, same bits; nothing written outside what the contract says */
LawFunction law_adjoint;   /* transform is affine and <transform(x), y> = <x, transform_backward(y)> */
LawFunction law_gradient;  /* backward hooks against differences of forward hooks, tensor by tensor */
LawFunction law_shift;     /* POS_SHIFT_INVARIANT is claimed if and only if it is true */
LawFunction law_prefix;    /* POS_PREFIX_STABLE likewise; with it the whole model is prefix stable */
LawFunction law_isometry;  /* POS_ISOMETRY likewise */
LawFunction law_positions; /* POS_BY_POSITION likewise: what partners of methods that move rows must do */
LawFunction law_formulas;  /* hooks against the formulas of naive.c, at lengths up to 4096 */

/* Laws on the model (laws_model.c). */
LawFunction
    law_agreement; /* nll and every gradient as the naive model has them, with hooks and with formulas */
LawFunction law_causality;  /* changing token t leaves the losses before it as they are, bit for bit */
LawFunction law_batch;      /* a sequence alone is as in a batch; gradients of a batch are sums */
LawFunction law_length;     /* tables of one length are not used at another: L1, L2, L1 */
LawFunction law_edges;      /* 1 to 3 tokens, equal tokens, huge scores and logits; NaN is not swallowed */
LawFunction law_difference; /* each parameter of the method changes losses, unless it is declared inert */
LawFunction law_overfit;    /* learns one small batch by heart, moving every parameter that has a gradient */

/* Laws on what stands on the model (laws_core.c). */
LawFunction law_optimizer;  /* three updates of AdamW and NAG as in the closed forms, in double */
LawFunction law_accounting; /* evaluation scores every target once, with the context that the protocol says */

typedef struct Law {
    const char *name;
    LawFunction *holds;
    bool slow; /* one case for each method and set of options is enough */
} Law;

extern const Law laws[];
extern const int law_count;
extern int law_threads; /* of the models that laws are about; 1 unless set */

const Law *law_find(const char *name); /* a name that does not exist is a bug */

/* "LAW, METHOD {OPTIONS}, SIZES" */
const char *law_case(const Law *law, const LawCase *c, Arena *arena);

/* Runs a law in an arena of its own. On failure err->text is its case and the reason. */
bool law_holds(const Law *law, const LawCase *c, Error *err);

/* ---- what the laws and other tests share ---- */

#define BROKEN(err, ...) error_set((err), EXIT_SOME_FAILED, __VA_ARGS__)

/* Every gradient within this share of its tensor's largest one: a thousand sums of products of float32. */
#define GRADIENT_TOLERANCE 2e-4
/* Losses in nats, as a share of 1 + nll. */
#define NLL_TOLERANCE 2e-5

PositionShape law_shape(const LawCase *c);
size_t law_tensor_size(const PositionTensor *tensor); /* floats of one copy */

/* Moves values away from their initial ones, where mistakes may cancel: ones and zeros are the worst. Signs
 * stay. */
void law_away(float *value, size_t size, uint64_t seed, const char *name);

/* A method with its default options; `partner`: its partner, or NULL. */
Encoding law_defaults(const PositionMethod *method, const Encoding *with, Arena *arena);

/* x[count] in double. */
double *law_widened(const float *x, size_t count, Arena *arena);

/* A model with its weights moved away from their initial values. */
Model *law_model(const LawCase *c, Arena *arena);

/* A pass takes the bytes that a counting arena counts, and four times the length about four times the bytes.
 */
bool law_activations_are_counted(const Model *model, bool training, Error *err);

/* Random sequences of length + 1 tokens; the first tokens differ. */
const uint16_t **law_tokens(const LawCase *c, int sequences, int length, Arena *arena);

/* Every element within GRADIENT_TOLERANCE of its tensor's largest one, plus a millionth of the model's
   largest one (a tensor's gradient may be zero by nature). */
bool law_gradients_agree(const Model *model, const float *gradients, const double *expected, Error *err);
bool law_nll_agree(const float *nll, const double *expected, int sequences, int length, Error *err);

#endif
