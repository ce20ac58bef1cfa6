/* delivery: a result file on a file system that several machines share.
 *
 * SQLite never works there: a result is put together in a scratch folder and then copied, and looked at in a
 * copy. A result file holds what all attempts at its run have computed so far.
 */
#ifndef POSLAB_DELIVERY_H
#define POSLAB_DELIVERY_H

#include "store/database.h"
#include "store/runs.h"
#include "run/run_task.h"

/* What is known of an earlier attempt. */
typedef struct Earlier {
    bool sound, trained, done; /* sound: there is a result; done: nothing is left to do */
    bool damaged;              /* there is one, which is as good as none */
    bool *known;               /* [requests of the task] it has this evaluation */
} Earlier;

/* Looks at the result file at `path`, if there is one. The caller provides earlier->known, all false. */
bool delivery_read(Earlier *earlier, const char *path, const WorkerTask *task, Arena *arena, Err *err);

/* Writes it, with what is in the sound result (if `earlier`) that is there now. */
bool delivery_write(const char *path, const RunRecord *record, bool earlier, Arena *arena, Err *err);

#endif
