/* task_rows: examples of tasks, and their rows as text, for tests. */
#ifndef POSLAB_TESTS_TASK_ROWS_H
#define POSLAB_TESTS_TASK_ROWS_H

#include "data/examples.h"

/* cmocka fixtures: each test has an arena of its own. */
int task_rows_setup(void **state);
int task_rows_teardown(void **state);
extern Arena *task_rows_arena;

/* The section `data.task` from its text; task_rows_make fails the test where that is wrong. */
bool task_rows_read(ExamplesOptions *options, const char *text, Error *err);
Examples *task_rows_make(const char *text);

TaskRow task_rows_row(const Examples *examples); /* with memory for training */
const char *task_rows_text(const Examples *examples, const TaskRow *row);
const char *task_rows_scored(const Examples *examples, const TaskRow *row); /* the scored targets */

#endif
