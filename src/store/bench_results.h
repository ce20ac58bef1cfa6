/* bench_results: what `poslab bench` measured, in the database.
 *
 * A bench is one call of the command: one model, one machine, one number of threads. Its results are medians
 * over rounds in which the methods alternate, with quartiles. Of several benches of the same model with
 * equal threads and precision the newest counts.
 */
#ifndef POSLAB_STORE_BENCH_RESULTS_H
#define POSLAB_STORE_BENCH_RESULTS_H

#include "store/database.h"

typedef struct BenchResult {
    const char *method, *label;
    int64_t length;
    bool train;                          /* else evaluation */
    double rate, rate_low, rate_high;    /* tokens per second */
    double flops, share;                 /* FLOP/s, and over that of the BLAS alone */
    double ratio, ratio_low, ratio_high; /* time over that of the reference */
    int64_t bytes;
} BenchResult;

typedef struct BenchRecord {
    int64_t id; /* set by the database, as is `created` */
    const char *created, *precision, *reference;
    const char *config; /* JSON: "model" as runs have it, tokens_per_step, rounds */
    int64_t threads;
    double gemm_rate; /* FLOP/s of the BLAS, each thread */
    bool own;         /* set by bench_results_read: the runs were trained in this precision */
    BenchResult *results;
    int count;
} BenchRecord;

typedef struct BenchResults {
    BenchRecord *items;
    int count;
} BenchResults;

bool bench_results_write(Database *store, const BenchRecord *bench, Error *err);

/* The benches that count of the models of an experiment's runs, those in the runs' precision and with the
   fewest threads first. NULL and err if reading fails. */
const BenchResults *bench_results_read(Database *store, const char *experiment, Arena *arena, Error *err);

/* NULL if there is none. label: of the method, with its options. */
const BenchResult *bench_results_find(const BenchRecord *bench, const char *label, int64_t length,
                                      bool train);

#endif
