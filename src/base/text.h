/* text: bytes, FLOPs and seconds for people, and the width of their screen.
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

/* Characters in a line of the terminal that `out` writes to: the variable COLUMNS, or else what the terminal
   reports. 0 if it is not a terminal or reports nothing. */
int text_screen_width(FILE *out);

#endif
