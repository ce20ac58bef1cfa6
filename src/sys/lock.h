/* lock: one process at a time works on a database.
 *
 * `run`, `eval`, `submit` and `collect` hold DATABASE.lock, which contains the id of the process. It is a
 * lock of the kernel (flock), so a dead process holds nothing.
 */
#ifndef POSLAB_SYS_LOCK_H
#define POSLAB_SYS_LOCK_H

#include "base/arena.h"

/* Takes DATABASE.lock, waiting three seconds for it; -1 with err set if another process has it. Where
   DATABASE is a symbolic link, the lock is beside its target. Closing the descriptor gives it back. It is not
   closed on exec: workers hold it as well. */
int lock_database(const char *database, Arena *arena, Error *err);

#endif
