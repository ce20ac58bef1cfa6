/* profile: where the time of a pass goes.
 *
 * Each thread adds up the seconds it spends in matrix products and in attention; what remains of a measured
 * time is the rest. Reading the clock costs some 30 ns against calls of at least several microseconds, so it
 * is always on.
 */
#ifndef POSLAB_PROFILE_H
#define POSLAB_PROFILE_H

typedef enum ProfilePart { PROFILE_MATRIX, PROFILE_ATTENTION, PROFILE_PARTS } ProfilePart;

extern _Thread_local double profile_seconds[PROFILE_PARTS]; /* of this thread, since it began */

#endif
