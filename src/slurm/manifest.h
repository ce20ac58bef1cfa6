/* manifest: the list of the tasks of a submission, one run per line.
 *
 * A manifest is a text file with one JSON object per line: the run's `key`, `label` and `folder`, the `task`
 * (the evaluations, and whether the run is trained already) and the `config` with all defaults filled in. A
 * task needs nothing else, so it computes the same run whenever and wherever it is restarted.
 */
#ifndef POSLAB_SLURM_MANIFEST_H
#define POSLAB_SLURM_MANIFEST_H

#include "run/worker.h"

/* One line, with its newline; owned by the arena. */
const char *manifest_line(const RunTask *task, const Config *config, const char *label, const char *folder,
                          Arena *arena);

/* Calls `take` for each line in order until it returns false; `line` is valid during the call only. Fails if
   the file cannot be read or parsed. */
bool manifest_each(const char *manifest, bool (*take)(void *user, int64_t number, const Json *line),
                   void *user, Error *err);

/* `poslab worker --task NUMBER MANIFEST`: performs the run of that line (counted from 1). Returns EXIT_AGAIN
   instead of EXIT_STOPPED for a worker that was stopped and can be resumed. */
ExitCode manifest_run_task(const char *manifest, int64_t number, int threads, Error *err);

#endif
