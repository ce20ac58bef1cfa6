/* tempdir: a private temporary folder on a local disk, in $TMPDIR or /tmp.
 *
 * Result files of a cluster's runs are written and read here and only copied to and from the shared file
 * system, so that SQLite never works on a file system that several machines share.
 */
#ifndef POSLAB_SYS_TEMPDIR_H
#define POSLAB_SYS_TEMPDIR_H

#include "base/arena.h"

/* Makes one that only this user can read; NULL with err set. */
const char *tempdir_make(Arena *arena, Error *err);

/* Removes it and the files in it; NULL is allowed. */
void tempdir_remove(const char *folder);

/* Copies a file; `to` appears whole or not at all (sys/atomic_file.h). */
bool tempdir_copy(const char *to, const char *from, Arena *arena, Error *err);

#endif
