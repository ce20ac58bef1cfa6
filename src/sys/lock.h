/* lock: DATABASE.lock, which lets one process at a time write to a database.
 *
 * `run`, `eval`, `submit` and `collect` hold DATABASE.lock, which contains the id of the process. It is a
 * lock of the kernel (flock), which is released when a process dies.
 */
#ifndef POSLAB_SYS_LOCK_H
#define POSLAB_SYS_LOCK_H

#include "base/arena.h"

/* Takes DATABASE.lock, waiting up to three seconds. Returns its descriptor, or -1 with err set if another
   process holds it. If DATABASE is a symbolic link, the lock file is next to its target. Closing the
   descriptor releases the lock. Workers inherit it (it is not closed on exec), so the lock is held until they
   have ended. */
int lock_database(const char *database, Arena *arena, Error *err);

/* Which process holds a lock on a file, for error messages: " (process 123, sqlite3)", owned by the arena; ""
   if unknown. From /proc/locks; it may be outdated when it is printed. */
const char *lock_holder_of(const char *path, Arena *arena);

#endif
