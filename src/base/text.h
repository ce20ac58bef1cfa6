/* text: numbers and lists as text, parts of paths, and the size of the terminal.
 *
 * For people, a number is rounded to about three digits and given a unit. Formats for programs do not use
 * these texts: they print numbers with full precision. A list of words is NULL-terminated. Texts belong to
 * the arena.
 */
#ifndef POSLAB_BASE_TEXT_H
#define POSLAB_BASE_TEXT_H

#include "base/arena.h"

const char *text_bytes(double bytes, Arena *arena);     /* "1.2 MiB" */
const char *text_flops(double flops, Arena *arena);     /* "3.4 TF" */
const char *text_seconds(double seconds, Arena *arena); /* "9.5 s", "12 min", "1.5 h" */

/* The length of a path without the suffix of its file name: 3 of "a/b.svg". */
size_t text_stem(const char *path);

/* A list with one more item: "a", "a, b", ... An empty list is "". */
const char *text_join(const char *list, const char *separator, const char *item, Arena *arena);

/* Whether a list in a text, or NULL, has this item. */
bool text_has(const char *list, char separator, const char *item);

/* Whether the list has this item. */
bool text_among(const char *item, const char *const *list, int count);

/* The value of a text that is one finite decimal number; NAN for any other text. */
double text_number(const char *text);

int text_index(const char *word, const char *const *words); /* the index of a word in a list; -1 if missing */
const char *text_list(const char *const *words, Arena *arena); /* "a, b, c" */

/* The name in `names` (NULL-terminated) that a word is another word for ("accuracy": "exact"); NULL: none. */
const char *text_synonym(const char *word, const char *const *names);

/* The same or, for other words, the name with the smallest edit distance; NULL if none is close. */
const char *text_nearest(const char *word, const char *const *names);

/* The nearer of `nearest` (or NULL) and `candidate`, for names that are in no array. */
const char *text_nearer(const char *word, const char *nearest, const char *candidate);

/* The size of the terminal that `out` writes to, in characters: the variables COLUMNS and LINES, otherwise
   what the terminal reports. 0 if `out` is not a terminal or reports nothing. */
typedef struct TextScreen {
    int width, height;
} TextScreen;
TextScreen text_screen(FILE *out);

/* Sets the size for stdout, whose output is collected for a pager (sys/pager.h). */
void text_set_screen(TextScreen screen);

#endif
