/* task: the interface of a synthetic task; the only header that a file in this folder must include.
 *
 * A task is one .c file that defines `const Task NAME_task`. The Makefile generates the registry from these
 * files, in alphabetical order. A task writes examples: rows of tokens from its alphabet, some of which are
 * scored. The size of an example says how difficult it is (digits, elements, pairs). An example is drawn
 * only from the given random stream, so it is a function of a seed and an index (data/examples.h).
 *
 * Every row begins with TASK_BOS, which the caller writes. The task writes the other tokens from left to
 * right, by three calls:
 *
 *     task_put      writes a token that is given: no loss, no score
 *     task_answer   writes a token that must be predicted from all tokens before it
 *     task_label    sets a token that must be predicted at the last written token, without writing it
 *
 * Tokens from TASK_SYMBOLS on belong to the task; `symbol` says how they are printed.
 */
#ifndef POSLAB_TASKS_TASK_H
#define POSLAB_TASKS_TASK_H

#include "base/options.h"
#include "base/random.h"

enum {
    TASK_PAD,                  /* after the end of a row */
    TASK_BOS,                  /* at the start of every row */
    TASK_END,                  /* at the end of an answer */
    TASK_SEP,                  /* between question and answer */
    TASK_SYMBOLS,              /* the first token that belongs to the task */
    TASK_IGNORED = UINT16_MAX, /* the target at a token where nothing is scored */
};

/* A row in memory of the caller. Tasks change it only by the calls below. */
typedef struct TaskRow {
    uint32_t *tokens;    /* [room + 1] the written tokens */
    uint32_t *targets;   /* [room] the token to be predicted at tokens[t], or TASK_IGNORED */
    uint32_t *positions; /* [room + 1] positions of the tokens; NULL if the task has none */
    int length, room;    /* number of written tokens; inputs of the longest row */
    int inputs;          /* number of tokens up to the last one with a target */
} TaskRow;

void task_put(TaskRow *row, int token);
void task_answer(TaskRow *row, int token);
void task_label(TaskRow *row, int token);
/* Sets the position of the last written token, which methods use in place of its index. */
void task_place(TaskRow *row, int position);

/* The range of sizes, both bounds included. Training draws from the sizes of the config. Evaluation has one
   size, low == high, which can be larger than `trained`, the largest size in training. */
typedef struct TaskSizes {
    int64_t low, high, trained;
} TaskSizes;

/* Draws a size from low to high, all with equal probability. */
int64_t task_draw_size(TaskSizes sizes, Random *rng);

enum { TASK_SYMBOL_SIZE = 16 };

typedef struct Task {
    const char *name, *label;  /* the name of the file; the question in one line */
    const char *citation;      /* the source of the task or of its format */
    const char *size;          /* the unit of sizes: "digits of each number" */
    int64_t smallest, largest; /* sizes; from 1 */
    size_t options_size;       /* TASK_OPTIONS sets this and the next two members */
    const OptionField *fields; /* options in `data.task` in addition to those of all tasks */
    int field_count;
    const char *const *hints; /* easier tasks for training, NULL-terminated; number 0 is "none", the task
                                 itself. NULL: no hints */
    bool spaced;              /* printed with spaces between tokens */
    /* Rules across options and sizes; NULL: none. On failure err->text is "KEY: what is wrong; what to
     * change". */
    bool (*check)(const void *options, TaskSizes sizes, Error *err);
    int (*alphabet)(const void *options); /* number of tokens, including the four of all tasks */
    /* The number of inputs of the longest row, including TASK_BOS. */
    int64_t (*length)(const void *options, TaskSizes sizes, int hint);
    /* The number of different questions of these sizes, or a lower bound. */
    double (*examples)(const void *options, TaskSizes sizes);
    void (*write)(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng);
    /* Whether a token belongs to the layout of a row: rows that differ only in such tokens ask the same
       question, and training and evaluation do not share it. NULL: no token does. */
    bool (*layout)(int token);
    /* Prints a token of the task, or TASK_SEP. Returns `text` or a constant. */
    const char *(*symbol)(const void *options, int token, char text[TASK_SYMBOL_SIZE]);
    /* The largest position that task_place can set; 0, or NULL: the task sets no positions. */
    int64_t (*farthest)(const void *options, TaskSizes sizes);
} Task;

/* Members of a Task: its options struct, and the array of its rows. */
#define TASK_OPTIONS(Options, rows)                                                                          \
    .options_size = sizeof(Options), .fields = (rows), .field_count = COUNT_OF(rows)

/* The registry, in alphabetical order of names. */
extern const Task *const task_list[];
extern const int task_count;

extern const char *const task_no_hints[]; /* "none", NULL */

/* The task of this name. If there is none, returns NULL and sets *nearest to the nearest name or NULL. */
const Task *task_find(const char *name, const char **nearest);

/* The tokens of a row as text, without TASK_BOS and TASK_PAD; TASK_END is "$". */
const char *task_text(const Task *task, const void *options, const uint32_t *tokens, int length,
                      Arena *arena);

#endif
