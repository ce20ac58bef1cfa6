/* mpi_estimate: estimated cost of a plan's runs on several ranks.
 *
 * Estimates are computed from the speed of a single rank and the sizes of messages. An update is divided
 * into whole sequences, so ranks beyond an update's sequences are idle; evaluations are divided evenly. Each
 * of N active ranks sends and receives 2 (N - 1) / N of the gradients' bytes per update, in pieces
 * (sys/mpi.h), each of which costs 2 (N - 1) message latencies. Bandwidth is that of one rank: ranks that
 * share a network card share it. No overlap of communication and computation is assumed.
 */
#ifndef POSLAB_EXPERIMENT_MPI_ESTIMATE_H
#define POSLAB_EXPERIMENT_MPI_ESTIMATE_H

#include "base/table.h"
#include "experiment/plan.h"

typedef struct MpiEstimate {
    int ranks;
    double seconds, exchange;   /* of all runs, one after the other; exchange: of these, in messages */
    double sent, bytes;         /* the most of any run: sent by a rank in an update; arenas of a rank */
    double speedup, efficiency; /* against one rank; speedup over ranks */
} MpiEstimate;

/* seconds_per_flop: of one rank, as plan_print has it. */
MpiEstimate mpi_estimate_make(const Plan *plan, int ranks, double seconds_per_flop);

/* A row for each of the plan's own numbers of ranks. */
Table *mpi_estimate_table(const Plan *plan, double seconds_per_flop, Arena *arena);

#endif
