/* letters: shared parts of the tasks on strings of letters. */
#include "tasks/letters.h"

#include <math.h>

const OptionField letters_fields[1] = {
    {"letters", OPTION_INT, offsetof(LettersOptions, letters), .default_value = 26, .low = 2, .high = 60000,
     .help = "number of different letters"},
};

static int64_t letters(const void *options) {
    return ((const LettersOptions *)options)->letters;
}

int letters_alphabet(const void *options) {
    return TASK_SYMBOLS + (int)letters(options);
}

const char *letters_name(int letter, bool brackets, char text[TASK_SYMBOL_SIZE]) {
    if (brackets)
        snprintf(text, TASK_SYMBOL_SIZE, "[%d]", letter);
    else
        snprintf(text, TASK_SYMBOL_SIZE, "%c", 'a' + letter);
    return text;
}

const char *letters_symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]) {
    return token == TASK_SEP ? "|" : letters_name(token - TASK_SYMBOLS, letters(options) > 26, text);
}

int letters_draw(TaskRow *row, const void *options, TaskSizes sizes, Random *rng) {
    int64_t size = task_draw_size(sizes, rng);
    for (int64_t i = 0; i < size; i++)
        task_put(row, TASK_SYMBOLS + (int)random_below(rng, (uint64_t)letters(options)));
    return (int)size;
}

int64_t letters_length(const void *options, TaskSizes sizes, int hint) {
    (void)options, (void)hint;
    return 2 * sizes.high + 2; /* BOS, the string, SEP, the string again; TASK_END is not an input */
}

double letters_examples(const void *options, TaskSizes sizes) {
    double sum = 0;
    for (int64_t size = sizes.low; size <= sizes.high; size++)
        sum += pow((double)letters(options), (double)size);
    return sum;
}
