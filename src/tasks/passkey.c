/* Passkey: a number hidden in filler text.
 *
 * Mohtashami and Jaggi, "Landmark attention: random-access infinite context length for transformers", 2023,
 * arXiv 2305.16300, section 4.2. The text is that of the paper without the introduction, which is equal in
 * all rows. Words and digits are tokens. `size` words of filler, five sentences that are repeated, are
 * interrupted at a random word:
 *
 *     The grass is green . The sky [The pass key is 7 1 . Remember it . 7 1 is the pass key .] is blue . ...
 *     What is the pass key ? The pass key is | 7 1 $
 *
 * (without the brackets). The answer is the text after `|`, including its end. Models of this size do not
 * find the number unless they are trained to, so the task is also used in training.
 */
#include <string.h>

#include "tasks/task.h"

static const char *const words[] = {"The",    "grass", "is",       "green", ".",     "sky",  "blue", "sun",
                                    "yellow", "Here",  "we",       "go",    "There", "and",  "back", "again",
                                    "pass",   "key",   "Remember", "it",    "the",   "What", "?"};
enum { DIGITS = TASK_SYMBOLS, WORDS = DIGITS + 10, MOST_DIGITS = 10 };

static const char filler[] = "The grass is green . The sky is blue . The sun is yellow . Here we go . "
                             "There and back again .";

typedef struct Options {
    int64_t most;
} Options;

static const OptionField fields[] = {
    {"most", OPTION_INT, offsetof(Options, most), .default_value = 50000, .low = 1, .high = 999999999,
     .help = "largest number, from 1"},
};

static int64_t most(const void *options) {
    return ((const Options *)options)->most;
}

static int alphabet(const void *options) {
    (void)options;
    return WORDS + COUNT_OF(words);
}

static int digits_of(int64_t number) {
    char text[24];
    return snprintf(text, sizeof text, "%lld", (long long)number);
}

/* BOS; 9 + 3 words and the number twice; the question; SEP; the number. */
static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)hint;
    return 1 + sizes.high + 5 + 3 + 5 + 10 + 1 + 3 * digits_of(most(options));
}

static double examples(const void *options, TaskSizes sizes) {
    double places = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++) places += (double)size + 1;
    return places * (double)most(options);
}

static int word_token(const char *word, size_t size) {
    for (int i = 0; i < COUNT_OF(words); i++)
        if (strlen(words[i]) == size && !memcmp(words[i], word, size)) return WORDS + i;
    BUG("'%s' begins with no word of the task", word);
}

/* Writes the words of a text, with `number` in place of N. */
static void put_words(TaskRow *row, const char *text, int64_t number) {
    for (size_t size; *text; text += size + (text[size] == ' ')) {
        size = strcspn(text, " ");
        char digits[24];
        snprintf(digits, sizeof digits, "%lld", (long long)number);
        if (size == 1 && *text == 'N')
            for (const char *d = digits; *d; d++) task_put(row, DIGITS + *d - '0');
        else
            task_put(row, word_token(text, size));
    }
}

/* Writes words [from, to) of the repeated filler. */
static void put_filler(TaskRow *row, int64_t from, int64_t to) {
    const char *at = filler;
    for (int64_t word = 0; word < to; word++) {
        size_t size = strcspn(at, " ");
        if (word >= from) task_put(row, word_token(at, size));
        at = at[size] ? at + size + 1 : filler;
    }
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    int64_t size = task_draw_size(sizes, rng), before = (int64_t)random_below(rng, (uint64_t)size + 1);
    int64_t number = 1 + (int64_t)random_below(rng, (uint64_t)most(options));
    char digits[24];
    put_filler(row, 0, before);
    put_words(row, "The pass key is N . Remember it . N is the pass key .", number);
    put_filler(row, before, size);
    put_words(row, "What is the pass key ? The pass key is", number);
    task_put(row, TASK_SEP);
    snprintf(digits, sizeof digits, "%lld", (long long)number);
    for (const char *d = digits; *d; d++) task_answer(row, DIGITS + *d - '0');
    task_answer(row, TASK_END);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    (void)options;
    if (token == TASK_SEP) return "|";
    if (token >= WORDS) return words[token - WORDS];
    snprintf(text, TASK_SYMBOL_SIZE, "%d", token - DIGITS);
    return text;
}

const Task passkey_task = {
    .name = "passkey",
    .label = "a number hidden in filler text",
    .citation = "Mohtashami and Jaggi 2023, arXiv 2305.16300",
    .size = "words of filler",
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
