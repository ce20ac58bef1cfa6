/* timers: seconds that each thread spends in matrix products and in attention.
 *
 * The rest of a measured time is everything else. The counters are always on: reading the clock costs about
 * 30 ns, and the calls that are measured take at least several microseconds.
 */
#ifndef POSLAB_MATH_TIMERS_H
#define POSLAB_MATH_TIMERS_H

typedef enum TimersPart { TIMERS_MATRIX, TIMERS_ATTENTION, TIMERS_COUNT } TimersPart;

extern _Thread_local double timers_seconds[TIMERS_COUNT]; /* of this thread, since its start */

#endif
