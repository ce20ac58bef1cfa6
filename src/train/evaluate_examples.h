/* evaluate_examples: how many examples of a task a model answers correctly.
 *
 * An example is answered if at every scored target the most likely token is the target. The answers are read
 * off one pass over the row with its targets in it: a token is the most likely one after the right tokens
 * before it, so all of them are right if and only if greedy generation gives the whole answer.
 *
 * A request has the protocol EVALUATE_EXACT; its length is the size of the examples, its number of tokens
 * that of examples, and each example is a window of the result.
 */
#ifndef POSLAB_TRAIN_EVALUATE_EXAMPLES_H
#define POSLAB_TRAIN_EVALUATE_EXAMPLES_H

#include "train/evaluate.h"

/* Evaluates the request as evaluate_run does. result->window[i] is example i. Fails if a size has too few
   examples that are not in the training set. */
bool evaluate_examples_run(const Model *model, const Examples *examples, const EvaluateRequest *request,
                           bool (*progress)(void *user, double share), void *user, EvaluateResult *result,
                           Arena *arena, Arena *scratch, Error *err);

/* Whether there are enough examples outside the training set for the request. */
bool evaluate_examples_check(const Examples *examples, const EvaluateRequest *request, const char *source,
                             Error *err);

/* The number of inputs of the longest row. */
int64_t evaluate_examples_length(const Examples *examples, const EvaluateRequest *request);

/* Bytes of the passes that it makes. */
size_t evaluate_examples_bytes(const Model *model, const Examples *examples, const EvaluateRequest *request);

/* Shares of `count` examples that are answered, and of their targets that are right: of the training's sizes
   in turn, from the examples of evaluation. They are from the training set where a size has hardly others. */
typedef struct EvaluateAccuracy {
    double exact, tokens;
} EvaluateAccuracy;
EvaluateAccuracy evaluate_examples_trained(const Model *model, const Examples *examples, int64_t count);

#endif
