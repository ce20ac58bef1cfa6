/* Flip-flop: recall the bit of the last write instruction.
 *
 * Liu et al., "Exposing attention glitches with flip-flop language modeling", 2023, arXiv 2306.00946. A row
 * is a sequence of instructions with one bit each; the first is a write, the last is the only read:
 *
 *     w1 i0 i1 w0 i1 r0
 *
 * (printed without spaces). Every other instruction is a write (w) with probability p, otherwise it must be
 * ignored (i). p is drawn between two bounds for each row. The answer is the bit of the read.
 */
#include <math.h>

#include "tasks/task.h"

enum { ZERO = TASK_SYMBOLS, ONE, WRITE, IGNORE, READ, ALPHABET };

typedef struct Options {
    double write_low, write_high;
} Options;

static const OptionField fields[] = {
    {"write_low", OPTION_REAL, offsetof(Options, write_low), .default_value = 0.1, .low = 0, .high = 1,
     .help = "lowest probability that an instruction is a write"},
    {"write_high", OPTION_REAL, offsetof(Options, write_high), .default_value = 0.8, .low = 0, .high = 1,
     .help = "highest probability that an instruction is a write"},
};

static bool check(const void *options, TaskSizes sizes, Error *err) {
    (void)sizes;
    const Options *o = options;
    return o->write_low <= o->write_high ||
           error_set(err, EXIT_USAGE, "write_low: must be at most 'write_high' (%g), got %g; lower it",
                     o->write_high, o->write_low);
}

static int alphabet(const void *options) {
    (void)options;
    return ALPHABET;
}

static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)options, (void)hint;
    return 2 * sizes.high;
}

/* If both instructions are possible, each instruction except the first and the last is one of four. */
static double examples(const void *options, TaskSizes sizes) {
    const Options *o = options;
    double choices = o->write_high > 0 && o->write_low < 1 ? 4 : 2, sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) sum += 2 * pow(choices, (double)size - 2);
    return sum;
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    const Options *o = options;
    int64_t size = task_draw_size(sizes, rng);
    double p = o->write_low + (o->write_high - o->write_low) * random_uniform(rng);
    int kept = 0;
    for (int64_t i = 0; i + 1 < size; i++) {
        bool writes = i == 0 || random_uniform(rng) < p;
        int bit = (int)random_below(rng, 2);
        if (writes) kept = bit;
        task_put(row, writes ? WRITE : IGNORE);
        task_put(row, ZERO + bit);
    }
    task_put(row, READ);
    task_answer(row, ZERO + kept);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    (void)options;
    snprintf(text, TASK_SYMBOL_SIZE, "%c", "01wir"[token - TASK_SYMBOLS]);
    return text;
}

const Task flip_flop_task = {
    .name = "flip_flop",
    .label = "the bit of the last write",
    .citation = "Liu et al. 2023, arXiv 2306.00946",
    .size = "instructions",
    .smallest = 2,
    .largest = 1 << 14,
    TASK_OPTIONS(Options, fields),
    .check = check,
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
