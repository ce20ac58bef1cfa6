/* Indexing: the letter n letters to the left or right of a marker.
 *
 * Indirect indexing as in the paper on PoPE, 2025, arXiv 2509.10534. A string of letters contains a marker.
 * The question is a direction and a number from 1 to `reach`:
 *
 *     dbca*fe<3|b$
 *
 * The answer is the text after `|`, including its end. The marker is drawn among all gaps between letters
 * and both ends, then the direction among those with letters, then the number among the letters in that
 * direction.
 */
#include "tasks/letters.h"

typedef struct Options {
    LettersOptions letters;
    int64_t reach;
} Options;

static const OptionField fields[] = {
    {"letters", OPTION_INT, offsetof(Options, letters.letters), .default_value = 26, .low = 2, .high = 60000,
     .help = "number of different letters"},
    {"reach", OPTION_INT, offsetof(Options, reach), .default_value = 9, .low = 1, .high = 1000,
     .help = "largest distance in a question"},
};

enum { LEFT, RIGHT, MARKER, OTHERS }; /* tokens after the letters; the numbers from 1 follow */

static int64_t reach(const void *options) {
    return ((const Options *)options)->reach;
}

static int alphabet(const void *options) {
    return letters_alphabet(options) + OTHERS + (int)reach(options);
}

/* BOS, the string with its marker, direction, number, SEP, the letter. */
static int64_t length(const void *options, TaskSizes sizes, int hint) {
    (void)options, (void)hint;
    return sizes.high + 6;
}

/* A lower bound: strings times gaps for the marker, without directions and numbers. */
static double examples(const void *options, TaskSizes sizes) {
    double sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++)
        sum += letters_examples(options, (TaskSizes){.low = size, .high = size}) * (double)(size + 1);
    return sum;
}

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    int own = letters_alphabet(options), start = row->length;
    int size = letters_draw(row, options, sizes, rng), marker = (int)random_below(rng, (uint64_t)size + 1);
    task_put(row, own + MARKER);
    for (int i = size; i > marker; i--) { /* moves the marker to its gap */
        row->tokens[start + i] = row->tokens[start + i - 1];
        row->tokens[start + i - 1] = (uint32_t)(own + MARKER);
    }
    bool left = marker == size || (marker > 0 && random_below(rng, 2));
    int64_t there = left ? marker : size - marker;
    if (there > reach(options)) there = reach(options);
    int number = 1 + (int)random_below(rng, (uint64_t)there);
    task_put(row, own + (left ? LEFT : RIGHT));
    task_put(row, own + OTHERS + number - 1);
    task_put(row, TASK_SEP);
    task_answer(row, row->tokens[start + marker + (left ? -number : number)]);
    task_answer(row, TASK_END);
}

static const char *symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    static const char *const others[] = {[LEFT] = "<", [RIGHT] = ">", [MARKER] = "*"};
    int own = token - letters_alphabet(options);
    if (own < 0) return letters_symbol(options, token, text);
    if (own < OTHERS) return others[own];
    snprintf(text, TASK_SYMBOL_SIZE, "%d", own - OTHERS + 1);
    return text;
}

const Task indexing_task = {
    .name = "indexing",
    .label = "the letter n places left or right of a marker",
    .citation = "indirect indexing, arXiv 2509.10534",
    .size = "letters",
    .smallest = 1,
    .largest = 1 << 14,
    TASK_OPTIONS(Options, fields),
    .alphabet = alphabet,
    .length = length,
    .examples = examples,
    .write = write,
    .symbol = symbol,
};
