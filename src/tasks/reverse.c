/* Reverse: write a string of letters from its last letter to its first.
 *
 * One of the tasks of Deletang et al., "Neural networks and the Chomsky hierarchy", 2022, arXiv 2207.02098.
 *
 *     dbca|acbd$
 *
 * The answer is the text after `|`, including its end.
 */
#include "tasks/letters.h"

static void write(TaskRow *row, const void *options, TaskSizes sizes, int hint, Random *rng) {
    (void)hint;
    int first = row->length, size = letters_draw(row, options, sizes, rng);
    task_put(row, TASK_SEP);
    for (int i = size - 1; i >= 0; i--) task_answer(row, row->tokens[first + i]);
    task_answer(row, TASK_END);
}

const Task reverse_task = {
    .name = "reverse",
    .label = "write a string of letters backwards",
    .citation = "Deletang et al. 2022, arXiv 2207.02098",
    .write = write,
    LETTERS_OF_STRINGS,
};
