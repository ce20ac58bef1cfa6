/* task_rows: see task_rows.h. */
#include "task_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

Arena *task_rows_arena;

int task_rows_setup(void **state) {
    (void)state;
    task_rows_arena = arena_new(0);
    return 0;
}

int task_rows_teardown(void **state) {
    (void)state;
    arena_free(task_rows_arena);
    return 0;
}

bool task_rows_read(ExamplesOptions *options, const char *text, Error *err) {
    Json *json = json_parse(text, strlen(text), "test", task_rows_arena, err);
    return json && examples_read(options, json, "config 'x.json'", task_rows_arena, err);
}

Examples *task_rows_make(const char *text) {
    Error err = {0};
    ExamplesOptions *options = NEW(task_rows_arena, 1, ExamplesOptions);
    if (!task_rows_read(options, text, &err)) fail_msg("%s", err.text);
    return examples_new(options, task_rows_arena);
}

TaskRow task_rows_row(const Examples *examples) {
    return examples_row(examples, examples_train_length(examples_options(examples)), task_rows_arena);
}

const char *task_rows_text(const Examples *examples, const TaskRow *row) {
    const ExamplesOptions *options = examples_options(examples);
    return task_text(options->task, options->options, row->tokens, row->length, task_rows_arena);
}

/* The scored targets. */
const char *task_rows_scored(const Examples *examples, const TaskRow *row) {
    const ExamplesOptions *options = examples_options(examples);
    uint32_t *scored = NEW(task_rows_arena, row->room, uint32_t);
    int count = 0;
    for (int t = 0; t < row->room; t++)
        if (row->targets[t] != TASK_IGNORED) scored[count++] = row->targets[t];
    return task_text(options->task, options->options, scored, count, task_rows_arena);
}
