/* clock: seconds of the monotonic clock.
 *
 * It never goes backward and does not follow changes of the system's time. Only differences of two readings
 * have a meaning.
 */
#ifndef POSLAB_CLOCK_H
#define POSLAB_CLOCK_H

/* Seconds since an arbitrary time. */
double clock_now(void);

#endif
