/* dump: what a database holds, as text, for comparisons of whole databases. */
#ifndef POSLAB_TESTS_DUMP_H
#define POSLAB_TESTS_DUMP_H

/* Runs SQL on a database past the store, as another program would, without foreign keys and without syncs. */
void dump_change(const char *path, const char *sql);

void dump_copy(const char *to, const char *from);

/* All rows of all tables with all their columns, sorted; where a row names another by its number, what that
   row is stands instead. Owned by sample_arena. */
const char *dump_of(const char *path);

/* Fails with the first line that differs. */
void dump_expect(const char *path, const char *wanted, const char *what);

#endif
