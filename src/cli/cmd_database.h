/* cmd_database: commands that open a database and hand it to one module: `plot`, `report`, `analyse`,
 * `reference`, `check`, `prune` and `merge`. */
#ifndef POSLAB_CLI_CMD_DATABASE_H
#define POSLAB_CLI_CMD_DATABASE_H

#include "cli/arguments.h"

extern const Command cmd_database_plot, cmd_database_report, cmd_database_analyse, cmd_database_reference,
    cmd_database_check, cmd_database_prune, cmd_database_merge;

#endif
