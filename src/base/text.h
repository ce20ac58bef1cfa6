/* text: formats bytes, FLOPs and seconds for people, and finds the size of the terminal.
 *
 * A number is rounded to about three digits and given a unit. Formats for programs do not use these texts:
 * they print numbers with full precision. Texts belong to the arena.
 */
#ifndef POSLAB_BASE_TEXT_H
#define POSLAB_BASE_TEXT_H

#include "base/arena.h"

const char *text_bytes(double bytes, Arena *arena);     /* "1.2 MiB" */
const char *text_flops(double flops, Arena *arena);     /* "3.4 TF" */
const char *text_seconds(double seconds, Arena *arena); /* "9.5 s", "12 min", "1.5 h" */

/* The size of the terminal that `out` writes to, in characters: the variables COLUMNS and LINES, otherwise
   what the terminal reports. 0 if `out` is not a terminal or reports nothing. */
typedef struct TextScreen {
    int width, height;
} TextScreen;
TextScreen text_screen(FILE *out);

/* Sets the size for stdout, whose output is collected for a pager (sys/pager.h). */
void text_set_screen(TextScreen screen);

#endif
