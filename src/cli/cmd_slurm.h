/* cmd_slurm: the commands `submit` and `collect`, from the command line to slurm/submit.h and
 * slurm/collect.h. */
#ifndef POSLAB_CLI_CMD_SLURM_H
#define POSLAB_CLI_CMD_SLURM_H

#include "cli/arguments.h"

extern const Command cmd_slurm_submit, cmd_slurm_collect;

#endif
