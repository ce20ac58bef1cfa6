/* signals: which signals a process handles. What whoever started it has told it to ignore (nohup, a shell for
 * jobs in the background) stays ignored, also in the processes that it starts.
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
