/* examples: the examples of a task (section `data.task`), for training and for evaluation.
 *
 *     "task": { "name": "addition", "size": [2, 5], "examples": 0, "seed": 1,
 *               "hint": { "name": "none", "share": 0 }, ... }         and the options of the task
 *
 * Training example i depends only on the task's seed and i. Evaluation example i of a size depends only on
 * the seed, the size and i, and comes from another random stream. If `examples` is N > 0, the training set is
 * the examples 0 .. N - 1, some of which may be equal; an evaluation example with the same question, in any
 * layout, is drawn again. If `examples` is 0, the training set is unlimited, and evaluation examples are not
 * compared with it.
 *
 * In training, a share of the rows can be hints: rows of an easier task with other answers (tasks/task.h).
 * Evaluation example i of a hint has the same question as example i of the task itself.
 */
#ifndef POSLAB_DATA_EXAMPLES_H
#define POSLAB_DATA_EXAMPLES_H

#include "base/json.h"
#include "tasks/task.h"

typedef struct ExamplesOptions {
    const Task *task;
    void *options;     /* the struct of the task's options */
    int64_t low, high; /* sizes of training */
    int64_t examples;  /* of the training set; 0: unlimited */
    int64_t seed;
    int hint;     /* number of the hint that is mixed in; 0: none */
    double share; /* share of the training rows that are hints */
} ExamplesOptions;

/* Reads the section. Errors are those of options_read; their paths begin with "data.task". */
bool examples_read(ExamplesOptions *options, const Json *json, const char *source, Arena *arena, Error *err);

/* The section as JSON with all defaults. */
Json *examples_json(const ExamplesOptions *options, Arena *arena);

/* The names of the task's hints, NULL-terminated. Hint 0 is "none", the task itself. */
const char *const *examples_hints(const ExamplesOptions *options);

/* The number of a hint, 0 if `name` is NULL; -1 if the task has no hint of this name. */
int examples_hint(const ExamplesOptions *options, const char *name);

/* Checks that the task can be evaluated at this size (EXIT_USAGE). Errors name the key `path` of the size. */
bool examples_check_size(const ExamplesOptions *options, int64_t size, const char *source, const char *path,
                         Error *err);

/* The number of inputs of the longest row of training, and of evaluation with hint `hint` at a size. */
int64_t examples_train_length(const ExamplesOptions *options);
int64_t examples_test_length(const ExamplesOptions *options, int64_t size, int hint);

/* The largest position in rows of training, and of evaluation at a size; 0 if the task sets no positions. */
int64_t examples_train_farthest(const ExamplesOptions *options);
int64_t examples_test_farthest(const ExamplesOptions *options, int64_t size);

/* Whether rows have positions of their own; false if `options` is NULL. */
bool examples_give_positions(const ExamplesOptions *options);

/* The source of examples, owned by the arena. It has the hashes of a limited training set. */
typedef struct Examples Examples;
Examples *examples_new(const ExamplesOptions *options, Arena *arena);
const ExamplesOptions *examples_options(const Examples *examples);

/* The share of the tokens of rows of `length` that have a target, measured on the first training examples. */
double examples_scored_share(const Examples *examples, int64_t length);

/* The bytes that examples_new allocates. */
double examples_bytes(const ExamplesOptions *options);

/* A row with memory for `inputs` tokens, and for positions if the task sets them. */
TaskRow examples_row(const Examples *examples, int64_t inputs, Arena *arena);

/* Write training or evaluation example `index` to a row; the rest of the row is TASK_PAD, TASK_IGNORED and
   position 0. examples_test fails with EXIT_USAGE if nearly all examples of the size are in the training set;
   the row then has an example of the training set. Both can be called from several threads. */
void examples_train(const Examples *examples, int64_t index, TaskRow *row);
bool examples_test(const Examples *examples, int64_t size, int hint, int64_t index, TaskRow *row, Error *err);

/* A row as JSON: "text" and the text of its "scored" targets; "tokens" without padding; "targets" of the
   tokens up to the last one with a target, null where no target is scored; "positions" if the task sets them.
 */
Json *examples_row_json(const Examples *examples, const TaskRow *row, Arena *arena);

#endif
