/* cmd_run: the commands that compute, `run`, `eval` and `worker`, which mpirun may start as several ranks,
 * `plan`, which tells what they would
 * compute, and `init`, which writes a config. */
#ifndef POSLAB_CLI_CMD_RUN_H
#define POSLAB_CLI_CMD_RUN_H

#include "cli/arguments.h"

extern const Command cmd_run_run, cmd_run_plan, cmd_run_eval, cmd_run_worker, cmd_run_init;

#endif
