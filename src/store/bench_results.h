/* bench_results: writes and reads the measurements of `poslab bench` in the database.
 *
 * A bench is one call of the command: one model, one machine, one number of threads. Its results are
 * medians over rounds with quartiles; every round measures all methods. Readers use only the newest of
 * several benches of the same model, number of threads and precision.
 */
#ifndef POSLAB_STORE_BENCH_RESULTS_H
#define POSLAB_STORE_BENCH_RESULTS_H

#include "store/database.h"

typedef struct BenchResult {
    const char *method, *label;
    int64_t length;
    bool train;                          /* true: training; false: evaluation */
    double rate, rate_low, rate_high;    /* tokens per second */
    double flops, share;                 /* FLOP/s, and their quotient by the FLOP/s of the BLAS alone */
    double ratio, ratio_low, ratio_high; /* time divided by the time of the reference method */
    int64_t bytes;
} BenchResult;

typedef struct BenchRecord {
    int64_t id; /* assigned by the database, like `created` */
    const char *created, *precision, *reference;
    const char *config; /* JSON: "model" as in the config of a run, tokens_per_step, rounds */
    int64_t threads;
    double gemm_rate; /* FLOP/s of the BLAS, for each thread */
    bool own; /* set by bench_results_read: the runs of the experiment were trained in this precision */
    BenchResult *results;
    int count;
} BenchRecord;

typedef struct BenchResults {
    BenchRecord *items;
    int count;
} BenchResults;

bool bench_results_write(Database *store, const BenchRecord *bench, Error *err);

/* The newest benches of the models in an experiment. Benches in the precision of the runs come first, then
   those with the fewest threads. Returns NULL and sets err if reading fails. */
const BenchResults *bench_results_read(Database *store, const char *experiment, Arena *arena, Error *err);

/* The result of a method with its options (`label`), or NULL. */
const BenchResult *bench_results_find(const BenchRecord *bench, const char *label, int64_t length,
                                      bool train);

#endif
