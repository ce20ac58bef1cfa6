/* Multiplication of two numbers, in the formats of tasks/arithmetic.h:
 *
 *     935*144=134640$
 *     00935*00144=0464310000$       padded to 5 digits, reversed
 *
 * With `scratchpad`, the product is computed step by step before the answer, as the sum of tasks/addition.c.
 * A step has the first operand, the remaining digits of the second, and a carry, last digits first. The first
 * operand times the first of these digits plus the carry is the next digit of the product with the new carry:
 *
 *     539*441:539*4,0=0,473;539*41:539*4,473=4,114;539*1:539*1,114=6,431;=046431$
 *
 * Shen et al. have such a scratchpad for sums only; this is the same recursion for products.
 */
#include "tasks/arithmetic.h"

static const OptionField fields[] = {
    ARITHMETIC_FIELDS,
    {"scratchpad", OPTION_BOOL, offsetof(ArithmeticOptions, scratchpad), .newer = true,
     .help = "the product is computed step by step before it is written"},
};

/* Long multiplication, column by column. */
static void multiply(ArithmeticNumber *product, const ArithmeticNumber *a, const ArithmeticNumber *b) {
    int carry = 0;
    product->count = a->count + b->count;
    for (int place = 0; place < product->count; place++) {
        for (int i = place < b->count ? 0 : place - b->count + 1; i <= place && i < a->count; i++)
            carry += a->digits[i] * b->digits[place - i];
        product->digits[place] = (unsigned char)(carry % 10);
        carry /= 10;
    }
    while (product->count > 1 && product->digits[product->count - 1] == 0) product->count--;
}

/* carry = (a * digit + carry) / 10; returns the remainder. */
static int step(ArithmeticNumber *carry, const ArithmeticNumber *a, int digit) {
    int over = 0, count = a->count + 1, last = 0; /* the sum is less than 10 a */
    for (int i = 0; i < count; i++) {
        int all = over + (i < carry->count ? carry->digits[i] : 0);
        if (i < a->count) all += a->digits[i] * digit;
        if (i == 0)
            last = all % 10;
        else
            carry->digits[i - 1] = (unsigned char)(all % 10);
        over = all / 10;
    }
    carry->count = a->count;
    while (carry->count > 1 && carry->digits[carry->count - 1] == 0) carry->count--;
    return last;
}

static void steps(TaskRow *row, const ArithmeticNumber *a, const ArithmeticNumber *b) {
    ArithmeticNumber carry = {.count = 1};
    task_put(row, ARITHMETIC_COLON);
    for (int place = 0; place < b->count; place++) {
        if (place > 0) {
            arithmetic_answer(row, a, 0);
            task_answer(row, ARITHMETIC_OPERATOR);
            arithmetic_answer(row, b, place);
            task_answer(row, ARITHMETIC_COLON);
        }
        arithmetic_answer(row, a, 0);
        task_answer(row, ARITHMETIC_OPERATOR);
        task_answer(row, ARITHMETIC_DIGIT + b->digits[place]);
        task_answer(row, ARITHMETIC_COMMA);
        arithmetic_answer(row, &carry, 0);
        task_answer(row, TASK_SEP);
        task_answer(row, ARITHMETIC_DIGIT + step(&carry, a, b->digits[place]));
        task_answer(row, ARITHMETIC_COMMA);
        arithmetic_answer(row, &carry, 0);
        task_answer(row, ARITHMETIC_SEMICOLON);
    }
}

static bool check(const void *options, TaskSizes sizes, Error *err) {
    return arithmetic_check(options, sizes, true, err);
}

/* Step k of n has n digits of the first operand, one of the second and one of the product, five signs, and
   two carries of at most n digits; the first carry has one. Each step but the first begins with 2 n - k
   digits of operands and two signs. */
static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)hint;
    const ArithmeticOptions *o = options;
    int64_t n = sizes.high, carries = 1 + n + 2 * n * (n - 1);
    int64_t scratchpad = 1 + n * (n + 7) + carries + (n - 1) * (2 * n + 2) - n * (n - 1) / 2;
    return arithmetic_length(o, sizes, true) + (o->scratchpad ? scratchpad : 0);
}

static int64_t farthest(const void *options, TaskSizes sizes) {
    return arithmetic_farthest(options, sizes, true);
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    static const ArithmeticKind multiplication = {.product = true, .compute = multiply, .steps = steps};
    (void)hint;
    arithmetic_write(row, options, sizes, rng, &multiplication);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    (void)options;
    return arithmetic_symbol(token, '*', text);
}

const Task multiplication_task = {
    .name = "multiplication",
    .label = "the product of two numbers",
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
