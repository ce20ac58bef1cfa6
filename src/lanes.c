/* lanes: threads started at the first job, which then wait at a barrier for the next one. */
#include "lanes.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "base.h"

static int count = 1;
static bool started;
static pthread_barrier_t begin, end;
static void (*job)(void *user, int lane);
static void *job_user;

void lanes_set(int wanted) {
    if (started || wanted < 1 || wanted > LANES_MOST) BUG("%d lanes", wanted);
    count = wanted;
}

int lanes_count(void) {
    return count;
}

/* Where the BLAS is built on OpenMP, this is there, and the number belongs to the thread that asks: a new one
   would begin with OMP_NUM_THREADS, or all cores. */
void omp_set_num_threads(int threads) __attribute__((weak));

static _Noreturn void *lane_main(void *argument) {
    int lane = (int)(intptr_t)argument;
    if (omp_set_num_threads) omp_set_num_threads(1);
    for (;;) {
        pthread_barrier_wait(&begin);
        job(job_user, lane);
        pthread_barrier_wait(&end);
    }
}

static void lanes_start(void) {
    sigset_t all, old; /* signals are the first thread's business */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_barrier_init(&begin, NULL, (unsigned)count);
    pthread_barrier_init(&end, NULL, (unsigned)count);
    for (int lane = 1; lane < count; lane++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, lane_main, (void *)(intptr_t)lane))
            die("cannot start %d threads; lower --threads", count);
        pthread_detach(thread);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    started = true;
}

void lanes_run(void (*work)(void *user, int lane), void *user) {
    if (count == 1) {
        work(user, 0);
        return;
    }
    if (!started) lanes_start();
    job = work;
    job_user = user;
    pthread_barrier_wait(&begin);
    work(user, 0);
    pthread_barrier_wait(&end);
}
