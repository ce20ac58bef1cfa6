/* bench_results: writes and reads the measurements of `poslab bench` in the database.
 *
 * A bench is one call of the command, with one model on one machine with one number of threads. Every round
 * of a bench measures all methods. The results are medians and quartiles over the rounds. If several benches
 * have the same model, number of threads and precision, only the newest is read.
 */
#ifndef POSLAB_STORE_BENCH_RESULTS_H
#define POSLAB_STORE_BENCH_RESULTS_H

#include "store/database.h"

typedef struct BenchResult {
    const char *method, *label;
    int64_t length;
    bool train;                          /* true: training; false: evaluation */
    double rate, rate_low, rate_high;    /* tokens per second: median, lower and upper quartile */
    double flops, share;                 /* FLOP/s, and FLOP/s divided by those of the BLAS alone */
    double ratio, ratio_low, ratio_high; /* time divided by the time of the reference method */
    int64_t bytes;                       /* peak memory */
} BenchResult;

typedef struct BenchRecord {
    int64_t id; /* assigned by the database, like `created` */
    const char *created, *precision, *reference;
    const char *config; /* JSON: "model" as in the config of a run, tokens_per_step, rounds */
    int64_t threads;
    double gemm_rate; /* FLOP/s of the BLAS, for each thread */
    bool own;         /* set by bench_results_read: runs of the experiment were trained in this precision */
    BenchResult *results;
    int count;
} BenchRecord;

typedef struct BenchResults {
    BenchRecord *items;
    int count;
} BenchResults;

/* Adds a bench in one transaction. */
bool bench_results_write(Database *store, const BenchRecord *bench, Error *err);

/* Reads the newest benches of the models in an experiment: first those in the precision of the runs, then in
   the order of threads. Returns NULL and sets err if reading fails. */
const BenchResults *bench_results_read(Database *store, const char *experiment, Arena *arena, Error *err);

/* The result of the method with this label, or NULL. */
const BenchResult *bench_results_find(const BenchRecord *bench, const char *label, int64_t length,
                                      bool train);

#endif
