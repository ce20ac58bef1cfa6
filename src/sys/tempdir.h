/* scratch: a folder of one's own on a local disk, in $TMPDIR or /tmp.
 *
 * Databases that take part in a cluster's runs are put together and looked at here, so that SQLite never
 * works on a file system that several machines share; there they are only ever copied.
 */
#ifndef POSLAB_SCRATCH_H
#define POSLAB_SCRATCH_H

#include "base/arena.h"

/* Makes one that only this user can read; NULL with err set. */
const char *scratch_make(Arena *arena, Err *err);

/* Removes it and the files in it; NULL is allowed. */
void scratch_remove(const char *folder);

/* Copies a file; `to` appears whole or not at all (file.h). */
bool scratch_copy(const char *to, const char *from, Arena *arena, Err *err);

#endif
