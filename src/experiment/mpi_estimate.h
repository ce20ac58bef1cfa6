/* mpi_estimate: what a plan's runs would take on several ranks.
 *
 * Reckoned from the single rank's speed and the sizes of messages. An update's FLOPs are divided by whole
 * sequences, so that ranks beyond an update's sequences are idle; evaluations are divided evenly. Of N active
 * ranks each sends and receives 2 (N - 1) / N of the gradients' bytes per update, in pieces (sys/mpi.h), of
 * which each costs 2 (N - 1) times the latency of a message. Bandwidth is that of one rank: ranks that share
 * a network card share it. Nothing is taken to overlap.
 */
#ifndef POSLAB_EXPERIMENT_MPI_ESTIMATE_H
#define POSLAB_EXPERIMENT_MPI_ESTIMATE_H

#include "experiment/plan.h"

typedef struct MpiEstimate {
    int ranks;
    double seconds, exchange;   /* of all runs, one after the other; exchange: of these, in messages */
    double sent, bytes;         /* the most of any run: sent by a rank in an update; arenas of a rank */
    double speedup, efficiency; /* against one rank; speedup over ranks */
} MpiEstimate;

/* seconds_per_flop: of one rank, as plan_print has it. */
MpiEstimate mpi_estimate_make(const Plan *plan, int ranks, double seconds_per_flop);

/* A table, or an array of objects, of the plan's own numbers of ranks. */
void mpi_estimate_print(const Plan *plan, double seconds_per_flop, FILE *out);
Json *mpi_estimate_json(const Plan *plan, double seconds_per_flop, Arena *arena);

#endif
