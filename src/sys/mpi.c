/* mpi: a sum processes the values in pieces of at most RANKS_CHUNK_FLOATS floats.
 *
 * Every rank owns one slice of each piece: it receives that slice from all ranks, adds them in the order of
 * ranks and sends the sum to all. Each float is sent twice, and the buffer is no larger than a piece.
 */
#include "sys/mpi.h"

#include <stdlib.h>
#include <string.h>

enum { GRAIN = 16, SHARE_MOST = 1 << 28, RANKS_MOST = 1 << 16 };

static int count = 1, number = 0;

int mpi_ranks(void) {
    return count;
}

int mpi_rank(void) {
    return number;
}

size_t mpi_sum_buffer(size_t size, int ranks) {
    return ranks < 2 ? 0
                     : (size < RANKS_CHUNK_FLOATS ? size : RANKS_CHUNK_FLOATS) +
                           (size_t)(GRAIN + 1) * (size_t)ranks;
}

/* Environment variables set by launchers: Open MPI's mpirun, MPICH's, and others that use PMIx. */
static const struct {
    const char *name;
    int alone; /* with values up to this, the process may be the only one */
} variables[] = {{"OMPI_COMM_WORLD_SIZE", 1}, {"PMI_SIZE", 1}, {"PMIX_RANK", 0}};

/* The variable that shows that other processes were launched; NULL if there is none. */
static const char *tells_of_others(void) {
    for (int i = 0; i < COUNT_OF(variables); i++) {
        const char *value = getenv(variables[i].name);
        if (value && atoi(value) > variables[i].alone) return variables[i].name;
    }
    return NULL;
}

void mpi_leave(void) {
    for (int i = 0; i < COUNT_OF(variables); i++) unsetenv(variables[i].name);
}

#ifdef POSLAB_MPI

#include <mpi.h>

#ifdef OPEN_MPI
#define LIBRARY "Open MPI"
#else
#define LIBRARY "MPICH"
#endif

static bool begun;

static bool is_launched(void) {
    for (int i = 0; i < COUNT_OF(variables); i++)
        if (getenv(variables[i].name)) return true;
    return false;
}

/* If MPI_Init fails, MPI ends the program. Under the launcher of another MPI it succeeds, but each process
   has one rank and all of them would compute the same run; this is refused here. */
bool mpi_begin(Error *err) {
    int provided;
    if (begun || !is_launched()) return true;
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_size(MPI_COMM_WORLD, &count);
    MPI_Comm_rank(MPI_COMM_WORLD, &number);
    if (count > RANKS_MOST)
        error_fatal("mpirun started %d ranks; at most %d are supported", count, RANKS_MOST);
    begun = true;
    const char *variable = count == 1 ? tells_of_others() : NULL;
    return !variable ||
           error_set(err, EXIT_USAGE,
                     "another MPI's mpirun started this process (%s is set): poslab is built with " LIBRARY
                     "; use the mpirun of that MPI, or rebuild with `make MPI_NAME=ompi-c|mpich`",
                     variable);
}

void mpi_end(void) {
    if (begun) MPI_Finalize();
    begun = false;
}

/* The first float that rank r owns in a piece of `size` floats, which the first `active` ranks share. */
static int slice_begin(int r, int active, int size) {
    int slice = ((size + active - 1) / active + GRAIN - 1) / GRAIN * GRAIN,
        begin = r < active ? r * slice : size;
    return begin < size ? begin : size;
}

typedef struct Exchange { /* counts and offsets by rank, for MPI_Alltoallv */
    int *send, *send_at, *receive, *receive_at, *own, *own_at;
} Exchange;

static void sum_piece(float *values, float *buffer, int size, int active, const Exchange *x) {
    int begin = slice_begin(number, active, size), mine = slice_begin(number + 1, active, size) - begin;
    for (int r = 0; r < count; r++) {
        x->own_at[r] = slice_begin(r, active, size);
        x->own[r] = slice_begin(r + 1, active, size) - x->own_at[r];
        x->send[r] = number < active ? x->own[r] : 0;
        x->send_at[r] = x->own_at[r];
        x->receive[r] = r < active ? mine : 0;
        x->receive_at[r] = r < active ? r * mine : 0;
    }
    MPI_Alltoallv(values, x->send, x->send_at, MPI_FLOAT, buffer, x->receive, x->receive_at, MPI_FLOAT,
                  MPI_COMM_WORLD);
    float *sum = values + begin;
    if (mine) memcpy(sum, buffer, (size_t)mine * sizeof *sum);
    for (int r = 1; r < active; r++) {
        const float *from = buffer + (size_t)r * (size_t)mine;
        for (int i = 0; i < mine; i++) sum[i] += from[i];
    }
    MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, values, x->own, x->own_at, MPI_FLOAT, MPI_COMM_WORLD);
}

void mpi_sum_floats(float *values, float *buffer, size_t size, int active) {
    if (count == 1) return;
    static int places[6][RANKS_MOST];
    const Exchange exchange = {places[0], places[1], places[2], places[3], places[4], places[5]};
    for (size_t from = 0; from < size; from += RANKS_CHUNK_FLOATS)
        sum_piece(values + from, buffer,
                  size - from < RANKS_CHUNK_FLOATS ? (int)(size - from) : RANKS_CHUNK_FLOATS, active,
                  &exchange);
}

void mpi_gather_parts(float *values, size_t part) {
    if (count > 1) MPI_Allgather(MPI_IN_PLACE, 0, MPI_FLOAT, values, (int)part, MPI_FLOAT, MPI_COMM_WORLD);
}

void mpi_merge_doubles(double *values, size_t size) {
    if (count > 1) MPI_Allreduce(MPI_IN_PLACE, values, (int)size, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

void mpi_broadcast(void *bytes, size_t size) {
    for (size_t from = 0; count > 1 && from < size; from += SHARE_MOST)
        MPI_Bcast((char *)bytes + from, size - from < SHARE_MOST ? (int)(size - from) : SHARE_MOST, MPI_BYTE,
                  0, MPI_COMM_WORLD);
}

unsigned mpi_or(unsigned bits) {
    if (count > 1) MPI_Allreduce(MPI_IN_PLACE, &bits, 1, MPI_UNSIGNED, MPI_BOR, MPI_COMM_WORLD);
    return bits;
}

bool mpi_agree(bool fine, Error *err) {
    int first = fine ? count : number;
    if (count == 1) return fine;
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (first < count) MPI_Bcast(err, (int)sizeof *err, MPI_BYTE, first, MPI_COMM_WORLD);
    return first == count;
}

#else

bool mpi_begin(Error *err) {
    const char *variable = tells_of_others();
    return !variable ||
           error_set(err, EXIT_USAGE,
                     "mpirun started this process (%s is set), but poslab is built without MPI; install "
                     "libopenmpi-dev and pkg-config, then rebuild with `make`",
                     variable);
}

void mpi_end(void) {
}

void mpi_sum_floats(float *values, float *buffer, size_t size, int active) {
    (void)values, (void)buffer, (void)size, (void)active;
}

void mpi_gather_parts(float *values, size_t part) {
    (void)values, (void)part;
}

void mpi_merge_doubles(double *values, size_t size) {
    (void)values, (void)size;
}

void mpi_broadcast(void *bytes, size_t size) {
    (void)bytes, (void)size;
}

unsigned mpi_or(unsigned bits) {
    return bits;
}

bool mpi_agree(bool fine, Error *err) {
    (void)err;
    return fine;
}

#endif
