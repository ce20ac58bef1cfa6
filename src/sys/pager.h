/* pager: shows output that is longer than the screen in a pager, as git does.
 *
 * If stdout is a terminal, the output of a command is collected in a temporary file. At the end it is
 * printed if it fits on the screen; otherwise the pager shows it: $POSLAB_PAGER, $PAGER, or `less`, with
 * LESS=FRSX if LESS is not set. The exit code of the command is unchanged. If the pager cannot be started,
 * the output is printed.
 */
#ifndef POSLAB_SYS_PAGER_H
#define POSLAB_SYS_PAGER_H

#include "base/error.h"

/* Collects what is written to stdout from now on. Does nothing if stdout is not a terminal or the pager is
   "" or "cat". */
void pager_begin(void);

/* Shows what was collected and returns when the user leaves the pager; without pager_begin, nothing. Returns
   the signal that ended the pager or was sent meanwhile; 0: none. */
int pager_end(void);

#endif
