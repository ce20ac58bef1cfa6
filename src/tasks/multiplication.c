/* Multiplication of two numbers, in the formats of tasks/arithmetic.h:
 *
 *     935*144=134640$
 *     00935*00144=0464310000$       padded to 5 digits, reversed
 */
#include "tasks/arithmetic.h"

static const OptionField fields[] = {ARITHMETIC_FIELDS};

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

static bool check(const void *options, TaskSizes sizes, Error *err) {
    return arithmetic_check(options, sizes, true, err);
}

static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)hint;
    return arithmetic_length(options, sizes, true);
}

static int64_t farthest(const void *options, TaskSizes sizes) {
    return arithmetic_farthest(options, sizes, true);
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    static const ArithmeticKind multiplication = {.product = true, .compute = multiply};
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
    .symbol = symbol,
    .farthest = farthest,
};
