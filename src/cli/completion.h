/* completion: `poslab completion SHELL` prints a script that completes commands, options and their arguments
 * in bash, zsh or fish. It is written from the commands' rows, so that it is never out of date; `make
 * install` puts it where each shell looks for it.
 */
#ifndef POSLAB_CLI_COMPLETION_H
#define POSLAB_CLI_COMPLETION_H

#include "cli/arguments.h"

extern const Command completion_command;

#endif
