/* help: what a command does and which options it has, for people: `poslab --help`, `poslab COMMAND --help`,
 * `poslab help` and the man page. All of it is written from the commands' rows (cli/arguments.h), and what
 * concerns configs from their rows (experiment/config_keys.h).
 */
#ifndef POSLAB_CLI_HELP_H
#define POSLAB_CLI_HELP_H

#include "cli/arguments.h"

/* The list of commands (NULL-terminated). */
void help_print_list(const Command *const *commands, FILE *out);

void help_print_command(const Command *command, FILE *out);

#endif
