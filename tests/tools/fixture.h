/* fixture: fixtures for cmocka, and files of tests. */
#ifndef POSLAB_TESTS_FIXTURE_H
#define POSLAB_TESTS_FIXTURE_H

#include "base/arena.h"

/* The memory of the running test. */
extern Arena *arena;

int fixture_arena(void **state);
int fixture_arena_free(void **state);

/* The same in an empty current folder, which fixture_folder_remove removes with all its files. */
int fixture_folder(void **state);
int fixture_folder_remove(void **state);

/* The path of that folder. */
const char *fixture_path(void);

/* Writes a file. */
void fixture_put(const char *path, const void *bytes, size_t size);
void fixture_put_text(const char *path, const char *text);

#endif
