/* help: the texts of `poslab --help`, `poslab COMMAND --help`, `poslab help` and the man page.
 *
 * They are generated from the commands (cli/arguments.h), and those about configs from the rows of the config
 * (experiment/config_keys.h); no text about an option exists twice.
 */
#ifndef POSLAB_CLI_HELP_H
#define POSLAB_CLI_HELP_H

#include "cli/arguments.h"

/* Lists the commands (NULL-terminated) and the exit codes. */
void help_print_list(const Command *const *commands, FILE *out);

void help_print_command(const Command *command, FILE *out);

#endif
