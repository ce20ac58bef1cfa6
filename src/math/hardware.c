#include "math/hardware.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sys/memory.h"
#include "math/bf16.h"
#include "math/blas.h"
#include "math/nn_ops.h"

/* The names in /proc/cpuinfo, on x86 and on ARM. */
static const char *const extensions[] = {"avx",         "fma",         "avx2",     "avx512f",
                                         "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16",
                                         "asimd",       "sve",         "sve2",     "bf16"};

/* The value of the first of `keys` (ended by NULL) that /proc/cpuinfo contains; NULL if it contains none of
   them. */
static const char *cpuinfo(const char *const *keys, Arena *arena) {
    char line[8192];
    const char *found = NULL;
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        for (int k = 0; colon && keys[k] && !found; k++)
            if (strncmp(line, keys[k], strlen(keys[k])) == 0)
                found = arena_format(arena, "%.*s", (int)strcspn(colon + 1, "\n") - 1, colon + 2);
    }
    if (file) fclose(file);
    return found;
}

const char *hardware_cpu(Arena *arena) {
    static const char *const keys[] = {"model name", "Hardware", NULL};
    const char *name = cpuinfo(keys, arena);
    return name ? name : "unknown";
}

static const char *simd(Arena *arena) {
    static const char *const keys[] = {"flags", "Features", NULL};
    const char *flags = cpuinfo(keys, arena), *list = "";
    const char *words = arena_format(arena, " %s ", flags ? flags : "");
    for (int e = 0; e < COUNT_OF(extensions); e++)
        if (strstr(words, arena_format(arena, " %s ", extensions[e])))
            list = arena_format(arena, "%s%s%s", list, *list ? " " : "", extensions[e]);
    return list;
}

static int cores(void) {
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
}

double machine_load(void) {
    double load;
    return getloadavg(&load, 1) == 1 ? load : NAN;
}

double machine_processor_seconds(void) {
    struct timespec t;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? (double)t.tv_sec + (double)t.tv_nsec * 1e-9
                                                            : NAN;
}

Json *hardware_json(Arena *arena) {
    Json *json = json_new_object(arena);
    json_set_text(json, "cpu", hardware_cpu(arena));
    json_set_number(json, "cores", cores());
    json_set_text(json, "simd", simd(arena));
    json_set_text(json, "blas", blas_name());
    if (bf16_library_version())
        json_set_text(json, "onednn", bf16_library_version());
    else
        json_set(json, "onednn", json_new_null(arena));
    json_set_bool(json, "bf16", !bf16_unavailable_reason());
    json_set_number(json, "memory_bytes", memory_usable(1));
    return json;
}

const char *hardware_text(Arena *arena) {
    Arena *scratch = arena_new(0);
    const char *text = json_print(hardware_json(scratch), arena);
    arena_free(scratch);
    return text;
}
