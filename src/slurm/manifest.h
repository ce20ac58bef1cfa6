/* manifest: the list of tasks of a submission; one line is one run.
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

/* Calls `take` for each line from the first on, until it returns false; the line lives as long as the call.
 */
bool manifest_each(const char *manifest, bool (*take)(void *user, int64_t number, const Json *line),
                   void *user, Error *err);

/* `poslab worker --task NUMBER MANIFEST`: does the run of that line (counted from 1). A worker that was
   stopped and can go on is EXIT_AGAIN instead of EXIT_STOPPED. */
ExitCode manifest_run_task(const char *manifest, int64_t number, int threads, Error *err);

#endif
