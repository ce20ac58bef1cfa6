/* examples: the examples of a configured task (section `data.task`), for training and for evaluation.
 *
 *     "task": { "name": "addition", "size": [2, 5], "examples": 0, "seed": 1,
 *               "hint": { "name": "none", "share": 0 }, ... }         and the task's own options
 *
 * Example i of training is a function of the task's seed and i alone; so is example i of a size in
 * evaluation, from another stream. With `examples` N above 0 there are N examples of training, numbered from
 * 0 (some may be equal); examples of evaluation that are among them are drawn again, a bounded number of
 * times. With 0 training has no end of new examples (online), and evaluation examples are only drawn from
 * another stream.
 *
 * In training a share of rows are hints: rows of an easier task with other answers (tasks/task.h).
 */
#ifndef POSLAB_DATA_EXAMPLES_H
#define POSLAB_DATA_EXAMPLES_H

#include "base/json.h"
#include "tasks/task.h"

typedef struct ExamplesOptions {
    const Task *task;
    void *options; /* of the task */
    int64_t low, high;
    int64_t examples, seed;
    int hint; /* of task->hints */
    double share;
} ExamplesOptions;

/* Reads the section, which is an object. Errors as options_read, with the path "data.task...". */
bool examples_read(ExamplesOptions *options, const Json *json, const char *source, Arena *arena, Error *err);

/* The section with all defaults spelled out. */
Json *examples_json(const ExamplesOptions *options, Arena *arena);

/* Whether the task can be evaluated at this size; `path` names the size in errors. */
bool examples_check_size(const ExamplesOptions *options, int64_t size, const char *source, const char *path,
                         Error *err);

/* Inputs of the longest row of training, and of evaluation at a size. */
int64_t examples_train_length(const ExamplesOptions *options);
int64_t examples_test_length(const ExamplesOptions *options, int64_t size);

/* The largest position that the rows of training, or of a size, give; 0: they give none. */
int64_t examples_train_farthest(const ExamplesOptions *options);
int64_t examples_test_farthest(const ExamplesOptions *options, int64_t size);

/* What the examples are made from: with a finite set, which of them there are. */
typedef struct Examples Examples;
Examples *examples_new(const ExamplesOptions *options, Arena *arena);
const ExamplesOptions *examples_options(const Examples *examples);

/* The share of a row's tokens that have a target, of the first examples of training with rows of `length`. */
double examples_scored_share(const Examples *examples, int64_t length);

/* Bytes that examples_new keeps. */
double examples_bytes(const ExamplesOptions *options);

/* A row with memory for `inputs` tokens; `positions` too if the task gives them. */
TaskRow examples_row(const Examples *examples, int64_t inputs, Arena *arena);

/* Writes an example; the rest of the row is TASK_PAD, TASK_IGNORED and position 0. Test fails if a size has
   too few examples that are not in the training set. Both can be called from several threads. */
void examples_train(const Examples *examples, int64_t index, TaskRow *row);
bool examples_test(const Examples *examples, int64_t size, int64_t index, TaskRow *row, Error *err);

#endif
