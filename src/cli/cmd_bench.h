/* cmd_bench: `poslab bench`: speed and memory of each method, compared with a reference method.
 *
 * All methods of one phase (train, evaluate) are in memory together, at all lengths and precisions, and are
 * measured in turn, round by round, so that a change of the machine's speed affects all of them. Each
 * measurement is adjacent to one of the reference method, from which the ratio of times is computed; each one
 * of the reference method is adjacent to one of matrix products. Results are medians over rounds with
 * quartiles. Text token by token is measured in two phases, strided and token: a model that sees `length`
 * tokens computes one target at a time, from a whole window and from the cached rows of all tokens but the
 * last (model/cache.h), on one thread. Under mpirun, an update or an evaluation is that of all ranks
 * together.
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
    const char *reference;      /* the method that ratios refer to; always measured */
    int lengths[16];
    int length_count;
    int64_t tokens_per_step; /* tokens of one training measurement */
    int rounds, threads;
    int precisions[PRECISION_COUNT];
    int precision_count;          /* at least 1 */
    bool train, evaluate, tokens; /* phases; the last: strided and token */
    TableFormat format;
    const char *database; /* also stores the results; NULL: none */
} CmdBenchOptions;

/* Prints the table to `out`; cli/cmd_methods.c reads its CSV. Before any measurement it fails for an unknown
   method, a shape that a method refuses, an unavailable precision, too little memory (EXIT_USAGE) and a
   database that cannot be opened. */
bool cmd_bench_run(const CmdBenchOptions *options, FILE *out, Error *err);

#endif
