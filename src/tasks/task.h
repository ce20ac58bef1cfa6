/* task: the interface of a synthetic task; all that a file in this folder needs to include.
 *
 * A task is one .c file that defines `const Task NAME_task`; the registry of tasks is generated from these
 * files by the Makefile, in alphabetical order. A task writes examples: rows of tokens from an alphabet of
 * its own, of which some are scored. Sizes say how difficult an example is (digits, elements, pairs); each
 * task says what its size counts. An example is drawn from the random stream that it is given and from
 * nothing else, so that examples are functions of a seed and an index (data/examples.h).
 *
 * Every row begins with TASK_BOS, which is not written by the task. A task writes the tokens after it from
 * left to right, each by one of three calls:
 *
 *     task_put      a token that is given: no loss, no score
 *     task_answer   a token to be predicted from all tokens before it, which stays in the text
 *     task_label    no token of the text: what is to be predicted at the last token put
 *
 * Tokens from TASK_SYMBOLS on are the task's own; `symbol` says how each of them is printed.
 */
#ifndef POSLAB_TASKS_TASK_H
#define POSLAB_TASKS_TASK_H

#include "base/options.h"
#include "base/random.h"

enum {
    TASK_PAD,                  /* after the end of a row */
    TASK_BOS,                  /* at the start of every row */
    TASK_END,                  /* at the end of an answer */
    TASK_SEP,                  /* between the question and the answer */
    TASK_SYMBOLS,              /* the first token of the task's own */
    TASK_IGNORED = UINT16_MAX, /* the target of a token after which nothing is scored */
};

/* A row in memory of the caller. Only the calls below change it. */
typedef struct TaskRow {
    uint16_t *tokens;    /* [room + 1] the text */
    uint16_t *targets;   /* [room] of tokens[t]: what is scored after it, or TASK_IGNORED */
    uint16_t *positions; /* [room + 1] by task_place; NULL: the task gives none */
    int length, room;    /* tokens written, tokens of the longest row */
    int inputs;          /* tokens up to the last that has a target */
} TaskRow;

void task_put(TaskRow *row, int token);
void task_answer(TaskRow *row, int token);
void task_label(TaskRow *row, int token);
/* The position of the last token written, for methods that use positions: in place of its index. */
void task_place(TaskRow *row, int position);

/* Both bounds are inclusive. Training draws from the sizes of the config; evaluation is at one size, low ==
   high, which can be larger than `trained`, the largest size in training. */
typedef struct TaskSizes {
    int64_t low, high, trained;
} TaskSizes;

/* A size from low to high, all equally likely. */
int64_t task_draw_size(TaskSizes sizes, Random *rng);

enum { TASK_SYMBOL_SIZE = 16 };

typedef struct Task {
    const char *name, *label; /* the name of the file; one line on what is asked */
    const char *citation;     /* where the task or its format is from */
    const char *size;         /* what a size counts: "digits of each number" */
    int64_t smallest, largest;
    size_t options_size;
    const OptionField *fields; /* the options in `data.task`, besides those of all tasks */
    int field_count;
    const char *const *hints; /* easier tasks that can be mixed in, "none" first, NULL at the end; number 0 is
                                 the task itself. NULL: there is none */
    bool spaced;              /* printed with a space between tokens */
    /* Rules across options and sizes; NULL: none. On failure err->text is "KEY: what is wrong". */
    bool (*check)(const void *options, TaskSizes sizes, Error *err);
    int (*alphabet)(const void *options); /* tokens, the four of all tasks included */
    /* Inputs of the longest row, TASK_BOS included. */
    int64_t (*length)(const void *options, TaskSizes sizes, int hint);
    /* The number of different questions of these sizes: a lower bound where it is not known exactly. */
    double (*examples)(const void *options, TaskSizes sizes);
    void (*write)(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng);
    /* How a token of the task's own is printed; TASK_SEP too. Returns `text` or a constant. */
    const char *(*symbol)(const void *options, int token, char text[TASK_SYMBOL_SIZE]);
    /* The largest position that task_place gives; 0, or NULL: rows have no positions of their own. */
    int64_t (*farthest)(const void *options, TaskSizes sizes);
} Task;

/* The registry, generated from this folder in alphabetical order of names. */
extern const Task *const task_list[];
extern const int task_count;

extern const char *const task_no_hints[]; /* "none", NULL */

/* The task of this name; else NULL, and *nearest the nearest name or NULL. */
const Task *task_find(const char *name, const char **nearest);

/* The text of a row from its first to its last token, TASK_BOS and TASK_PAD left out, END as "$". */
const char *task_text(const Task *task, const void *options, const uint16_t *tokens, int length,
                      Arena *arena);

#endif
