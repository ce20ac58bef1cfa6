/* text: large numbers for people, three digits or so and a unit. */
#ifndef POSLAB_BASE_TEXT_H
#define POSLAB_BASE_TEXT_H

#include "base/arena.h"

const char *text_bytes(double bytes, Arena *arena);     /* "1.2 MiB" */
const char *text_flops(double flops, Arena *arena);     /* "3.4 TF" */
const char *text_seconds(double seconds, Arena *arena); /* "9.5 s", "12 min", "1.5 h" */

#endif
