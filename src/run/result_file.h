/* result_file: reads and writes result files on file systems that several machines share.
 *
 * SQLite never works there: a result file is created in a temporary folder (sys/tempdir.h) and then copied,
 * and it is read from a copy. A result file contains the results of all attempts of a run so far.
 */
#ifndef POSLAB_RUN_RESULT_FILE_H
#define POSLAB_RUN_RESULT_FILE_H

#include "store/database.h"
#include "store/runs.h"
#include "run/run_task.h"

/* The content of the result file of earlier attempts. */
typedef struct ResultFile {
    bool sound, trained, done; /* sound: a valid result exists; done: nothing is missing */
    bool damaged;              /* the file is damaged and must be ignored */
    bool *known;               /* [requests of the task] evaluations in the file */
} ResultFile;

/* Reads the result file at `path`, if it exists. The caller provides earlier->known, all false. */
bool result_file_read(ResultFile *earlier, const char *path, const RunTask *task, Arena *arena, Error *err);

/* Writes the result file; with `earlier`, the results of the existing file are added. */
bool result_file_write(const char *path, const RunRecord *record, bool earlier, Arena *arena, Error *err);

#endif
