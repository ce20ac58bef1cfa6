/* arena: all memory of the program.
 *
 * An arena returns zeroed memory, aligned to 64 bytes, in stack order and frees all of it at once. Nothing
 * is freed singly. There are three lifetimes: the experiment, the run and the step. A counting arena returns
 * no memory and only adds up sizes: the layout code that allocates a model's activations also tells, before
 * anything runs, how many bytes they take. Failure to allocate ends the process.
 */
#ifndef POSLAB_BASE_ARENA_H
#define POSLAB_BASE_ARENA_H

#include "base/error.h"

typedef struct Arena Arena;
typedef size_t ArenaMark;

Arena *
arena_new(size_t first_chunk);   /* bytes of the first chunk, 0 for a small default; dies without memory */
Arena *arena_new_counting(void); /* arena_alloc returns NULL and counts */
void arena_free(Arena *arena);   /* NULL is allowed */

/* An arena of `bytes` bytes within `parent`, which frees them; allocating more is a bug. NULL if the parent
   is a counting arena. */
Arena *arena_new_inside(Arena *parent, size_t bytes);

/* count * size zeroed bytes, aligned to 64. A product that overflows, or no memory, is error_fatal; a count
   stays at SIZE_MAX / 4 then. */
void *arena_alloc(Arena *arena, size_t count, size_t size);
char *arena_copy(Arena *arena, const char *text); /* a copy of a string */
char *arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *arena_grow(Arena *arena, void *old, size_t old_count, size_t new_count,
                 size_t size); /* copies, zeroes rest */

/* Everything allocated after the mark is given back (the chunks are kept for reuse). */
ArenaMark arena_mark(const Arena *arena);
void arena_release(Arena *arena, ArenaMark mark);

size_t arena_used(const Arena *arena); /* bytes in use, alignment included */
size_t arena_peak(const Arena *arena); /* the largest arena_used so far */

/* The array with room for one more item behind its `count`, which is zero; it doubles where count is a power
   of two. For arrays that begin as NULL and grow by this alone. */
void *arena_extend(Arena *arena, void *items, size_t count, size_t size);

/* Adds an item to such an array, and returns where: *ARENA_PUSH(arena, list->items, list->count) = item; */
#define ARENA_PUSH(arena, items, count)                                                                      \
    ((items) = arena_extend((arena), (items), (size_t)(count), sizeof *(items)), &(items)[(count)++])

#define NEW(arena, count, Type) ((Type *)arena_alloc((arena), (size_t)(count), sizeof(Type)))

#endif
