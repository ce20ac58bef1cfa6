/* memory: how much memory this process can use.
 *
 * The limits are the machine's memory, the container's (cgroup) and that of `ulimit -v`.
 */
#ifndef POSLAB_MEMORY_H
#define POSLAB_MEMORY_H

enum { MEMORY_LIBRARIES = 256 << 20, ARENA_THREAD = 144 << 20 };

/* Bytes that `ulimit -v` and `ulimit -d` allow to the whole process, INFINITY without a limit. Of these,
   MEMORY_LIBRARIES are used by libraries with one thread, and ARENA_THREAD by the stack and the BLAS buffer
   of each further thread. */
double memory_limit(void);

/* Bytes that all processes together can use: the memory of the machine or of the container. */
double memory_total(void);

/* Bytes that the arenas of a process with `threads` threads can use: memory_total, or less if memory_limit is
   lower. A command that needs more is refused before it starts. */
double memory_usable(int threads);

#endif
