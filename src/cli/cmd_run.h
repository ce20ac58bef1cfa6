/* launch: the commands that compute: `run`, `eval` and `worker`, which mpirun may start as several ranks. */
#ifndef POSLAB_LAUNCH_H
#define POSLAB_LAUNCH_H

#include "cli/arguments.h"

ExitCode launch_run(const Arguments *arguments, Err *err);
ExitCode launch_eval(const Arguments *arguments, Err *err);
ExitCode launch_worker(const Arguments *arguments, Err *err);

#endif
