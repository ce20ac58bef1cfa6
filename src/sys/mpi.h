/* mpi: the processes (ranks) of one run, connected by MPI. Only mpi.c includes the library's <mpi.h>.
 *
 * Started by mpirun, each process is one rank, and all ranks execute the same run: each computes its part of
 * every update and of every evaluation; rank 0 reads and writes files and reports. Without mpirun, or in a
 * program built without MPI (`make MPI=0`), there is one rank and these functions do nothing. Sums are
 * computed in the order of ranks, element by element, so the same number of ranks gives the same bits
 * (MPI_Allreduce does not guarantee an order). Only the first thread of a process may call this module.
 */
#ifndef POSLAB_SYS_MPI_H
#define POSLAB_SYS_MPI_H

#include "base/error.h"

/* Joins the other ranks, if mpirun started this process. Called at most once, before the first threads_run.
   Fails with EXIT_USAGE under mpirun if the program is built without MPI or with another MPI than that
   mpirun's. */
bool mpi_begin(Error *err);
void mpi_end(void); /* called at the end of the program; does nothing without mpi_begin */

/* Removes the launcher's variables from the environment, so that a program started by this one is not taken
   for a rank. */
void mpi_leave(void);

enum { RANKS_CHUNK_FLOATS = 1 << 22 }; /* floats that are summed at a time */

int mpi_ranks(void);
int mpi_rank(void); /* of this process, from 0 on */

/* All functions below must be called by every rank, in the same order and with the same sizes. */

/* Adds values[size] of the first `active` ranks in the order of ranks; all ranks get the sum. buffer has
   mpi_sum_buffer(size, mpi_ranks()) floats and is overwritten. */
void mpi_sum_floats(float *values, float *buffer, size_t size, int active);
size_t mpi_sum_buffer(size_t size, int ranks);

/* Each rank has filled row mpi_rank() of values[ranks, part]; afterwards every rank has all rows. */
void mpi_gather_parts(float *values, size_t part);

/* Each of values[size] is 0 on all ranks but at most one; every rank gets its nonzero value. */
void mpi_merge_doubles(double *values, size_t size);

/* Copies bytes[size] of rank 0 to all ranks. */
void mpi_broadcast(void *bytes, size_t size);

/* The bitwise or of `bits` of all ranks. */
unsigned mpi_or(unsigned bits);

/* Whether `fine` is true on all ranks; if not, every rank gets the error of the first failed rank in err. */
bool mpi_agree(bool fine, Error *err);

#endif
