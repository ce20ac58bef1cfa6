/* timers: where the time of a pass goes.
 *
 * Each thread adds up the seconds it spends in matrix products and in attention; what remains of a measured
 * time is the rest. Reading the clock costs some 30 ns against calls of at least several microseconds, so it
 * is always on.
 */
#ifndef POSLAB_MATH_TIMERS_H
#define POSLAB_MATH_TIMERS_H

typedef enum TimersPart { TIMERS_MATRIX, TIMERS_ATTENTION, TIMERS_COUNT } TimersPart;

extern _Thread_local double timers_seconds[TIMERS_COUNT]; /* of this thread, since it began */

#endif
