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

/* sequences[b] points to length + 1 tokens: inputs and, one later, targets. nll[b * length + t], in nats, is
   the loss of target t. `sequences` may be smaller than in activations_new; `length` is that of the pass. */
void transformer_evaluate(const Model *model, Activations *pass, const uint16_t *const *tokens, int sequences,
                          float *nll);

/* The same with dropout and a backward pass: gradients[size] += scale * d(sum of nll)/d(values). */
void transformer_train(const Model *model, Activations *pass, const uint16_t *const *tokens, int sequences,
                       ActivationsOrigin origin, float scale, float *nll, float *gradients);

#endif
