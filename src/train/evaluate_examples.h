/* evaluate_examples: how many examples of a task a model answers correctly.
 *
 * An example is answered if the most likely token is the target at every scored target. One pass over the row
 * decides that, because the row contains the answer: all most likely tokens, each after the correct tokens
 * before it, are correct if and only if greedy generation gives the whole answer.
 *
 * A request has the protocol EVALUATE_EXACT. Its `length` is the size of the examples and its `tokens` is the
 * number of examples. Each example is one window of the result.
 */
#ifndef POSLAB_TRAIN_EVALUATE_EXAMPLES_H
#define POSLAB_TRAIN_EVALUATE_EXAMPLES_H

#include "train/evaluate.h"

/* Evaluates the request, with arguments and errors as in evaluate_run. result->window[i] is example i. Fails
   if the size has too few examples outside the training set. */
bool evaluate_examples_run(const Model *model, const Examples *examples, const EvaluateRequest *request,
                           bool (*progress)(void *user, double share), void *user, EvaluateResult *result,
                           Arena *arena, Arena *scratch, Error *err);

/* Checks that the request's size has enough examples outside the training set. */
bool evaluate_examples_check(const Examples *examples, const EvaluateRequest *request, const char *source,
                             Error *err);

/* The number of inputs of the longest row of the request. */
int64_t evaluate_examples_length(const Examples *examples, const EvaluateRequest *request);

/* The bytes that evaluate_examples_run allocates for its passes. */
size_t evaluate_examples_bytes(const Model *model, const Examples *examples, const EvaluateRequest *request);

/* The accuracy on `count` evaluation examples, whose sizes cycle through the sizes of training. A size with
   almost no examples outside the training set contributes examples of the training set. */
typedef struct EvaluateAccuracy {
    double exact;  /* share of the examples that are answered */
    double tokens; /* share of the scored targets that are the most likely token */
} EvaluateAccuracy;
EvaluateAccuracy evaluate_examples_trained(const Model *model, const Examples *examples, int64_t count);

#endif
