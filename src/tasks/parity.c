/* Parity: the parity of the number of ones in a string of bits, after each bit or after the last.
 *
 * Deletang et al., "Neural networks and the Chomsky hierarchy", 2022, arXiv 2207.02098. A row is only the
 * string; the targets are not in the text:
 *
 *     0110    with the targets 0 1 0 0, or only the last of them
 */
#include <math.h>

#include "tasks/task.h"

typedef struct Options {
    bool each;
} Options;

static const OptionField fields[] = {
    {"each", OPTION_BOOL, offsetof(Options, each), .default_value = 1,
     .help = "score the parity after every bit, not only after the last"},
};

static int alphabet(const void *options) {
    (void)options;
    return TASK_SYMBOLS + 2;
}

static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)options, (void)hint;
    return sizes.high + 1;
}

static double examples(const void *options, TaskSizes sizes) {
    (void)options;
    return ldexp(2, (int)sizes.high) - ldexp(1, (int)sizes.low);
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    bool each = ((const Options *)options)->each;
    int parity = 0;
    for (int64_t left = task_draw_size(sizes, rng); left > 0; left--) {
        int bit = (int)random_below(rng, 2);
        parity ^= bit;
        task_put(row, TASK_SYMBOLS + bit);
        if (each || left == 1) task_label(row, TASK_SYMBOLS + parity);
    }
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    (void)options, (void)text;
    return token == TASK_SYMBOLS ? "0" : "1";
}

const Task parity_task = {
    .name = "parity",
    .label = "the parity of the ones in a string of bits",
    .citation = "Deletang et al. 2022, arXiv 2207.02098",
    .size = "bits",
    .smallest = 1,
    .largest = 1 << 14,
    TASK_OPTIONS(Options, fields),
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
