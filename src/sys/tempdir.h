/* tempdir: a private temporary folder on a local disk, in $TMPDIR or /tmp.
 *
 * Result files of a cluster's runs are written and read here and only copied to and from the shared file
 * system, so that SQLite never works on a file system that several machines share.
 */
#ifndef POSLAB_SYS_TEMPDIR_H
#define POSLAB_SYS_TEMPDIR_H

#include "base/arena.h"

/* Makes a folder that only this user can read. Returns its path, owned by the arena, or NULL with err set. */
const char *tempdir_make(Arena *arena, Error *err);

/* Removes the folder and the files in it; `folder` may be NULL. */
void tempdir_remove(const char *folder);

/* Copies a file; `to` appears complete or not at all. */
bool tempdir_copy(const char *to, const char *from, Arena *arena, Error *err);

#endif
