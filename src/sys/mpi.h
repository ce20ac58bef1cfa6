/* mpi: the processes (ranks) of one run, connected by MPI. Only mpi.c includes the library's <mpi.h>.
 *
 * Started by mpirun, each process is one rank, and all ranks execute the same run: each computes its part of
 * every update and of every evaluation; rank 0 reads and writes files and reports. Otherwise, and in a
 * program built without MPI (`make MPI=0`), there is one rank and these functions do nothing. Sums are
 * computed in the order of ranks, element by element, so the same number of ranks gives the same bits
 * (MPI_Allreduce does not guarantee an order). Only the first thread of a process may call this module.
 */
#ifndef POSLAB_SYS_MPI_H
#define POSLAB_SYS_MPI_H

#include "base/error.h"

/* Joins the other ranks, if mpirun started this process; at most once, before the first job of lanes. Fails
   (usage) if it did and the program is built without MPI, or with another one than that mpirun's. */
bool mpi_begin(Error *err);
void mpi_end(void); /* at the end of the program; without mpi_begin it does nothing */

/* For a process that will start another program, which is no rank. */
void mpi_leave(void);

enum { RANKS_CHUNK_FLOATS = 1 << 22 }; /* floats that are summed at a time */

int mpi_ranks(void);
int mpi_rank(void); /* of this process, from 0 on */

/* All that follows must be called by every rank, in the same order and with the same sizes. */

/* values[size] of the first `active` ranks are added up, in order; all ranks get the sum. The buffer has
   mpi_sum_buffer(size, mpi_ranks()) floats. */
void mpi_sum_floats(float *values, float *buffer, size_t size, int active);
size_t mpi_sum_buffer(size_t size, int ranks);

/* Each rank has filled the part of values[ranks, part] that has its number; all get all of it. */
void mpi_gather_parts(float *values, size_t part);

/* Each of values[size] is 0 on all ranks but one; all get that one. */
void mpi_merge_doubles(double *values, size_t size);

/* What rank 0 has, all have. */
void mpi_broadcast(void *bytes, size_t size);

/* The bits that any rank has set. */
unsigned mpi_or(unsigned bits);

/* Whether all succeeded; if not, all have the error of the first rank that did not. */
bool mpi_agree(bool fine, Error *err);

#endif
