#include "model/cache.h"

#include <string.h>

Cache cache_new(const Model *model, int sequences, int capacity, Arena *arena) {
    Cache cache = {.layers = model->shape.layers,
                   .sequences = sequences,
                   .capacity = capacity,
                   .width = model->shape.width};
    cache.rows = NEW(arena, cache_floats(&cache), float);
    return cache;
}

size_t cache_floats(const Cache *cache) {
    return (size_t)cache->layers * (size_t)cache->sequences * (size_t)cache->capacity * (size_t)cache->width;
}

float *cache_rows(const Cache *cache, int layer, int sequence) {
    size_t index = (size_t)layer * (size_t)cache->sequences + (size_t)sequence;
    return cache->rows + index * (size_t)cache->capacity * (size_t)cache->width;
}

int cache_count_after(const Cache *cache, int length) {
    return cache->count + length < cache->capacity ? cache->count + length : cache->capacity;
}

void cache_advance(Cache *cache, int length) {
    cache->count = cache_count_after(cache, length);
}

void cache_trim(Cache *cache, int count) {
    size_t width = (size_t)cache->width;
    int dropped = cache->count - count;
    if (dropped <= 0) return;
    for (int l = 0; l < cache->layers; l++)
        for (int b = 0; b < cache->sequences; b++) {
            float *rows = cache_rows(cache, l, b);
            memmove(rows, rows + (size_t)dropped * width, (size_t)count * width * sizeof *rows);
        }
    cache->count = count;
}
