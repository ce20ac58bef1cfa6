#include "sys/memory.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"

/* The number that a file contains, INFINITY if it contains none. */
static double number_in(const char *path) {
    double number = INFINITY;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%lf", &number) != 1) number = INFINITY;
    if (file) fclose(file);
    return number;
}

double memory_limit(void) {
    static const int limits[] = {RLIMIT_AS, RLIMIT_DATA};
    double bytes = INFINITY;
    for (int i = 0; i < COUNT_OF(limits); i++) {
        struct rlimit limit;
        if (getrlimit(limits[i], &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
            bytes = fmin(bytes, (double)limit.rlim_cur);
    }
    return bytes;
}

double memory_total(void) {
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    bytes = fmin(bytes, number_in("/sys/fs/cgroup/memory.max"));                  /* container, cgroup v2 */
    return fmin(bytes, number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes")); /* cgroup v1 */
}

double memory_usable(int threads) {
    return fmin(memory_total(), memory_limit() - MEMORY_LIBRARIES - (threads - 1.0) * ARENA_THREAD);
}
