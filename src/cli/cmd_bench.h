/* cmd_bench: `poslab bench`: what each method costs, and how close it comes to the machine's limit.
 *
 * Per method, precision, length and phase (train, evaluate) it reports: tokens/s; FLOP/s by model_flops and
 * their share of the rate of matrix products in that precision, measured in the same run; bytes of the pass;
 * time in matrix products, in attention and in the rest; the ratio of the time per token to that of the
 * reference method; and the ratio of the speed to that in the first precision. All subjects of one phase, at
 * all lengths, are measured alternately, round by round, so that a change of the machine's speed affects all
 * of them (and all are in memory at once). Each measurement of another method is adjacent to one of the
 * reference method, from which its ratio is computed; each of the reference method is adjacent to one of
 * matrix products. Figures are medians over rounds, with quartiles. Under mpirun an update or an evaluation
 * is that of all ranks together.
 */
#ifndef POSLAB_CLI_CMD_BENCH_H
#define POSLAB_CLI_CMD_BENCH_H

#include "base/table.h"
#include "math/linear.h"
#include "model/model.h"

enum { CMD_BENCH_MAX_ROUNDS = 1000 };

typedef struct CmdBenchOptions {
    ModelOptions model;
    const char *const *methods; /* NULL-terminated names; NULL: all of the registry */
    const char *reference;      /* the method that ratios refer to; measured too */
    int lengths[16];
    int length_count;
    int64_t tokens_per_step; /* tokens of one training measurement */
    int rounds, threads;
    int precisions[PRECISION_COUNT];
    int precision_count;  /* at least 1 */
    bool train, evaluate; /* phases */
    TableFormat format;
    const char *database; /* where the figures are kept, too; NULL: nowhere */
} CmdBenchOptions;

/* Prints the table to `out`; cli/cmd_methods.c reads the CSV. Fails (EXIT_USAGE) for an unknown method, a
 * shape that a method refuses, more than the machine's memory, and an unavailable precision, and if the
 * database cannot be written, which is checked before any measurement.
 */
bool cmd_bench_run(const CmdBenchOptions *options, FILE *out, Error *err);

#endif
