/* lock_holder: which process holds a lock on a file.
 *
 * The answer comes from /proc/locks and serves error messages only; it may be outdated when it is printed.
 */
#ifndef POSLAB_SYS_LOCK_HOLDER_H
#define POSLAB_SYS_LOCK_HOLDER_H

#include "base/arena.h"

/* " (process 123, sqlite3)", owned by the arena; "" if unknown. */
const char *lock_holder_of(const char *path, Arena *arena);

#endif
