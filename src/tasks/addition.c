/* Addition of two numbers, in the formats of tasks/arithmetic.h.
 *
 * With `scratchpad`, the sum is computed step by step before the answer. A step has the remaining digits of
 * both operands, last digits first; the sum of the first two digits and the carry; and the last digit of
 * that sum with the new carry:
 *
 *     932+128:9+1+0=0,1;32+28:3+2+1=6,0;2+8:2+8+0=0,1;=0601$
 *
 * Everything after the first `:` is then the answer. This is an interpretation of the "recursive
 * scratchpad" of Shen et al. 2023, who do not give its text.
 */
#include "tasks/arithmetic.h"

static const OptionField fields[] = {
    ARITHMETIC_FIELDS,
    {"scratchpad", OPTION_BOOL, offsetof(ArithmeticOptions, scratchpad),
     .help = "the sum is computed step by step before it is written"},
};

static int digit(const ArithmeticNumber *number, int place) {
    return place < number->count ? number->digits[place] : 0;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

static void add(ArithmeticNumber *sum, const ArithmeticNumber *a, const ArithmeticNumber *b) {
    int carry = 0;
    sum->count = larger(a->count, b->count);
    for (int place = 0; place < sum->count; place++) {
        int all = digit(a, place) + digit(b, place) + carry;
        sum->digits[place] = (unsigned char)(all % 10);
        carry = all / 10;
    }
    if (carry) sum->digits[sum->count++] = 1;
}

static void steps(TaskRow *row, const ArithmeticNumber *a, const ArithmeticNumber *b) {
    int carry = 0, count = larger(a->count, b->count);
    task_put(row, ARITHMETIC_COLON);
    for (int place = 0; place < count; place++) {
        if (place > 0) {
            arithmetic_answer(row, a, place);
            task_answer(row, ARITHMETIC_OPERATOR);
            arithmetic_answer(row, b, place);
            task_answer(row, ARITHMETIC_COLON);
        }
        int x = digit(a, place), y = digit(b, place), all = x + y + carry;
        const int step[] = {ARITHMETIC_DIGIT + x,        ARITHMETIC_OPERATOR,
                            ARITHMETIC_DIGIT + y,        ARITHMETIC_OPERATOR,
                            ARITHMETIC_DIGIT + carry,    TASK_SEP,
                            ARITHMETIC_DIGIT + all % 10, ARITHMETIC_COMMA,
                            ARITHMETIC_DIGIT + all / 10, ARITHMETIC_SEMICOLON};
        for (int i = 0; i < COUNT_OF(step); i++) task_answer(row, step[i]);
        carry = all / 10;
    }
}

static bool check(const void *options, TaskSizes sizes, Error *err) {
    return arithmetic_check(options, sizes, false, err);
}

/* Step k of n has 2 (n - k) digits of operands (the first step has none), two signs and ten other
   tokens. */
static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)hint;
    const ArithmeticOptions *o = options;
    int64_t n = sizes.high, scratchpad = 1 + n * 10 + (n - 1) * n + 2 * (n - 1);
    return arithmetic_length(o, sizes, false) + (o->scratchpad ? scratchpad : 0);
}

static int64_t farthest(const void *options, TaskSizes sizes) {
    return arithmetic_farthest(options, sizes, false);
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    static const ArithmeticKind addition = {.compute = add, .steps = steps};
    (void)hint;
    arithmetic_write(row, options, sizes, rng, &addition);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    (void)options;
    return arithmetic_symbol(token, '+', text);
}

const Task addition_task = {
    .name = "addition",
    .label = "the sum of two numbers",
    .citation = "Shen et al. 2023, arXiv 2311.14737",
    .size = "digits of each number",
    .smallest = 1,
    .largest = ARITHMETIC_LARGEST,
    TASK_OPTIONS(ArithmeticOptions, fields),
    .check = check,
    .alphabet = arithmetic_alphabet,
    .length = length,
    .examples = arithmetic_examples,
    .write = write,
    .layout = arithmetic_layout,
    .symbol = symbol,
    .farthest = farthest,
};
