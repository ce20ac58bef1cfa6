/* hardware: description of this machine, for provenance and for `poslab bench`.
 *
 * Names and extensions of the processor are read from /proc/cpuinfo. What the system does not report is
 * "unknown" or NAN, never an error.
 */
#ifndef POSLAB_MATH_HARDWARE_H
#define POSLAB_MATH_HARDWARE_H

#include "base/json.h"

/* Name of the processor, "unknown" where the system does not tell. Owned by the arena. */
const char *hardware_cpu(Arena *arena);

/* How many tasks of all programs were running or ready to run, mean over the last minute; NAN: unknown. */
double machine_load(void);

/* Processor time of all threads of this process so far; NAN: unknown. */
double machine_processor_seconds(void);

/* {"cpu": name, "cores": those that this process may use, "simd": the vector extensions that matter here,
   "blas": name and kernel, "onednn": version or null, "bf16": whether that precision is to be had,
   "memory_bytes": what a process can have}. The caller owns it; as text the arena does. */
Json *hardware_json(Arena *arena);
const char *hardware_text(Arena *arena);

#endif
