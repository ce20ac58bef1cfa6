/* signals: installs signal handlers.
 *
 * Signals that the parent process told this one to ignore (nohup, background jobs of a shell) remain
 * ignored, here and in child processes.
 */
#ifndef POSLAB_SYS_SIGNALS_H
#define POSLAB_SYS_SIGNALS_H

#include <signal.h>

#include "base/error.h"

/* Sets a handler for each signal (0 ends the list) that is not ignored; flags as in sigaction. Signals that
   had no handler can be given back their default with signals_default. */
void signals_handle(const int *list, void (*handler)(int signal), int flags);
void signals_default(const int *list);

#endif
