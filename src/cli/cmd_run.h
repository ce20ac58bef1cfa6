/* cmd_run: the commands that compute: `run`, `eval` and `worker`, which mpirun may start as several ranks. */
#ifndef POSLAB_CLI_CMD_RUN_H
#define POSLAB_CLI_CMD_RUN_H

#include "cli/arguments.h"

ExitCode cmd_run_run(const Arguments *arguments, Error *err);
ExitCode cmd_run_eval(const Arguments *arguments, Error *err);
ExitCode cmd_run_worker(const Arguments *arguments, Error *err);

#endif
