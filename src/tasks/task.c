/* task: the calls that write a row, and the registry. */
#include "tasks/task.h"

#include <string.h>

const char *const task_no_hints[] = {"none", NULL};

static void add(TaskRow *row, int token) {
    if (row->length > row->room) BUG("a row of more than %d inputs", row->room);
    row->tokens[row->length++] = (uint32_t)token;
}

void task_put(TaskRow *row, int token) {
    add(row, token);
}

void task_label(TaskRow *row, int token) {
    if (row->length > row->room) BUG("a row of more than %d inputs", row->room);
    row->targets[row->length - 1] = (uint32_t)token;
    row->inputs = row->length;
}

void task_answer(TaskRow *row, int token) {
    task_label(row, token);
    add(row, token);
}

void task_place(TaskRow *row, int position) {
    if (row->positions) row->positions[row->length - 1] = (uint32_t)position;
}

int64_t task_draw_size(TaskSizes sizes, Random *rng) {
    return sizes.low + (int64_t)random_below(rng, (uint64_t)(sizes.high - sizes.low + 1));
}

const Task *task_find(const char *name, const char **nearest) {
    Arena *arena = arena_new(0);
    const char **names = NEW(arena, task_count + 1, const char *);
    const Task *found = NULL;
    for (int i = 0; i < task_count; i++) {
        names[i] = task_list[i]->name;
        if (strcmp(names[i], name) == 0) found = task_list[i];
    }
    *nearest = found ? NULL : options_nearest_name(name, names);
    arena_free(arena);
    return found;
}

const char *task_text(const Task *task, const void *options, const uint32_t *tokens, int length,
                      Arena *arena) {
    char *text = arena_alloc(arena, (size_t)length * (TASK_SYMBOL_SIZE + 1) + 1, 1), *end = text;
    for (int t = 0; t < length; t++) {
        char symbol[TASK_SYMBOL_SIZE];
        if (tokens[t] == TASK_PAD || tokens[t] == TASK_BOS) continue;
        if (task->spaced && end > text) *end++ = ' ';
        const char *from = tokens[t] == TASK_END ? "$" : task->symbol(options, tokens[t], symbol);
        end = stpcpy(end, from);
    }
    return text;
}
