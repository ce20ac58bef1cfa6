/* arithmetic: writes the numbers of a row digit by digit, place 0 is the last digit. */
#include "tasks/arithmetic.h"

#include <math.h>

const char *const arithmetic_orders[] = {"plain", "reversed", "all", NULL};
const char *const arithmetic_digits[] = {"separate", NULL};
const char *const arithmetic_positions[] = {"index", "abacus", "coupled", NULL};
enum { INDEX, ABACUS, COUPLED };

/* How the numbers of a row are written. */
typedef struct Format {
    const ArithmeticOptions *options;
    Random *rng;
    int width;      /* digits of padded operands; 0: no padding */
    int places;     /* digits of the answer, which determine letters */
    int letter;     /* random start of the letters */
    int start;      /* random start of the positions */
    int64_t spaces; /* spaces that can still be added */
} Format;

/* The number of digits of padded operands; 0: no padding. */
static int64_t padded(const ArithmeticOptions *o, TaskSizes sizes) {
    if (!o->pad) return 0;
    int64_t most = sizes.high > sizes.trained ? sizes.high : sizes.trained;
    return o->pad_to > sizes.high ? o->pad_to : o->pad_to ? sizes.high : most;
}

static int64_t answer_digits(bool product, int64_t a, int64_t b) {
    return product ? a + b : (a > b ? a : b) + 1;
}

bool arithmetic_check(const ArithmeticOptions *o, TaskSizes sizes, bool product, Error *err) {
    int64_t width = o->pad ? padded(o, sizes) : sizes.high, places = answer_digits(product, width, width);
    if (o->hints && places > 26)
        return error_set(
            err, EXIT_USAGE,
            "hints: the 26 letters can mark 26 places, but answers at size %lld have %lld; lower the size",
            (long long)sizes.high, (long long)places);
    if (o->pad_to && !o->pad)
        return error_set(err, EXIT_USAGE, "pad_to: has no effect without 'pad'; set that to true");
    if (o->pad_to && o->pad_to < sizes.trained)
        return error_set(
            err, EXIT_USAGE,
            "pad_to: must be at least %lld, the largest size in training, got %lld; 0 is that size",
            (long long)sizes.trained, (long long)o->pad_to);
    if (o->spaces_answer && !(o->spaces > 0))
        return error_set(err, EXIT_USAGE, "spaces_answer: has no effect without 'spaces'; set that above 0");
    if (!o->scratchpad) return true;
    if (o->order != ARITHMETIC_ALL)
        return error_set(err, EXIT_USAGE,
                         "scratchpad: its steps begin with the last digits; set 'order' to \"all\"");
    return !(o->hints || o->spaces > 0 || o->pad || o->positions) ||
           error_set(err, EXIT_USAGE,
                     "scratchpad: cannot have 'pad', 'spaces', 'hints' or 'positions', too; leave them out");
}

int arithmetic_alphabet(const void *options) {
    (void)options;
    return ARITHMETIC_ALPHABET;
}

int64_t arithmetic_farthest(const ArithmeticOptions *o, TaskSizes sizes, bool product) {
    int64_t width = o->pad ? padded(o, sizes) : sizes.high;
    return o->positions == INDEX ? 0 : o->max_start + answer_digits(product, width, width);
}

int64_t arithmetic_length(const ArithmeticOptions *o, TaskSizes sizes, bool product) {
    int64_t width = o->pad ? padded(o, sizes) : sizes.high;
    int64_t digits = 2 * width + answer_digits(product, width, width);
    /* BOS, the operator and `=`; TASK_END is not an input */
    return 3 + digits * (o->hints ? 2 : 1) + (o->spaces > 0 ? o->max_spaces : 0);
}

static double numbers_of(int64_t digits) {
    return digits == 1 ? 10 : 9 * pow(10, (double)digits - 1);
}

double arithmetic_examples(const void *options, TaskSizes sizes) {
    double sum = 0, pairs = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) {
        sum += numbers_of(size);
        pairs += numbers_of(size) * numbers_of(size);
    }
    return ((const ArithmeticOptions *)options)->equal ? pairs : sum * sum;
}

/* Draws a number; if it has several digits, the first is not 0. */
static void draw_number(ArithmeticNumber *number, int64_t digits, Random *rng) {
    number->count = (int)digits;
    for (int i = 0; i < digits; i++) {
        bool first = i == digits - 1 && digits > 1;
        number->digits[i] = (unsigned char)((first ? 1 : 0) + random_below(rng, first ? 9 : 10));
    }
}

static void add_token(TaskRow *row, int token, bool answer) {
    if (answer)
        task_answer(row, token);
    else
        task_put(row, token);
}

/* Writes places 0 to `width` - 1; those from number->count on are zeros. */
static void write_number(TaskRow *row, Format *format, const ArithmeticNumber *number, int width,
                         bool reversed, bool answer) {
    const ArithmeticOptions *o = format->options;
    if (width < number->count) width = number->count;
    for (int i = 0; i < width; i++) {
        int place = reversed ? i : width - 1 - i;
        int letter = o->order == ARITHMETIC_ALL ? place : format->places - 1 - place;
        if (o->hints) add_token(row, ARITHMETIC_LETTER + (format->letter + letter) % 26, answer);
        add_token(row, ARITHMETIC_DIGIT + (place < number->count ? number->digits[place] : 0), answer);
        if (o->positions) task_place(row, format->start + 1 + (o->positions == ABACUS ? i : place));
        while (o->spaces > 0 && (!answer || o->spaces_answer) && i + 1 < width && format->spaces > 0 &&
               random_uniform(format->rng) < o->spaces) {
            task_put(row, ARITHMETIC_SPACE);
            format->spaces--;
        }
    }
}

void arithmetic_answer(TaskRow *row, const ArithmeticNumber *number, int place) {
    for (; place < number->count; place++) task_answer(row, ARITHMETIC_DIGIT + number->digits[place]);
}

void arithmetic_write(TaskRow *row, const ArithmeticOptions *o, TaskSizes sizes, Random *rng,
                      const ArithmeticKind *kind) {
    ArithmeticNumber a, b, result;
    int64_t size = task_draw_size(sizes, rng);
    draw_number(&a, size, rng);
    draw_number(&b, o->equal ? size : task_draw_size(sizes, rng), rng);
    kind->compute(&result, &a, &b);
    Format format = {.options = o, .rng = rng, .width = (int)padded(o, sizes), .spaces = o->max_spaces};
    int width = format.width;
    format.places = (int)(width ? answer_digits(kind->product, width, width)
                                : answer_digits(kind->product, a.count, b.count));
    if (o->hints) format.letter = (int)random_below(rng, 26);
    if (o->positions) format.start = (int)random_below(rng, (uint64_t)o->max_start + 1);
    bool all = o->order == ARITHMETIC_ALL, reversed = o->order != ARITHMETIC_PLAIN;
    write_number(row, &format, &a, width, all, false);
    task_put(row, ARITHMETIC_OPERATOR);
    write_number(row, &format, &b, width, all, false);
    if (kind->steps && o->scratchpad) kind->steps(row, &a, &b);
    add_token(row, TASK_SEP, o->scratchpad);
    write_number(row, &format, &result, width ? format.places : 0, reversed, true);
    task_answer(row, TASK_END);
}

bool arithmetic_layout(int token) {
    return token == ARITHMETIC_SPACE || token >= ARITHMETIC_LETTER;
}

const char *arithmetic_symbol(int token, char operation, char text[TASK_SYMBOL_SIZE]) {
    static const char others[] = " :,;";
    char symbol = (char)('a' + token - ARITHMETIC_LETTER);
    if (token == TASK_SEP)
        symbol = '=';
    else if (token < ARITHMETIC_OPERATOR)
        symbol = (char)('0' + token - ARITHMETIC_DIGIT);
    else if (token == ARITHMETIC_OPERATOR)
        symbol = operation;
    else if (token < ARITHMETIC_LETTER)
        symbol = others[token - ARITHMETIC_SPACE];
    snprintf(text, TASK_SYMBOL_SIZE, "%c", symbol);
    return text;
}
