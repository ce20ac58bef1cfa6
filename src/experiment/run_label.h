/* run_label: what tells runs apart, in words.
 *
 * A method is named by its label and those of its options that are not the default: "Label (option=value)".
 * One that says where rows stand is named behind its partner: "Partner + Label".
 * A point is set apart further by every other setting that differs between the points of its experiment:
 * "train.optimizer.lr=0.001". Training length and seed have columns of their own and belong to neither; nor
 * do settings that differ only between training lengths, as a budget that grows with the length does. What
 * lies in train.optimizer and train.schedule sets apart only where points of the same method differ in it: a
 * method that is given a learning rate of its own at all its points is compared as that method.
 */
#ifndef POSLAB_EXPERIMENT_RUN_LABEL_H
#define POSLAB_EXPERIMENT_RUN_LABEL_H

#include "position/encoding.h"
#include "experiment/plan.h"

const char *run_label_method(const Encoding *position, Arena *arena);

/* What sets each point apart, [plan->count]; "" where nothing does. */
const char **run_label_settings(const Plan *plan, Arena *arena);

/* The rule that a request's stride follows: "L" (nonoverlapping), "0.125 L" or "64"; NULL if the request is
   not one of this protocol of the config. */
const char *run_label_stride_rule(const EvaluateRequest *request, const EvaluationConfigProtocol *protocol,
                                  Arena *arena);

#endif
