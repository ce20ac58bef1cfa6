#include "math/blas.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"

void blas_product(float *c, const float *a, bool transpose_a, const float *b, bool transpose_b, bool add,
                  int m, int n, int k) {
    blas_product_strided(c, n, a, transpose_a ? m : k, b, transpose_b ? k : n, m, n, k, transpose_a,
                         transpose_b, add);
}

void blas_product_strided(float *c, int ldc, const float *a, int lda, const float *b, int ldb, int m, int n,
                          int k, bool transpose_a, bool transpose_b, bool add) {
    cblas_sgemm(CblasRowMajor, transpose_a ? CblasTrans : CblasNoTrans,
                transpose_b ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, a, lda, b, ldb, add ? 1.0f : 0.0f, c,
                ldc);
}

const char *blas_name(void) {
    static char name[256]; /* every call writes the same text */
    snprintf(name, sizeof name, "%s core %s", openblas_get_config(), openblas_get_corename());
    return name;
}

void blas_one_thread_environment(void) {
    static const char *const variables[] = {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"};
    for (int i = 0; i < COUNT_OF(variables); i++) setenv(variables[i], "1", 1);
}

bool blas_is_loaded_with_one_thread(void) {
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    return threads && strcmp(threads, "1") == 0;
}

bool blas_core_environment(void) {
#ifdef __x86_64__
    const char *core = NULL;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) core = "Haswell";
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        core = "SkylakeX";
    return core && !getenv("OPENBLAS_CORETYPE") && !strcmp(openblas_get_corename(), "Prescott") &&
           strstr(openblas_get_config(), "DYNAMIC_ARCH") && setenv("OPENBLAS_CORETYPE", core, 1) == 0;
#else
    return false;
#endif
}

void blas_one_thread(void) {
    openblas_set_num_threads(1);
}

/* Functions of OpenBLAS that its headers do not declare. */
void *blas_memory_alloc(int unused) __attribute__((weak));
void blas_memory_free(void *buffer) __attribute__((weak));

enum { BLAS_BUFFER = 136 << 20, BLAS_BUFFERS_MOST = 256 }; /* BLAS_BUFFER: 128 MiB and bookkeeping */

static bool can_map(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && munmap(memory, bytes) == 0;
}

bool blas_reserve(int threads, Error *err) {
    void *buffers[BLAS_BUFFERS_MOST];
    int count = 0;
    if (!blas_memory_alloc || !blas_memory_free) return true;
    while (count < threads && count < BLAS_BUFFERS_MOST && can_map(BLAS_BUFFER))
        buffers[count++] = blas_memory_alloc(0);
    bool fine = count == threads || count == BLAS_BUFFERS_MOST;
    while (count > 0) blas_memory_free(buffers[--count]);
    return fine ||
           error_set(err, EXIT_SYSTEM,
                     "not enough memory for the BLAS buffers of %d thread%s; lower --threads, or raise the "
                     "memory limit (ulimit -v, ulimit -d)",
                     threads, threads == 1 ? "" : "s");
}
