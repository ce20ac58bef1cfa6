/* hardware: description of this machine, for provenance and for `poslab bench`.
 *
 * Names and extensions of the processor are read from /proc/cpuinfo. A value that the system does not report
 * is "unknown" or NAN, never an error.
 */
#ifndef POSLAB_MATH_HARDWARE_H
#define POSLAB_MATH_HARDWARE_H

#include "base/json.h"

/* Name of the processor, or "unknown". Owned by the arena. */
const char *hardware_cpu(Arena *arena);

/* The load average: number of tasks of all programs that were running or ready to run, averaged over the last
   minute; NAN: unknown. */
double machine_load(void);

/* Processor time used so far by all threads of this process, in seconds; NAN: unknown. */
double machine_processor_seconds(void);

/* {"cpu": name, "cores": number that this process may use, "simd": vector extensions that affect speed,
   "blas": name and kernel, "onednn": version or null, "bf16": whether that precision is available,
   "memory_bytes": memory that one process can use}. Owned by the arena, as a tree or as text. */
Json *hardware_json(Arena *arena);
const char *hardware_text(Arena *arena);

#endif
