/* cmd_status: `poslab status`, the progress of the experiments of a database, and `poslab runs`, its runs.
 *
 * For each experiment, as it is now configured, `status` prints how many runs are done, diverged, failed,
 * running and pending, how many of the requested evaluations exist, and a line for each run that is not
 * complete.
 */
#ifndef POSLAB_CLI_CMD_STATUS_H
#define POSLAB_CLI_CMD_STATUS_H

#include "base/table.h"
#include "store/database.h"
#include "cli/arguments.h"

/* experiment: NULL for all. left: whether `run` would do anything. Errors as cmd_table_print. */
bool cmd_status_print(Database *store, const char *experiment, TableFormat format, bool *left, FILE *out,
                      Arena *arena, Error *err);

#endif
