/* threads: runs one function on all threads of the process.
 *
 * A job is a function that is called once for each lane 0 .. count-1, all at the same time; lane 0 is the
 * calling thread. Work is divided by the number of the lane alone, so that results do not depend on timing.
 * The BLAS runs on one thread in each lane (main and each lane ensure this), since lanes compute whole
 * micro-batches in parallel.
 */
#ifndef POSLAB_SYS_THREADS_H
#define POSLAB_SYS_THREADS_H

enum { THREADS_MAX = 256 }; /* the limit of every option and config key that counts threads */

/* Calls work(user, lane) for each lane and returns when all calls have returned. count is 1 .. THREADS_MAX.
   Only one thread of the process may call it, and not from within a job. */
void threads_run(int count, void (*work)(void *user, int lane), void *user);

#endif
