/* memory: how much memory this process can use.
 *
 * The limits are the machine's memory, the container's (cgroup) and that of `ulimit -v`.
 */
#ifndef POSLAB_MEMORY_H
#define POSLAB_MEMORY_H

enum { MEMORY_LIBRARIES = 256 << 20, ARENA_THREAD = 144 << 20 };

/* What rlimits leave to the whole process, INFINITY without any; what the libraries take of it for one
   thread, and for each further thread: its stack and its buffer of the BLAS. */
double memory_limit(void);

/* Bytes that all processes together can have: the machine's memory, or a container's. */
double memory_total(void);

/* Bytes that the arenas of a process with this many threads can have: the machine's memory, or less where a
   limit says so. What needs more is refused before it is tried. */
double memory_usable(int threads);

#endif
