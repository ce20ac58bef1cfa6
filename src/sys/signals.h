/* signals: installs signal handlers.
 *
 * Signals that the parent process had ignored (nohup, background jobs of a shell) remain ignored, here and in
 * child processes.
 */
#ifndef POSLAB_SYS_SIGNALS_H
#define POSLAB_SYS_SIGNALS_H

#include <signal.h>

#include "base/error.h"

/* Installs `handler` for each signal of the list (ended by 0) that is not ignored; flags as in sigaction.
   signals_default restores the default action of the signals of the list. */
void signals_handle(const int *list, void (*handler)(int signal), int flags);
void signals_default(const int *list);

#endif
