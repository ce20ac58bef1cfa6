/* mpi_estimate: estimates the cost of the runs of a plan on several ranks.
 *
 * The estimate uses the speed of one rank and the sizes of messages. An update is divided into whole
 * sequences, so ranks beyond the number of sequences are idle. Evaluations are divided evenly. Each of N
 * active ranks sends and receives 2 (N - 1) / N of the bytes of the gradients per update, in pieces
 * (sys/mpi.h), each of which costs 2 (N - 1) message latencies. The bandwidth is that of one rank; ranks
 * that share a network card share it. Communication and computation do not overlap.
 */
#ifndef POSLAB_EXPERIMENT_MPI_ESTIMATE_H
#define POSLAB_EXPERIMENT_MPI_ESTIMATE_H

#include "base/table.h"
#include "experiment/plan.h"

typedef struct MpiEstimate {
    int ranks;
    double seconds,
        exchange; /* seconds: of all runs in sequence; exchange: the part of it that is communication */
    double sent,
        bytes; /* maxima over the runs: bytes that a rank sends in an update; bytes of the arenas of a rank */
    double speedup, efficiency; /* time of one rank / time; speedup / ranks */
} MpiEstimate;

/* seconds_per_flop: of one rank, as measured by plan_print. */
MpiEstimate mpi_estimate_make(const Plan *plan, int ranks, double seconds_per_flop);

/* One row for each number of ranks in plan->ranks. */
Table *mpi_estimate_table(const Plan *plan, double seconds_per_flop, Arena *arena);

#endif
