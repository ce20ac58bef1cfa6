/* cmd_slurm: the commands `submit` and `collect`.
 *
 * They convert the command line to the options of slurm/submit.h and slurm/collect.h. Options of `submit`
 * such as --partition override the section `cluster` of the config, like --set.
 */
#ifndef POSLAB_CLI_CMD_SLURM_H
#define POSLAB_CLI_CMD_SLURM_H

#include "cli/arguments.h"

ExitCode cmd_slurm_submit(const Arguments *arguments, Error *err);
ExitCode cmd_slurm_collect(const Arguments *arguments, Error *err);

#endif
