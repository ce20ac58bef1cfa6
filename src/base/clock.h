/* clock: reads the monotonic clock.
 *
 * It never goes backward and does not follow changes of the system time. Only differences of two readings
 * are meaningful.
 */
#ifndef POSLAB_CLOCK_H
#define POSLAB_CLOCK_H

/* Seconds since an arbitrary time. */
double clock_now(void);

#endif
