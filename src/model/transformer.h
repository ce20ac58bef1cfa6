/* transformer: forward and backward passes of the model (model/model.h).
 *
 * A pass computes the losses of a batch of sequences, and in training adds the gradients of all parameters to
 * an array. The caller owns parameters, gradients and the memory of the pass (model/activations.h).
 */
#ifndef POSLAB_TRANSFORMER_H
#define POSLAB_TRANSFORMER_H

#include "model/activations.h"

/* Sets the origin of the following passes of transformer_evaluate. */
void transformer_set_origin(Activations *pass, ActivationsOrigin origin);

enum { TRANSFORMER_IGNORED = UINT16_MAX };

/* Targets and positions of the sequences of a pass. Members can be NULL. */
typedef struct TransformerRows {
    /* targets[b][t]: the target at token t. For TRANSFORMER_IGNORED there is no loss, and no logits are
       computed. NULL: the target is token t + 1. */
    const uint32_t *const *targets;
    /* positions[b][t]: the position of token t. NULL, or positions[b] NULL: 0, 1, 2, ... */
    const uint32_t *const *positions;
    /* [sequences * length], set by transformer_evaluate: the most likely token at each target */
    uint32_t *best;
} TransformerRows;

/* Sets the rows of the following passes. The arrays must outlive them. */
void transformer_set_rows(Activations *pass, TransformerRows rows);

/* A forward pass. tokens[b] points to length + 1 tokens: the inputs, and the targets one token later.
   nll[b * length + t] is the loss of target t in nats; 0 if it is ignored. `sequences` is at most that of
   activations_new. */
void transformer_evaluate(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                          float *nll);

/* A forward pass with dropout, and a backward pass, which adds scale * d(sum of nll)/d(values) to
   gradients[model size]. */
void transformer_train(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                       ActivationsOrigin origin, float scale, float *nll, float *gradients);

#endif
