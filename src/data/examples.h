/* examples: the examples of a task (section `data.task`), for training and for evaluation.
 *
 *     "task": { "name": "addition", "size": [2, 5], "examples": 0, "seed": 1,
 *               "hint": { "name": "none", "share": 0 }, ... }         and the options of the task
 *
 * Training example i depends only on the task's seed and i; evaluation example i of a size depends only on
 * the seed, the size and i, and comes from another random stream. If `examples` is N > 0, training uses the
 * examples 0 to N - 1 (some may be equal), and an evaluation example that asks the same question as one of
 * them, in whatever layout, is drawn again, up to a limit. If it is 0, every training example is new, and
 * evaluation examples are not compared with them.
 *
 * In training, a share of the rows are hints: rows of an easier task with other answers (tasks/task.h).
 * Evaluation example i of a hint asks about the same drawn question as that of the task itself.
 */
#ifndef POSLAB_DATA_EXAMPLES_H
#define POSLAB_DATA_EXAMPLES_H

#include "base/json.h"
#include "tasks/task.h"

typedef struct ExamplesOptions {
    const Task *task;
    void *options; /* options of the task */
    int64_t low, high;
    int64_t examples, seed;
    int hint; /* index into task->hints */
    double share;
} ExamplesOptions;

/* Reads the section, an object. Errors as in options_read, with the path "data.task...". */
bool examples_read(ExamplesOptions *options, const Json *json, const char *source, Arena *arena, Error *err);

/* The section with all defaults. */
Json *examples_json(const ExamplesOptions *options, Arena *arena);

/* The names of the task's hints, NULL-terminated; number 0 is "none", the task itself. */
const char *const *examples_hints(const ExamplesOptions *options);
/* The number of a hint (NULL: the task itself); -1: the task has none of this name. */
int examples_hint(const ExamplesOptions *options, const char *name);

/* Checks that the task can be evaluated at this size; errors name the size by `path`. */
bool examples_check_size(const ExamplesOptions *options, int64_t size, const char *source, const char *path,
                         Error *err);

/* The number of inputs of the longest row of training, and of evaluation at a size. `hint` is the number of
   the hint whose rows are evaluated. */
int64_t examples_train_length(const ExamplesOptions *options);
int64_t examples_test_length(const ExamplesOptions *options, int64_t size, int hint);

/* The largest position in rows of training, and of evaluation at a size; 0 if the task sets no
   positions. */
int64_t examples_train_farthest(const ExamplesOptions *options);

/* Whether rows have positions of their own; false without a task (NULL). */
bool examples_give_positions(const ExamplesOptions *options);
int64_t examples_test_farthest(const ExamplesOptions *options, int64_t size);

/* The source of examples. With a finite training set, it has the set's hashes. */
typedef struct Examples Examples;
Examples *examples_new(const ExamplesOptions *options, Arena *arena);
const ExamplesOptions *examples_options(const Examples *examples);

/* The fraction of tokens with a target in rows of `length`, measured on the first training examples. */
double examples_scored_share(const Examples *examples, int64_t length);

/* The memory that examples_new uses, in bytes. */
double examples_bytes(const ExamplesOptions *options);

/* A row with memory for `inputs` tokens, and for positions if the task sets them. */
TaskRow examples_row(const Examples *examples, int64_t inputs, Arena *arena);

/* Write an example; the rest of the row is TASK_PAD, TASK_IGNORED and position 0. examples_test fails if
   nearly all examples of a size are in the training set. Both may be called from several threads. */
void examples_train(const Examples *examples, int64_t index, TaskRow *row);
bool examples_test(const Examples *examples, int64_t size, int hint, int64_t index, TaskRow *row, Error *err);

/* A row as text, "text" and its "scored" targets, and as numbers: "tokens" without padding; "targets" of the
   tokens up to the last one with a target, null where nothing is scored; "positions" if the task sets them.
 */
Json *examples_row_json(const Examples *examples, const TaskRow *row, Arena *arena);

#endif
