/* State tracking: the running product of elements of a group (its word problem).
 *
 * Merrill, Petty and Sabharwal, "The illusion of state in state-space models", 2024, arXiv 2404.08819. A
 * row is a string of elements. The targets, which are not in the text, are the products of all elements so
 * far:
 *
 *     target(t) = x(1) x(2) ... x(t)
 *
 * S2, S3 and A5 are groups of permutations, Z60 is addition modulo 60. In a product of permutations the
 * left factor acts first: (p q)(i) = q(p(i)). Permutations are numbered in lexicographic order, those of A5
 * among the even permutations; number 0 is the identity. Elements are printed as numbers.
 */
#include <math.h>

#include "tasks/task.h"

enum { S2, S3, A5, Z60 };
static const char *const group_names[] = {"S2", "S3", "A5", "Z60", NULL};
static const int orders[] = {2, 6, 60, 60}, points[] = {2, 3, 5, 0};

typedef struct Options {
    int group;
    bool each;
} Options;

static const OptionField fields[] = {
    {"group", OPTION_CHOICE, offsetof(Options, group), .default_value = S3, .choices = group_names,
     .help = "the group whose elements are multiplied"},
    {"each", OPTION_BOOL, offsetof(Options, each), .default_value = 1,
     .help = "score the product after every element, not only after the last"},
};

/* Writes permutation `number` of n points: its factorial digits select from the remaining points. */
static void unrank(int number, int n, int *images) {
    int left[5] = {0, 1, 2, 3, 4}, count = n, factorial = 1;
    for (int i = 2; i < n; i++) factorial *= i;
    for (int i = 0; i < n; i++) {
        int digit = number / factorial;
        number %= factorial;
        images[i] = left[digit];
        for (int k = digit; k + 1 < count; k++) left[k] = left[k + 1];
        if (--count > 1) factorial /= count;
    }
}

static int rank_of(const int *images, int n) {
    int number = 0;
    for (int i = 0; i < n; i++) {
        int smaller = 0;
        for (int k = i + 1; k < n; k++) smaller += images[k] < images[i];
        number = number * (n - i) + smaller;
    }
    return number;
}

/* Permutations 2 k and 2 k + 1 differ in their last two images, so exactly one of them is even. */
static void even(int number, int *images) {
    int inversions = 0;
    unrank(2 * number, 5, images);
    for (int i = 0; i < 5; i++)
        for (int k = i + 1; k < 5; k++) inversions += images[k] < images[i];
    if (inversions % 2) unrank(2 * number + 1, 5, images);
}

static int product(int group, int left, int right) {
    int p[5] = {0}, q[5] = {0}, both[5] = {0};
    if (group == Z60) return (left + right) % 60;
    if (group == A5)
        even(left, p), even(right, q);
    else
        unrank(left, points[group], p), unrank(right, points[group], q);
    for (int i = 0; i < points[group]; i++) both[i] = q[p[i]];
    return rank_of(both, points[group]) / (group == A5 ? 2 : 1);
}

static int order(const void *options) {
    return orders[((const Options *)options)->group];
}

static int alphabet(const void *options) {
    return TASK_SYMBOLS + order(options);
}

static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)options, (void)hint;
    return sizes.high + 1;
}

static double examples(const void *options, TaskSizes sizes) {
    double sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) sum += pow(order(options), (double)size);
    return sum;
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    const Options *o = options;
    int state = 0;
    for (int64_t left = task_draw_size(sizes, rng); left > 0; left--) {
        int element = (int)random_below(rng, (uint64_t)order(options));
        state = product(o->group, state, element);
        task_put(row, TASK_SYMBOLS + element);
        if (o->each || left == 1) task_label(row, TASK_SYMBOLS + state);
    }
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    (void)options;
    snprintf(text, TASK_SYMBOL_SIZE, "%d", token - TASK_SYMBOLS);
    return text;
}

const Task state_task = {
    .name = "state",
    .label = "the running product of elements of a group",
    .citation = "Merrill et al. 2024, arXiv 2404.08819",
    .size = "elements",
    .smallest = 1,
    .largest = 1 << 14,
    TASK_OPTIONS(Options, fields),
    .spaced = true,
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
