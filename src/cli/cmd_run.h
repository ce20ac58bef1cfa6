/* cmd_run: the commands that compute: `run`, `eval` and `worker`.
 *
 * They convert the command line to the options of run/sweep.h, run/reevaluate.h and run/worker.h. mpirun may
 * start them as several ranks; then rank 0 runs the sweep and calls the other ranks to each run.
 */
#ifndef POSLAB_CLI_CMD_RUN_H
#define POSLAB_CLI_CMD_RUN_H

#include "cli/arguments.h"

ExitCode cmd_run_run(const Arguments *arguments, Error *err);
ExitCode cmd_run_eval(const Arguments *arguments, Error *err);
ExitCode cmd_run_worker(const Arguments *arguments, Error *err);

#endif
