/* threads: threads are started by the first job and then wait at a barrier for the next one. A job with more
 * lanes than there are threads replaces all threads.
 */
#include "sys/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "base/error.h"

static int started = 1; /* lanes that exist: the caller and the threads */
static pthread_t threads[THREADS_MAX];
static pthread_barrier_t begin, end;
static void (*job)(void *user, int lane); /* NULL: threads exit */
static void *job_user;
static int job_count;

/* Defined if the BLAS is built on OpenMP. The number of threads is then a setting of each calling thread; a
   new thread would start with OMP_NUM_THREADS, or all cores. */
void omp_set_num_threads(int threads) __attribute__((weak));

static void *lane_main(void *argument) {
    int lane = (int)(intptr_t)argument;
    if (omp_set_num_threads) omp_set_num_threads(1);
    for (;;) {
        pthread_barrier_wait(&begin);
        if (!job) return NULL;
        if (lane < job_count) job(job_user, lane);
        pthread_barrier_wait(&end);
    }
}

static void lanes_stop(void) {
    if (started == 1) return;
    job = NULL;
    pthread_barrier_wait(&begin);
    for (int lane = 1; lane < started; lane++) pthread_join(threads[lane], NULL);
    pthread_barrier_destroy(&begin);
    pthread_barrier_destroy(&end);
    started = 1;
}

static void lanes_start(int count) {
    sigset_t all, old; /* the first thread handles signals */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_barrier_init(&begin, NULL, (unsigned)count);
    pthread_barrier_init(&end, NULL, (unsigned)count);
    for (int lane = 1; lane < count; lane++)
        if (pthread_create(&threads[lane], NULL, lane_main, (void *)(intptr_t)lane))
            error_fatal("cannot start %d threads; lower --threads", count);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    started = count;
}

void threads_run(int count, void (*work)(void *user, int lane), void *user) {
    if (count < 1 || count > THREADS_MAX) BUG("%d lanes", count);
    if (count == 1) {
        work(user, 0);
        return;
    }
    if (count > started) {
        lanes_stop();
        lanes_start(count);
    }
    job = work;
    job_user = user;
    job_count = count;
    pthread_barrier_wait(&begin);
    work(user, 0);
    pthread_barrier_wait(&end);
}
