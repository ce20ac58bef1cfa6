#include "analysis/pairs.h"

#include <string.h>

#include "store/database.h"

typedef struct Windows {
    double *nats;
    int64_t *tokens;
    int count;
} Windows;

static bool read_windows(Windows *windows, const SeriesSeed *seed, Arena *arena, Error *err) {
    const char *const parameters[] = {arena_format(arena, "%lld", (long long)seed->evaluation), NULL};
    Query *query = query_begin(
        seed->store, "SELECT nll_sum, tokens FROM evaluation_window WHERE evaluation = ? ORDER BY window",
        parameters);
    *windows = (Windows){0};
    while (query_next(query)) {
        windows->nats = arena_extend(arena, windows->nats, (size_t)windows->count, sizeof *windows->nats);
        windows->nats[windows->count] = query_real(query, 0);
        *ARENA_PUSH(arena, windows->tokens, windows->count) = query_int(query, 1);
    }
    return query_end(query, err);
}

static bool same_windows(const Windows *a, const Windows *b) {
    return a->count == b->count &&
           (!a->count || !memcmp(a->tokens, b->tokens, (size_t)a->count * sizeof(int64_t)));
}

static int shared_seeds(int64_t *seeds, const SeriesCell *const *cells, int count, const SeriesCell *base) {
    int shared = 0;
    for (int s = 0; s < base->count; s++) {
        bool all = true;
        for (int m = 0; m < count; m++) all &= series_seed(cells[m], base->seeds[s].seed) != NULL;
        if (all) seeds[shared++] = base->seeds[s].seed;
    }
    return shared;
}

/* Adds sign * the windows' nats to the places of one method and seed. */
static void add_windows(double *nats, const int *unit, const Windows *windows, size_t width, double sign) {
    for (int w = 0; w < windows->count; w++) nats[(size_t)unit[w] * width] += sign * windows->nats[w];
}

bool pairs_compare(StatsDifference *differences, const SeriesCell *const *cells, int count,
                   const SeriesCell *base, int64_t block, int resamples, Arena *arena, Error *err) {
    ArenaMark mark = arena_mark(arena);
    StatsPanel panel = {.methods = count};
    int64_t *seeds = NEW(arena, base->count, int64_t);
    panel.seeds = shared_seeds(seeds, cells, count, base);
    size_t width = (size_t)count * (size_t)panel.seeds;
    double *nats = NULL, *tokens = NULL;
    int *unit = NULL;
    Windows first = {0}; /* all others must be like these */
    bool fine = true;
    for (int s = 0; fine && s < panel.seeds; s++) {
        Windows theirs, ours;
        fine = read_windows(&theirs, series_seed(base, seeds[s]), arena, err);
        if (fine && !unit) {
            first = theirs;
            unit = NEW(arena, first.count, int);
            panel.units =
                stats_units(unit, first.tokens, first.count, block > base->length ? block : base->length);
            panel.nats = nats = NEW(arena, (size_t)panel.units * width, double);
            panel.tokens = tokens = NEW(arena, panel.units, double);
            for (int w = 0; w < first.count; w++) tokens[unit[w]] += (double)first.tokens[w];
        }
        for (int m = 0; fine && m < count; m++) {
            const SeriesSeed *seed = series_seed(cells[m], seeds[s]);
            fine = read_windows(&ours, seed, arena, err);
            if (fine && (!same_windows(&ours, &first) || !same_windows(&theirs, &first)))
                fine = error_set(err, EXIT_DAMAGED,
                                 "database '%s' is damaged: the windows of evaluation %lld differ",
                                 database_path(seed->store), (long long)seed->evaluation);
            if (!fine) break;
            double *index = nats + (size_t)m * (size_t)panel.seeds + (size_t)s;
            add_windows(index, unit, &ours, width, 1);
            add_windows(index, unit, &theirs, width, -1);
        }
    }
    if (fine) stats_compare(differences, &panel, resamples, arena);
    arena_release(arena, mark);
    return fine;
}
