/* result_file: a result file on a file system that several machines share.
 *
 * SQLite never works there: a result file is created in a temporary folder (sys/tempdir.h) and then copied,
 * and it is read from a copy. It holds what all attempts at its run have computed so far.
 */
#ifndef POSLAB_RUN_RESULT_FILE_H
#define POSLAB_RUN_RESULT_FILE_H

#include "store/database.h"
#include "store/runs.h"
#include "run/run_task.h"

/* What is known of an earlier attempt. */
typedef struct ResultFile {
    bool sound, trained, done; /* sound: there is a result; done: nothing is left to do */
    bool damaged;              /* there is one, which is as good as none */
    bool *known;               /* [requests of the task] it has this evaluation */
} ResultFile;

/* Looks at the result file at `path`, if there is one. The caller provides earlier->known, all false. */
bool result_file_read(ResultFile *earlier, const char *path, const RunTask *task, Arena *arena, Error *err);

/* Writes it, with what is in the sound result (if `earlier`) that is there now. */
bool result_file_write(const char *path, const RunRecord *record, bool earlier, Arena *arena, Error *err);

#endif
