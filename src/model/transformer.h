/* transformer: forward and backward passes of the model (model/model.h).
 *
 * A pass computes the loss of a batch of sequences; in training it adds the gradients of all parameters to
 * an array. The caller owns parameters and gradients; the memory of a pass is an Activations
 * (model/activations.h).
 */
#ifndef POSLAB_TRANSFORMER_H
#define POSLAB_TRANSFORMER_H

#include "model/activations.h"

/* Sets the origin of later calls of transformer_evaluate (transformer_train has it as an argument). */
void transformer_set_origin(Activations *pass, ActivationsOrigin origin);

enum { TRANSFORMER_IGNORED = UINT16_MAX };

/* What the sequences of a pass have besides tokens, for the passes that follow; members can be NULL. */
typedef struct TransformerRows {
    /* targets[b][t]: what is to be predicted at token t, or TRANSFORMER_IGNORED: then there is no loss, and
       no logits are computed. NULL: token t + 1 */
    const uint32_t *const *targets;
    const uint32_t *const
        *positions; /* positions[b][t]: where rows are; NULL, or NULL of a sequence: at 0, 1, ... */
    uint32_t *best; /* [sequences * length] of evaluations: the most likely token, where there is a target */
} TransformerRows;

void transformer_set_rows(Activations *pass, TransformerRows rows);

/* sequences[b] points to length + 1 tokens: inputs and, one later, targets. nll[b * length + t], in nats, is
   the loss of target t; 0 where it is ignored. `sequences` may be smaller than in activations_new; `length`
   is that of the pass. */
void transformer_evaluate(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                          float *nll);

/* The same with dropout and a backward pass: gradients[size] += scale * d(sum of nll)/d(values). */
void transformer_train(const Model *model, Activations *pass, const uint32_t *const *tokens, int sequences,
                       ActivationsOrigin origin, float scale, float *nll, float *gradients);

#endif
