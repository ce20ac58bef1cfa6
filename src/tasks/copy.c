/* Copy: repeat a string of letters.
 *
 * Jelassi et al., "Repeat after me: transformers are better than state space models at copying", 2024,
 * arXiv 2402.01032. The letters are drawn independently:
 *
 *     dbca|dbca$
 *
 * The answer is the text after `|`, including its end.
 */
#include "tasks/letters.h"

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    int first = row->length, size = letters_draw(row, options, sizes, rng);
    task_put(row, TASK_SEP);
    for (int i = 0; i < size; i++) task_answer(row, row->tokens[first + i]);
    task_answer(row, TASK_END);
}

const Task copy_task = {
    .name = "copy",
    .label = "repeat a string of letters",
    .citation = "Jelassi et al. 2024, arXiv 2402.01032",
    .write = write,
    LETTERS_OF_STRINGS,
};
