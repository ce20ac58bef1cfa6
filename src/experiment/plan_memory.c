#include "experiment/plan_memory.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/text.h"
#include "sys/memory.h"

/* A worker needs a pipe and a log. The others are databases, locks and inherited descriptors. */
enum { FILES_OF_WORKER = 2, FILES_BESIDE = 32 };

static bool check_files(int workers, Error *err) {
    rlim_t wanted = (rlim_t)(FILES_BESIDE + FILES_OF_WORKER * workers);
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || wanted <= limit.rlim_cur) return true;
    if (wanted <= limit.rlim_max) {
        limit.rlim_cur = wanted;
        return setrlimit(RLIMIT_NOFILE, &limit) == 0 ||
               error_system(err, "cannot raise the limit on open files to %d", (int)wanted);
    }
    int most = ((int)limit.rlim_max - FILES_BESIDE) / FILES_OF_WORKER;
    return error_set(
        err, EXIT_USAGE,
        "%d runs at a time need %d open files, the limit (ulimit -n) is %d; make --jobs at most %d", workers,
        (int)wanted, (int)limit.rlim_max, most > 1 ? most : 1);
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left < right) - (left > right);
}

/* A copy of the array in descending order. */
static double *sorted(const double *bytes, int count, Arena *arena) {
    double *sizes = NEW(arena, count + 1, double);
    for (int i = 0; i < count; i++) sizes[i] = bytes[i];
    qsort(sizes, (size_t)count, sizeof *sizes, by_size);
    return sizes;
}

int plan_memory_fitting(const double *bytes, int count, Arena *arena) {
    const double *sizes = sorted(bytes, count, arena);
    double sum = 0, memory = memory_total();
    int fitting = 0;
    while (fitting < count && (sum += sizes[fitting]) <= memory) fitting++;
    return fitting;
}

bool plan_memory_check(const double *bytes, int count, int jobs, Arena *arena, Error *err) {
    const double *sizes = sorted(bytes, count, arena);
    int together = jobs < count ? jobs : count, fitting = plan_memory_fitting(bytes, count, arena);
    if (together <= 1) return true;
    if (together <= fitting) return check_files(together, err);
    double sum = 0;
    for (int i = 0; i < together; i++) sum += sizes[i];
    return error_set(err, EXIT_USAGE,
                     "%d runs at a time need up to %s, the machine has %s; make --jobs at most %d", together,
                     text_bytes(sum, arena), text_bytes(memory_total(), arena), fitting > 1 ? fitting : 1);
}
