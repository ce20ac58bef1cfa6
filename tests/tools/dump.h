/* dump: the content of a database as text, to compare whole databases. */
#ifndef POSLAB_TESTS_DUMP_H
#define POSLAB_TESTS_DUMP_H

/* Runs SQL on a database without the store, as another program would, without foreign keys and syncs. */
void dump_change(const char *path, const char *sql);

void dump_copy(const char *to, const char *from);

/* All rows of all tables with all columns, sorted; a reference to another row is replaced by the content of
   that row. Owned by sample_arena. */
const char *dump_of(const char *path);

/* Fails with the first different line. */
void dump_expect(const char *path, const char *wanted, const char *what);

#endif
