/* help: what a command does and which options it has, for people: `poslab --help`, `poslab COMMAND --help`
 * and the man page. All of it is written from the commands' rows (cli/arguments.h).
 */
#ifndef POSLAB_CLI_HELP_H
#define POSLAB_CLI_HELP_H

#include "cli/arguments.h"

/* The list of commands (NULL-terminated). */
void help_print_list(const Command *const *commands, FILE *out);

void help_print_command(const Command *command, FILE *out);

/* `poslab manual`, which is not listed: the sections of the man page about commands and exit codes. `make
   man` puts them into src/cli/poslab.1.in. */
extern const Command help_manual;

#endif
