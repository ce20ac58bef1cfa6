/* run_label: the labels of methods, and the settings by which points differ.
 *
 * The label of a method has its options that are not the default: "Label (option=value)". A method that
 * only moves positions is labelled with its partner: "Partner + Label".
 *
 * The settings of a point are all other options that differ between the points of its experiment, such as
 * "train.optimizer.lr=0.001". The training length and the seed are not settings: they have columns of their
 * own. Options that differ only between training lengths are not settings, for example a budget that grows
 * with the length. Options of train.optimizer and train.schedule are settings only if they differ between
 * points of the same method and training length, so a method with its own learning rate at all its points
 * has no setting.
 */
#ifndef POSLAB_EXPERIMENT_RUN_LABEL_H
#define POSLAB_EXPERIMENT_RUN_LABEL_H

#include "position/encoding.h"
#include "experiment/plan.h"

const char *run_label_method(const Encoding *position, Arena *arena);

/* The value of a setting: without quotes; an object, or a list of objects, as the values of their members,
   "64:0.25,128:0.5". */
const char *run_label_value(const Json *value, Arena *arena);

/* The path of the setting that a key belongs to: that of its section, if the section is one setting. */
const char *run_label_setting_path(const char *path);

/* The settings of each point, [plan->count]; "" if a point has none. */
const char **run_label_settings(const Plan *plan, Arena *arena);

/* The same for configs of runs, which may be of several experiments; and all keys in which they differ, also
   those that are not settings but for the seed. */
const char **run_label_compare(const Json *const *configs, int count, Arena *arena);
const char **run_label_differing(const Json *const *configs, int count, int *path_count, Arena *arena);

/* The settings of a point, read from a text of run_label_settings. */
typedef struct RunLabelSetting {
    const char *path, *value; /* "train.optimizer.lr", "0.001" */
    const char *name;         /* the last components of the path that tell it from the others: "lr" */
} RunLabelSetting;
RunLabelSetting *run_label_read(const char *text, int *count, Arena *arena);

/* The last component of a path; of an object's name, that of the object. */
const char *run_label_short_path(const char *path, Arena *arena);

/* "Label lr=0.001": the name of a point in tables, figures and messages; `text` has its settings. */
const char *run_label_name(const char *label, const char *text, Arena *arena);

/* "rotary lr=0.001": the same with the names of methods in place of their labels, for views and programs. */
const char *run_label_plain_name(const char *label, const char *text, Arena *arena);

/* The stride rule of a request: "L" (nonoverlapping), "0.125 L" or "64"; NULL if this protocol of the
   config does not contain the request. */
const char *run_label_stride_rule(const EvaluateRequest *request, const EvaluationConfigProtocol *protocol,
                                  Arena *arena);

#endif
