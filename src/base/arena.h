/* arena: allocates all memory of the program.
 *
 * An arena returns zeroed memory, aligned to 64 bytes, in stack order, and frees all of it at once. Single
 * blocks are not freed. Arenas have three lifetimes: the experiment, the run and the step. A counting arena
 * returns no memory and only adds up sizes, so the code that allocates the activations of a model also
 * computes their size before anything runs. If memory is exhausted, the process ends.
 */
#ifndef POSLAB_BASE_ARENA_H
#define POSLAB_BASE_ARENA_H

#include "base/error.h"

typedef struct Arena Arena;
typedef size_t ArenaMark;

Arena *arena_new(size_t first_chunk); /* bytes of the first chunk, 0: a small default; never returns NULL */
Arena *arena_new_counting(void);      /* arena_alloc returns NULL and counts the bytes */
void arena_free(Arena *arena);        /* NULL is allowed */

/* An arena of `bytes` bytes in memory of `parent`, which owns them. Allocating more is a bug. Returns NULL
   if the parent is a counting arena. */
Arena *arena_new_inside(Arena *parent, size_t bytes);

/* Allocates count * size zeroed bytes, aligned to 64. If the product overflows or memory is exhausted,
   calls error_fatal; a counting arena adds SIZE_MAX / 4 for an overflow. */
void *arena_alloc(Arena *arena, size_t count, size_t size);
char *arena_copy(Arena *arena, const char *text); /* copies a string */
char *arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
void *arena_grow(Arena *arena, void *old, size_t old_count, size_t new_count,
                 size_t size); /* copies old_count items and zeroes the others */

/* Frees everything that was allocated after the mark. Chunks are kept for reuse. */
ArenaMark arena_mark(const Arena *arena);
void arena_release(Arena *arena, ArenaMark mark);

size_t arena_used(const Arena *arena); /* bytes in use, including alignment */
size_t arena_peak(const Arena *arena); /* the maximum of arena_used so far */
size_t arena_counted(Arena *arena);    /* frees a counting arena and returns its peak */

/* Returns the array with memory for a zeroed item after its `count` items; the memory doubles when count is
   a power of two. Only for arrays that start as NULL and grow by this function. */
void *arena_extend(Arena *arena, void *items, size_t count, size_t size);

/* Adds an item to such an array and returns its address: *ARENA_PUSH(arena, list->items, list->count) =
   item; */
#define ARENA_PUSH(arena, items, count)                                                                      \
    ((items) = arena_extend((arena), (items), (size_t)(count), sizeof *(items)), &(items)[(count)++])

#define NEW(arena, count, Type) ((Type *)arena_alloc((arena), (size_t)(count), sizeof(Type)))

#endif
