/* letters: shared parts of the tasks on strings of letters.
 *
 * Up to 26 different letters are printed as a, b, ...; more are printed as numbers in brackets.
 */
#ifndef POSLAB_TASKS_LETTERS_H
#define POSLAB_TASKS_LETTERS_H

#include "tasks/task.h"

typedef struct LettersOptions {
    int64_t letters;
} LettersOptions;

extern const OptionField letters_fields[1];

int letters_alphabet(const void *options); /* the letters and the four common tokens */
const char *letters_symbol(const void *options, int token, char text[TASK_SYMBOL_SIZE]);
const char *letters_name(int letter, bool brackets, char text[TASK_SYMBOL_SIZE]);

/* Writes a string of a drawn size; returns the size. */
int letters_draw(TaskRow *row, const void *options, TaskSizes sizes, Random *rng);

/* For rows with a string, TASK_SEP and an answer of the same size. */
int64_t letters_length(const void *options, TaskSizes sizes, int hint);
double letters_examples(const void *options, TaskSizes sizes);

#define LETTERS_OF_STRINGS                                                                                   \
    .size = "letters", .smallest = 1, .largest = 1 << 14, TASK_OPTIONS(LettersOptions, letters_fields),      \
    .alphabet = letters_alphabet, .length = letters_length, .examples = letters_examples,                    \
    .symbol = letters_symbol

#endif
