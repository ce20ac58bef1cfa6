/* manifest: the list of the tasks of a submission, one run per line.
 *
 * A line is a JSON object with the `key`, `label` and `folder` of the run, its `task` (run/run_task.h) and
 * its `config` with all defaults filled in. A Slurm task reads only its line, so it performs the same run
 * whenever and wherever it is restarted.
 */
#ifndef POSLAB_SLURM_MANIFEST_H
#define POSLAB_SLURM_MANIFEST_H

#include "run/worker.h"

/* One line with its newline, owned by the arena. */
const char *manifest_line(const RunTask *task, const Config *config, const char *label, const char *folder,
                          Arena *arena);

/* Calls `take` for each line in order, with its number from 1, until it returns false. `line` is valid during
   the call only. Fails if the file cannot be read or parsed. */
bool manifest_each(const char *manifest, bool (*take)(void *user, int64_t number, const Json *line),
                   void *user, Error *err);

/* `poslab worker --task NUMBER MANIFEST`: performs the run of line NUMBER, from 1. The exit code is that of
   worker_run, with EXIT_AGAIN instead of EXIT_STOPPED. */
ExitCode manifest_run_task(const char *manifest, int64_t number, int threads, Error *err);

#endif
