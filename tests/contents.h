/* contents: what a database holds, as text, for comparisons of whole databases. */
#ifndef POSLAB_TESTS_CONTENTS_H
#define POSLAB_TESTS_CONTENTS_H

/* Runs SQL on a database past the store, as another program would, without foreign keys and without syncs. */
void contents_change(const char *path, const char *sql);

void contents_copy(const char *to, const char *from);

/* All rows of all tables with all their columns, sorted; where a row names another by its number, what that
   row is stands instead. Owned by sample_arena. */
const char *contents_of(const char *path);

/* Fails with the first line that differs. */
void contents_expect(const char *path, const char *wanted, const char *what);

#endif
