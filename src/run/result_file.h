/* result_file: reads and writes result files on file systems that several machines share.
 *
 * SQLite does not open files there, because its locks may not work on such a file system. A result file is
 * created in a temporary folder (sys/tempdir.h) and copied, and it is read from a copy. It contains the
 * results of all attempts of a run so far.
 */
#ifndef POSLAB_RUN_RESULT_FILE_H
#define POSLAB_RUN_RESULT_FILE_H

#include "store/database.h"
#include "store/runs.h"
#include "run/run_task.h"

/* The content of the result file of earlier attempts. */
typedef struct ResultFile {
    bool sound;   /* the file has a valid result */
    bool trained; /* the file has the training */
    bool done;    /* the file lacks nothing that the task needs */
    bool damaged; /* the file is damaged and must be ignored */
    bool *known;  /* [requests of the task]: whether the file has the evaluation, and it is not stale */
} ResultFile;

/* Reads the result file at `path`, if it exists. The caller sets *earlier to zero except for `known`, an
   array of false. A damaged file is not an error. */
bool result_file_read(ResultFile *earlier, const char *path, const RunTask *task, Arena *arena, Error *err);

/* Writes the result file. With `earlier`, adds the results of the existing file. */
bool result_file_write(const char *path, const RunRecord *record, bool earlier, Arena *arena, Error *err);

#endif
