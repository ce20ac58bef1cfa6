#include "base/random.h"

#include <math.h>
#include <string.h>

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static const uint64_t fnv_basis = 0xcbf29ce484222325u;

/* FNV-1a: the hash of what was hashed before and these bytes. */
static uint64_t fnv(uint64_t hash, const void *bytes, size_t size) {
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

uint64_t random_hash(const void *bytes, size_t size) {
    return mix(fnv(fnv_basis, bytes, size));
}

/* Includes the zero at the end of the name, so that ("ab","c") differs from ("a","bc"). */
static uint64_t name_hash(uint64_t hash, const char *name) {
    return fnv(hash, name, strlen(name) + 1);
}

Random random_stream(uint64_t seed, const char *purpose, const char *detail) {
    uint64_t hash = name_hash(name_hash(fnv_basis, purpose), detail);
    return (Random){.key = mix(mix(seed + 0x9e3779b97f4a7c15u) ^ hash)};
}

Random random_substream(Random stream, uint64_t index) {
    return (Random){.key = mix(mix(stream.key + 0xd1b54a32d192ed03u) ^ mix(index + 0x9e3779b97f4a7c15u))};
}

uint64_t random_at(uint64_t key, uint64_t counter) {
    return mix(key + (counter + 1) * 0x9e3779b97f4a7c15u);
}

uint64_t random_next(Random *rng) {
    return random_at(rng->key, rng->counter++);
}

double random_uniform(Random *rng) {
    return (double)(random_next(rng) >> 11) * 0x1p-53;
}

double random_normal(Random *rng) {
    double u = 1.0 - random_uniform(rng); /* in (0, 1], so the logarithm is finite */
    double v = random_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

uint64_t random_zipf(Random *rng, uint64_t bound) {
    return (uint64_t)pow((double)bound, random_uniform(rng)) - 1;
}

uint64_t random_below(Random *rng, uint64_t bound) {
    /* 2^64 mod bound: smaller draws are rejected, so the result is unbiased */
    uint64_t skip = -bound % bound;
    uint64_t draw;
    do {
        draw = random_next(rng);
    } while (draw < skip);
    return draw % bound;
}
