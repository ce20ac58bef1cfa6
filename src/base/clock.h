/* clock: seconds of a clock that never goes back.
 */
#ifndef POSLAB_CLOCK_H
#define POSLAB_CLOCK_H

/* Seconds of a clock that never goes back. */
double clock_now(void);

#endif
