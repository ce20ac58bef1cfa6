/* arithmetic: the formats in which addition and multiplication are written.
 *
 * Shen et al., "Positional description matters for transformers arithmetic", 2023, arXiv 2311.14737. A
 * digit is a token. The formats of 239 + 821 = 1060 are:
 *
 *     239+821=1060$               order plain
 *     239+821=0601$               order reversed: the answer, last digit first
 *     932+128=0601$               order all: operands and answer, last digit first
 *     0239+0821=06010$            reversed, padded to n = 4 digits: the answer has n + 1 digits
 *     2 39+82  1=0601$            spaces, in the answer only with `spaces_answer`
 *     a2b3c9+a8b2c1=z1a0b6c0$     hints: letters for places, in sequence from a random start
 *
 * Padded products have 2 n digits. The answer is the text after `=` with its end; spaces in it are not
 * scored. Digits of equal place value have the same letter (Zhou et al., "Transformers can achieve length
 * generalization but not robustly", 2024, arXiv 2402.09371). After a digit, spaces are added one by one
 * with probability `spaces`, at most `max_spaces` in all.
 *
 * With `positions`, a digit has a position that replaces its index in the row; other tokens have position
 * 0. abacus (McLeish et al. 2024, arXiv 2405.17399): s + 1 + the index of the digit in the number as
 * written. coupled (an interpretation of Cho et al. 2024, arXiv 2405.20671): s + 1 + place value, the same
 * for all numbers. s is drawn from 0 to `max_start` for each row.
 */
#ifndef POSLAB_TASKS_ARITHMETIC_H
#define POSLAB_TASKS_ARITHMETIC_H

#include "tasks/task.h"

enum { ARITHMETIC_DIGITS = 2048, ARITHMETIC_LARGEST = 1000 };
enum { ARITHMETIC_PLAIN, ARITHMETIC_REVERSED, ARITHMETIC_ALL };
extern const char *const arithmetic_orders[], *const arithmetic_digits[], *const arithmetic_positions[];

enum { /* tokens: the ten digits, then */
       ARITHMETIC_DIGIT = TASK_SYMBOLS,
       ARITHMETIC_OPERATOR = ARITHMETIC_DIGIT + 10,
       ARITHMETIC_SPACE,
       ARITHMETIC_COLON,
       ARITHMETIC_COMMA,
       ARITHMETIC_SEMICOLON,
       ARITHMETIC_LETTER,
       ARITHMETIC_ALPHABET = ARITHMETIC_LETTER + 26,
};

typedef struct ArithmeticOptions {
    int order, digits, positions;
    bool pad, spaces_answer, hints, equal, scratchpad;
    int64_t pad_to, max_spaces, max_start;
    double spaces;
} ArithmeticOptions;

#define ARITHMETIC_FIELDS                                                                                    \
    {"order", OPTION_CHOICE, offsetof(ArithmeticOptions, order), .choices = arithmetic_orders,               \
     .help = "order of digits: plain, last digit first in the answer, or in all numbers"},                   \
        {"digits", OPTION_CHOICE, offsetof(ArithmeticOptions, digits), .choices = arithmetic_digits,         \
         .help = "each digit is a token"},                                                                   \
        {"equal", OPTION_BOOL, offsetof(ArithmeticOptions, equal),                                           \
         .help = "both operands have the same number of digits"},                                            \
        {"pad", OPTION_BOOL, offsetof(ArithmeticOptions, pad),                                               \
         .help = "pad numbers with zeros to equal lengths"},                                                 \
        {"pad_to",                                                                                           \
         OPTION_INT,                                                                                         \
         offsetof(ArithmeticOptions, pad_to),                                                                \
         .low = 1,                                                                                           \
         .high = ARITHMETIC_LARGEST,                                                                         \
         .or_zero = true,                                                                                    \
         .help = "digits of padded operands; 0: the largest size in training, or the size if larger"},       \
        {"spaces", OPTION_REAL, offsetof(ArithmeticOptions, spaces),                                         \
         .low = 0, .high = 1,   .help = "probability of a space after a digit"},                             \
        {"max_spaces", OPTION_INT,   offsetof(ArithmeticOptions, max_spaces),         .default_value = 8,    \
         .low = 1,     .high = 4096, .help = "maximum number of spaces in an example"},                      \
        {"spaces_answer", OPTION_BOOL, offsetof(ArithmeticOptions, spaces_answer),                           \
         .help = "also add spaces to the answer"},                                                           \
        {"hints", OPTION_BOOL, offsetof(ArithmeticOptions, hints),                                           \
         .help = "write a letter before each digit that marks its place"},                                   \
        {"positions", OPTION_CHOICE, offsetof(ArithmeticOptions, positions),                                 \
         .choices = arithmetic_positions,                                                                    \
         .help = "positions of digits: index in the row, in the number (abacus), or place value (coupled)"}, \
    {                                                                                                        \
        "max_start", OPTION_INT, offsetof(ArithmeticOptions, max_start),                                     \
            .default_value = 100, .low = 0, .high = 10000,                                                   \
            .help = "maximum of the random start of positions"                                               \
    }

/* A number as its digits, last digit first. */
typedef struct ArithmeticNumber {
    int count;
    unsigned char digits[ARITHMETIC_DIGITS];
} ArithmeticNumber;

typedef struct ArithmeticKind {
    bool product; /* padded answers have 2 n digits; otherwise n + 1 */
    /* result = a op b, without leading zeros (zero is one digit) */
    void (*compute)(ArithmeticNumber *result, const ArithmeticNumber *a, const ArithmeticNumber *b);
    /* writes text between the operands and the last `=`; NULL: none */
    void (*steps)(TaskRow *row, const ArithmeticNumber *a, const ArithmeticNumber *b);
} ArithmeticKind;

bool arithmetic_check(const ArithmeticOptions *options, TaskSizes sizes, bool product, Error *err);
int arithmetic_alphabet(const void *options);
int64_t arithmetic_length(const ArithmeticOptions *options, TaskSizes sizes, bool product);
double arithmetic_examples(const void *options, TaskSizes sizes);
bool arithmetic_layout(int token); /* spaces, and letters of places */
void arithmetic_write(TaskRow *row, const ArithmeticOptions *options, TaskSizes sizes, Random *rng,
                      const ArithmeticKind *kind);
/* Writes the digits from this place on, last digit first, as a part of the answer. */
void arithmetic_answer(TaskRow *row, const ArithmeticNumber *number, int place);
const char *arithmetic_symbol(int token, char operation, char text[TASK_SYMBOL_SIZE]);
int64_t arithmetic_farthest(const ArithmeticOptions *options, TaskSizes sizes, bool product);

#endif
