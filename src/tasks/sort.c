/* Sort: write a sequence of numbers in ascending order. Hints are easier tasks on such a sequence.
 *
 * Awasthi and Gupta, "Improving length-generalization in transformers via task hinting", 2023, arXiv
 * 2310.00726. A number is a token; numbers may repeat unless `distinct` is set. The first token of a row is
 * its kind. The answer is the text after the last `#`, including its end:
 *
 *     S 31 7 7 90 # 7 7 31 90 $         none: the task itself
 *     N 31 7 7 90 ? 7 # 31 $            successor: the smallest number above; none for the largest
 *     B 31 7 7 90 ? 31 # 7 $            predecessor: the largest number below; none for the smallest
 *     C 31 7 7 90 ? 7 # 2 $             count: how often the number occurs
 *     F 31 7 7 90 # 7 7 _ 90 # 31 $     fill: the number that is missing from the sorted sequence
 *     P 31 7 7 90 ? 31 # 0 $            parity: of the index in the sorted sequence, from 0
 *
 * If `strict` is false, the successor is the element after the first occurrence of the number in the sorted
 * sequence, the predecessor the element before its last occurrence; both can be equal to the number. The
 * number in the question is drawn among the elements.
 */
#include <math.h>
#include <stdlib.h>

#include "tasks/task.h"

enum { NONE, SUCCESSOR, PREDECESSOR, COUNT, FILL, PARITY };
static const char *const hint_names[] = {"none", "successor", "predecessor", "count", "fill", "parity", NULL};

enum { QUESTION = 6, BLANK, OTHERS }; /* tokens after the numbers: the kinds of rows, then these */

typedef struct Options {
    int64_t numbers;
    bool distinct, strict;
} Options;

static const OptionField fields[] = {
    {"numbers", OPTION_INT, offsetof(Options, numbers), .default_value = 100, .low = 2, .high = 60000,
     .help = "V: numbers are from 0 to V - 1"},
    {"distinct", OPTION_BOOL, offsetof(Options, distinct), .default_value = 0,
     .help = "no number occurs twice in a sequence"},
    {"strict", OPTION_BOOL, offsetof(Options, strict), .default_value = 1,
     .help = "successors must be larger and predecessors smaller, not equal"},
};

static bool check(const void *options, TaskSizes sizes, Error *err) {
    const Options *o = options;
    return !o->distinct || o->numbers >= sizes.high ||
           error_set(err, EXIT_USAGE,
                     "numbers: must be at least %lld, the largest size, because 'distinct' is set, got %lld; "
                     "raise it",
                     (long long)sizes.high, (long long)o->numbers);
}

static int alphabet(const void *options) {
    return TASK_SYMBOLS + (int)((const Options *)options)->numbers + OTHERS;
}

/* A count is written as a number, modulo the number of numbers. */
static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)options;
    if (hint == NONE) return 2 * sizes.high + 3;
    return hint == FILL ? 2 * sizes.high + 5 : sizes.high + 6;
}

static double examples(const void *options, TaskSizes sizes) {
    const Options *o = options;
    double sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) {
        double choices = 1;
        for (int64_t i = 0; i < size; i++) choices *= (double)(o->numbers - (o->distinct ? i : 0));
        sum += choices;
    }
    return sum;
}

static int ascending(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static void draw(int *numbers, int size, const Options *o, Random *rng) {
    for (int i = 0; i < size; i++) {
        bool again = true;
        while (again) {
            numbers[i] = (int)random_below(rng, (uint64_t)o->numbers);
            again = false;
            for (int k = 0; k < i && o->distinct && !again; k++) again = numbers[k] == numbers[i];
        }
    }
}

/* The answer to a question about sorted[at]; -1 if there is none. */
static int answer(const Options *o, int hint, const int *sorted, int size, int at) {
    int asked = sorted[at], count = 0, step = hint == SUCCESSOR ? 1 : -1;
    if (hint == PARITY) return at % 2;
    if (hint == COUNT) {
        for (int i = 0; i < size; i++) count += sorted[i] == asked;
        return count % (int)o->numbers;
    }
    /* Begins at the occurrence that comes first in the direction of the step. */
    while (at - step >= 0 && at - step < size && sorted[at - step] == asked) at -= step;
    do at += step;
    while (o->strict && at >= 0 && at < size && sorted[at] == asked);
    return at >= 0 && at < size ? sorted[at] : -1;
}

static void write_hint(TaskRow *row, const Options *o, int hint, const int *sorted, int size, Random *rng) {
    int own = TASK_SYMBOLS + (int)o->numbers, at = (int)random_below(rng, (uint64_t)size),
        wanted = sorted[at];
    if (hint == FILL) {
        task_put(row, TASK_SEP);
        for (int i = 0; i < size; i++) task_put(row, i == at ? own + BLANK : TASK_SYMBOLS + sorted[i]);
    } else {
        task_put(row, own + QUESTION);
        task_put(row, TASK_SYMBOLS + sorted[at]);
        /* the index of its first occurrence */
        while (hint == PARITY && at > 0 && sorted[at - 1] == sorted[at]) at--;
        wanted = answer(o, hint, sorted, size, at);
    }
    task_put(row, TASK_SEP);
    if (wanted >= 0) task_answer(row, TASK_SYMBOLS + wanted);
    task_answer(row, TASK_END);
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    const Options *o = options;
    Arena *arena = arena_new(0);
    int size = (int)task_draw_size(sizes, rng), *numbers = NEW(arena, size, int);
    draw(numbers, size, o, rng);
    task_put(row, TASK_SYMBOLS + (int)o->numbers + hint);
    for (int i = 0; i < size; i++) task_put(row, TASK_SYMBOLS + numbers[i]);
    qsort(numbers, (size_t)size, sizeof *numbers, ascending);
    if (hint == NONE) {
        task_put(row, TASK_SEP);
        for (int i = 0; i < size; i++) task_answer(row, TASK_SYMBOLS + numbers[i]);
        task_answer(row, TASK_END);
    } else {
        write_hint(row, o, hint, numbers, size, rng);
    }
    arena_free(arena);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    int number = token - TASK_SYMBOLS, own = number - (int)((const Options *)options)->numbers;
    if (token == TASK_SEP) return "#";
    if (own < 0)
        snprintf(text, TASK_SYMBOL_SIZE, "%d", number);
    else
        snprintf(text, TASK_SYMBOL_SIZE, "%c", "SNBCFP?_"[own]);
    return text;
}

const Task sort_task = {
    .name = "sort",
    .label = "write numbers in ascending order",
    .citation = "Awasthi and Gupta 2023, arXiv 2310.00726",
    .size = "numbers of the sequence",
    .smallest = 1,
    .largest = 1 << 14,
    TASK_OPTIONS(Options, fields),
    .hints = hint_names,
    .spaced = true,
    .check = check,
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
