/* speed: what `poslab bench` measured, in the database.
 *
 * A bench is one call of the command: a model, a machine, so many threads; its results are medians over
 * rounds in which all methods took turns, with their quartiles. Of several benches of the same model with
 * equal threads and precision the newest counts.
 */
#ifndef POSLAB_SPEED_H
#define POSLAB_SPEED_H

#include "store/database.h"

typedef struct SpeedResult {
    const char *method, *label;
    int64_t length;
    bool train;                          /* else evaluation */
    double rate, rate_low, rate_high;    /* tokens per second */
    double flops, share;                 /* FLOP/s, and over that of the BLAS alone */
    double ratio, ratio_low, ratio_high; /* time over that of the reference */
    int64_t bytes;
} SpeedResult;

typedef struct SpeedBench {
    int64_t id; /* set by the database, as is `created` */
    const char *created, *precision, *reference;
    const char *config; /* JSON: "model" as runs have it, tokens_per_step, rounds */
    int64_t threads;
    double gemm_rate; /* FLOP/s of the BLAS, each thread */
    bool own;         /* set by speed_read: the runs were trained in this precision */
    SpeedResult *results;
    int count;
} SpeedBench;

typedef struct SpeedList {
    SpeedBench *items;
    int count;
} SpeedList;

bool speed_write(Store *store, const SpeedBench *bench, Err *err);

/* The benches that count of the models of an experiment's runs, those in the runs' precision and with the
   fewest threads first. NULL and err if reading fails. */
const SpeedList *speed_read(Store *store, const char *experiment, Arena *arena, Err *err);

/* NULL if there is none. label: of the method, with its options. */
const SpeedResult *speed_find(const SpeedBench *bench, const char *label, int64_t length, bool train);

#endif
