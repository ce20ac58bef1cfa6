#include "math/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stats_sort(double *numbers, int count) {
    if (count) qsort(numbers, (size_t)count, sizeof *numbers, by_value);
}

double stats_mean(const double *numbers, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += numbers[i];
    return count ? sum / count : NAN;
}

double stats_deviation(const double *numbers, int count) {
    double mean = stats_mean(numbers, count), squares = 0;
    for (int i = 0; i < count; i++) squares += (numbers[i] - mean) * (numbers[i] - mean);
    return count > 1 ? sqrt(squares / (count - 1)) : NAN;
}

double stats_quantile(const double *sorted, int count, double share) {
    if (!count) return NAN;
    double rank = (count - 1) * share;
    int below = (int)floor(rank), above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (rank - below) * (sorted[above] - sorted[below]);
}

double stats_median(const double *numbers, int count, Arena *scratch) {
    ArenaMark mark = arena_mark(scratch);
    double *sorted = NEW(scratch, count, double);
    for (int i = 0; i < count; i++) sorted[i] = numbers[i];
    stats_sort(sorted, count);
    double median = stats_quantile(sorted, count, 0.5);
    arena_release(scratch, mark);
    return median;
}

void stats_wilson(double *low, double *high, int64_t right, int64_t count) {
    static const double z = 1.959963984540054; /* the normal quantile at 0.975 */
    double n = (double)count, share = (double)right / n, shrunk = 1 + z * z / n;
    double centre = (share + z * z / (2 * n)) / shrunk;
    double half = z / shrunk * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    *low = right ? fmax(centre - half, 0) : 0 * centre; /* exactly 0, and NAN without examples */
    *high = right < count ? fmin(centre + half, 1) : 1 + 0 * centre;
}

int stats_units(int *unit, const int64_t *tokens, int windows, int64_t least) {
    int units = 0, first = 0; /* first: of the incomplete unit */
    int64_t covered = 0;
    for (int w = 0; w < windows; w++) {
        unit[w] = units;
        covered += tokens[w];
        if (covered < least) continue;
        units++;
        first = w + 1;
        covered = 0;
    }
    for (int w = first; w < windows && units; w++) unit[w] = units - 1;
    return units ? units : windows > 0;
}

/* d[m * stride] of each method: of one replicate, whose seeds and units `rng` draws; without it, the
   estimate, in which every seed and unit counts once. */
static void estimate(double *d, int stride, const StatsPanel *panel, Random *rng, double *sums, int *drawn) {
    int width = panel->methods * panel->seeds;
    double tokens = 0;
    memset(sums, 0, (size_t)width * sizeof *sums);
    memset(drawn, 0, (size_t)panel->seeds * sizeof *drawn);
    for (int s = 0; s < panel->seeds; s++) drawn[rng ? random_below(rng, (uint64_t)panel->seeds) : (uint64_t)s]++;
    for (int u = 0; u < panel->units; u++) {
        size_t unit = rng ? random_below(rng, (uint64_t)panel->units) : (size_t)u;
        const double *nats = panel->nats + unit * (size_t)width;
        for (int i = 0; i < width; i++) sums[i] += nats[i];
        tokens += panel->tokens[unit];
    }
    for (int m = 0; m < panel->methods; m++) {
        double nats = 0;
        for (int s = 0; s < panel->seeds; s++) nats += drawn[s] * sums[m * panel->seeds + s];
        d[m * stride] = nats / (panel->seeds * tokens);
    }
}

static void summarise(StatsDifference *difference, double *replicates, int resamples) {
    double d = difference->nats, least = fabs(d) - 1e-12 * fabs(d) - 1e-300;
    int beyond = 0;
    for (int r = 0; r < resamples; r++) beyond += fabs(replicates[r] - d) >= least;
    stats_sort(replicates, resamples);
    difference->low = stats_quantile(replicates, resamples, 0.025);
    difference->high = stats_quantile(replicates, resamples, 0.975);
    difference->p = (beyond + 1.0) / (resamples + 1.0);
}

void stats_compare(StatsDifference *differences, const StatsPanel *panel, int resamples, Arena *scratch) {
    bool some = panel->seeds > 0 && panel->units > 0;
    ArenaMark mark = arena_mark(scratch);
    double *sums = NEW(scratch, panel->methods * panel->seeds, double);
    double *observed = NEW(scratch, panel->methods, double);
    int *drawn = NEW(scratch, panel->seeds, int);
    if (some) estimate(observed, 1, panel, NULL, sums, drawn);
    for (int m = 0; m < panel->methods; m++)
        differences[m] = (StatsDifference){.nats = some ? observed[m] : NAN,
                                           .low = NAN,
                                           .high = NAN,
                                           .p = NAN,
                                           .seeds = panel->seeds,
                                           .units = panel->units};
    if (some && panel->seeds > 1) {
        double *replicates = NEW(scratch, (size_t)panel->methods * (size_t)resamples, double);
        Random stream = random_stream(STATS_SEED, "bootstrap", "");
        for (int r = 0; r < resamples; r++) {
            Random rng = random_substream(stream, (uint64_t)r);
            estimate(replicates + r, resamples, panel, &rng, sums, drawn);
        }
        for (int m = 0; m < panel->methods; m++)
            summarise(&differences[m], replicates + (size_t)m * (size_t)resamples, resamples);
    }
    arena_release(scratch, mark);
}

void stats_holm(double *adjusted, const double *p, int count, Arena *scratch) {
    ArenaMark mark = arena_mark(scratch);
    double *sorted = NEW(scratch, count, double), largest = 0;
    int members = 0;
    for (int i = 0; i < count; i++)
        if (!isnan(p[i])) sorted[members++] = p[i];
    stats_sort(sorted, members);
    for (int i = 0; i < count; i++) adjusted[i] = p[i];
    for (int k = 0; k < members; k++) {
        largest = fmin(fmax(largest, sorted[k] * (members - k)), 1);
        for (int i = 0; i < count; i++)
            if (p[i] == sorted[k] && (k == 0 || sorted[k] != sorted[k - 1])) adjusted[i] = largest;
    }
    arena_release(scratch, mark);
}

StatsSpread stats_spread(const double *numbers, int count, Arena *scratch) {
    StatsSpread spread = {.mean = stats_mean(numbers, count),
                          .deviation = stats_deviation(numbers, count),
                          .median = stats_median(numbers, count, scratch),
                          .low = NAN,
                          .high = NAN,
                          .count = count};
    for (int i = 0; i < count; i++) { /* fmin and fmax return the number where the other is NAN */
        spread.low = fmin(spread.low, numbers[i]);
        spread.high = fmax(spread.high, numbers[i]);
    }
    return spread;
}
