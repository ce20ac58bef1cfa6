/* arena: a list of chunks, used from first to last.
 *
 * The list only grows. Releasing a mark moves the position back and keeps the later chunks, empty, for
 * reuse. A mark is the number of bytes in use, including the gaps at the ends of chunks, so it determines a
 * position.
 */
#include "base/arena.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, SMALL_CHUNK = 64 * 1024 };

static const size_t MOST = SIZE_MAX / 4;

typedef struct Chunk {
    struct Chunk *next;
    unsigned char *bytes;
    size_t size, start; /* start: sum of the sizes of all chunks before this one */
} Chunk;

struct Arena {
    Chunk *first, *current;
    size_t used, peak; /* `used` is counted from the start of the first chunk, including gaps */
    bool counting;
    bool inside; /* in the memory of another arena: cannot grow */
};

static Chunk *chunk_new(size_t size, size_t start) {
    Chunk *chunk = malloc(sizeof *chunk);
    unsigned char *bytes = aligned_alloc(ALIGNMENT, size);
    if (!chunk || !bytes) {
        free(chunk);
        free(bytes);
        error_fatal("no memory for %zu bytes; lower model.max_tokens_in_flight, the model or the lengths",
                    size);
    }
    *chunk = (Chunk){.bytes = bytes, .size = size, .start = start};
    return chunk;
}

static size_t round_up(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

Arena *arena_new(size_t first_chunk) {
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena) error_fatal("no memory");
    arena->first = arena->current = chunk_new(round_up(first_chunk ? first_chunk : SMALL_CHUNK), 0);
    return arena;
}

Arena *arena_new_counting(void) {
    Arena *arena = calloc(1, sizeof *arena);
    if (!arena) error_fatal("no memory");
    arena->counting = true;
    return arena;
}

Arena *arena_new_inside(Arena *parent, size_t bytes) {
    Arena *arena = NEW(parent, 1, Arena);
    Chunk *chunk = NEW(parent, 1, Chunk);
    unsigned char *memory = NEW(parent, bytes, unsigned char);
    if (!arena) return NULL;
    *chunk = (Chunk){.bytes = memory, .size = round_up(bytes)};
    *arena = (Arena){.first = chunk, .current = chunk, .inside = true};
    return arena;
}

void arena_free(Arena *arena) {
    if (!arena) return;
    for (Chunk *chunk = arena->first, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk->bytes);
        free(chunk);
    }
    free(arena);
}

void *arena_alloc(Arena *arena, size_t count, size_t size) {
    size_t bytes;
    bool fits = !__builtin_mul_overflow(count, size, &bytes) && bytes <= MOST;
    if (!fits && !arena->counting) error_fatal("no memory for %zu items of %zu bytes", count, size);
    bytes = fits ? round_up(bytes) : MOST;
    if (arena->counting) {
        arena->used = arena->used + bytes < MOST ? arena->used + bytes : MOST;
        if (arena->used > arena->peak) arena->peak = arena->used;
        return NULL;
    }
    Chunk *chunk = arena->current;
    while (arena->used + bytes > chunk->start + chunk->size) {
        Chunk *next = chunk->next;
        if (arena->inside)
            BUG("%zu bytes and %zu are more than the %zu set aside", arena->used, bytes, chunk->size);
        /* a next chunk that is too small is freed, with all chunks after it */
        if (!next || next->size < bytes) {
            for (Chunk *drop = next, *after; drop; drop = after) {
                after = drop->next;
                free(drop->bytes);
                free(drop);
            }
            next = chunk_new(bytes > chunk->size ? bytes : chunk->size, chunk->start + chunk->size);
            chunk->next = next;
        }
        arena->used = next->start;
        arena->current = chunk = next;
    }
    void *memory = chunk->bytes + (arena->used - chunk->start);
    arena->used += bytes;
    if (arena->used > arena->peak) arena->peak = arena->used;
    return memset(memory, 0, bytes);
}

char *arena_copy(Arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    return memcpy(arena_alloc(arena, size, 1), text, size);
}

char *arena_format(Arena *arena, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(arena, (size_t)length + 1, 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void *arena_grow(Arena *arena, void *old, size_t old_count, size_t new_count, size_t size) {
    void *memory = arena_alloc(arena, new_count, size);
    if (old_count) memcpy(memory, old, old_count * size);
    return memory;
}

void *arena_extend(Arena *arena, void *items, size_t count, size_t size) {
    if (count & (count - 1)) return items;
    return arena_grow(arena, items, count, count ? 2 * count : 1, size);
}

ArenaMark arena_mark(const Arena *arena) {
    return arena->used;
}

void arena_release(Arena *arena, ArenaMark mark) {
    if (mark > arena->used) BUG("arena mark %zu is beyond the %zu bytes in use", mark, arena->used);
    arena->used = mark;
    if (arena->counting) return;
    Chunk *chunk = arena->first;
    while (chunk->next && mark > chunk->start + chunk->size) chunk = chunk->next;
    arena->current = chunk;
}

size_t arena_used(const Arena *arena) {
    return arena->used;
}

size_t arena_peak(const Arena *arena) {
    return arena->peak;
}

size_t arena_counted(Arena *arena) {
    size_t bytes = arena->peak;
    arena_free(arena);
    return bytes;
}
