/* run_label: the names of methods and the settings by which points differ.
 *
 * A method is named by its label and those of its options that are not the default: "Label (option=value)".
 * A method that only moves positions is named after its partner: "Partner + Label". The settings of a point
 * are all other options that differ between the points of its experiment: "train.optimizer.lr=0.001". Not
 * among them are the training length and the seed, which have columns of their own, and options that differ
 * only between training lengths, such as a budget that grows with the length. Options of train.optimizer and
 * train.schedule are settings only where points of the same method differ in them: a method that has a
 * learning rate of its own at all its points is compared as that method.
 */
#ifndef POSLAB_EXPERIMENT_RUN_LABEL_H
#define POSLAB_EXPERIMENT_RUN_LABEL_H

#include "position/encoding.h"
#include "experiment/plan.h"

const char *run_label_method(const Encoding *position, Arena *arena);

/* The settings of each point, [plan->count]; "" if it has none. Owned by the arena. */
const char **run_label_settings(const Plan *plan, Arena *arena);

/* The settings of a point, read from that text. */
typedef struct RunLabelSetting {
    const char *path, *value; /* "train.optimizer.lr", "0.001" */
    const char *name;         /* the last components of the path that tell it from the others: "lr" */
} RunLabelSetting;
RunLabelSetting *run_label_read(const char *settings, int *count, Arena *arena);

/* The last component of a path. */
const char *run_label_short_path(const char *path);

/* "Label lr=0.001": the name of a point in tables, figures and messages. */
const char *run_label_name(const char *label, const char *settings, Arena *arena);

/* The rule of a request's stride: "L" (nonoverlapping), "0.125 L" or "64"; NULL if the request does not
   belong to this protocol of the config. */
const char *run_label_stride_rule(const EvaluateRequest *request, const EvaluationConfigProtocol *protocol,
                                  Arena *arena);

#endif
