/* text: bytes, FLOPs and seconds for people.
 *
 * A number is rounded to about three digits and given a unit. The result is for reading only; programs get
 * numbers in full precision from base/table.h and base/json.h. Texts belong to the arena.
 */
#ifndef POSLAB_BASE_TEXT_H
#define POSLAB_BASE_TEXT_H

#include "base/arena.h"

const char *text_bytes(double bytes, Arena *arena);     /* "1.2 MiB" */
const char *text_flops(double flops, Arena *arena);     /* "3.4 TF" */
const char *text_seconds(double seconds, Arena *arena); /* "9.5 s", "12 min", "1.5 h" */

#endif
