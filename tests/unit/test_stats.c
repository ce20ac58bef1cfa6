/* test_stats: statistics against a second, plain implementation of the algorithm in math/stats.h.
 *
 * It has its own generator, draws and sorting. Also tests known examples, and the coverage of intervals on
 * synthetic data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fixture.h"
#include "near.h"

#include "base/random.h"
#include "math/stats.h"

#include <math.h>
#include <string.h>

/* --- a second implementation --- */

static uint64_t scramble(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

/* The key of replicate r's stream: stream of seed 1, "bootstrap", "", then its substream r. */
static uint64_t key_of_replicate(uint64_t r) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    static const char name[] = "bootstrap\0"; /* two texts with their zero bytes */
    for (size_t i = 0; i < sizeof name; i++) hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    uint64_t stream = scramble(scramble(1 + golden) ^ hash);
    return scramble(scramble(stream + UINT64_C(0xd1b54a32d192ed03)) ^ scramble(r + golden));
}

/* The next number below n; draws that would make the distribution uneven are skipped. */
static int draw(uint64_t key, uint64_t *place, uint64_t n) {
    for (;;) {
        uint64_t number = scramble(key + ++*place * golden);
        if (number >= (UINT64_MAX % n + 1) % n) return (int)(number % n);
    }
}

enum { SEEDS = 3, UNITS = 7, METHODS = 2, RESAMPLES = 333 };

typedef struct Data {
    double x[METHODS][SEEDS][UNITS], n[UNITS];
} Data;

static double mean_of(const Data *data, int method, const int *seeds, const int *units) {
    double nats = 0, tokens = 0;
    for (int u = 0; u < UNITS; u++) {
        for (int s = 0; s < SEEDS; s++) nats += data->x[method][seeds[s]][units[u]];
        tokens += SEEDS * data->n[units[u]];
    }
    return nats / tokens;
}

static StatsDifference second_opinion(const Data *data, int method) {
    const int all[] = {0, 1, 2, 3, 4, 5, 6};
    double d = mean_of(data, method, all, all), sorted[RESAMPLES] = {0};
    int beyond = 0;
    for (int r = 0; r < RESAMPLES; r++) {
        uint64_t key = key_of_replicate((uint64_t)r), place = 0;
        int seeds[SEEDS], units[UNITS], k = r;
        for (int s = 0; s < SEEDS; s++) seeds[s] = draw(key, &place, SEEDS);
        for (int u = 0; u < UNITS; u++) units[u] = draw(key, &place, UNITS);
        double star = mean_of(data, method, seeds, units);
        beyond += fabs(star - d) >= fabs(d);
        for (; k > 0 && sorted[k - 1] > star; k--) sorted[k] = sorted[k - 1];
        sorted[k] = star;
    }
    double low = 0.025 * (RESAMPLES - 1), high = 0.975 * (RESAMPLES - 1);
    int a = (int)low, b = (int)high;
    return (StatsDifference){.nats = d,
                             .low = (1 - (low - a)) * sorted[a] + (low - a) * sorted[a + 1],
                             .high = (1 - (high - b)) * sorted[b] + (high - b) * sorted[b + 1],
                             .p = (1.0 + beyond) / (1.0 + RESAMPLES)};
}

static void recomputed(void **state) {
    (void)state;
    Data data;
    double nats[UNITS * METHODS * SEEDS];
    Random rng = random_stream(7, "test", "");
    for (int u = 0; u < UNITS; u++) {
        data.n[u] = 10 + u;
        for (int m = 0; m < METHODS; m++)
            for (int s = 0; s < SEEDS; s++) {
                data.x[m][s][u] = data.n[u] * (0.1 * m + 0.05 * s + 0.3 * random_normal(&rng));
                nats[(u * METHODS + m) * SEEDS + s] = data.x[m][s][u];
            }
    }
    const StatsPanel panel = {
        .seeds = SEEDS, .units = UNITS, .methods = METHODS, .tokens = data.n, .nats = nats};
    StatsDifference found[METHODS];
    stats_compare(found, &panel, RESAMPLES, arena);
    for (int m = 0; m < METHODS; m++) {
        StatsDifference wanted = second_opinion(&data, m);
        near_relative(found[m].nats, wanted.nats, 1e-11);
        near_relative(found[m].low, wanted.low, 1e-11);
        near_relative(found[m].high, wanted.high, 1e-11);
        near_relative(found[m].p, wanted.p, 1e-11);
        assert_true(found[m].low < found[m].nats && found[m].nats < found[m].high);
        assert_true(found[m].p > 1.5 / RESAMPLES && found[m].p < 1);
    }
}

/* --- edges --- */

static void one_seed_or_none(void **state) {
    (void)state;
    const double nats[] = {1, 2, 3}, tokens[] = {10, 10, 20};
    StatsPanel panel = {.seeds = 1, .units = 3, .methods = 1, .nats = nats, .tokens = tokens};
    StatsDifference found;
    stats_compare(&found, &panel, 100, arena);
    near_relative(found.nats, 6.0 / 40, 1e-11);
    assert_true(isnan(found.low) && isnan(found.high) && isnan(found.p));
    assert_int_equal(found.seeds, 1);
    assert_int_equal(found.units, 3);
    panel.seeds = 0;
    stats_compare(&found, &panel, 100, arena);
    assert_true(isnan(found.nats) && isnan(found.p));
}

/* McNemar's exact p-value of a table in which the one method alone is right b times, the other alone c times:
   two-sided binomial with n = b + c. Its mid-p version counts half of the table's own probability. */
static double mcnemar(int b, int c, bool mid) {
    int n = b + c, fewer = b < c ? b : c;
    double term = exp2(-n), sum = term; /* of the binomial distribution at k = 0 */
    for (int k = 1; k <= fewer; k++) sum += term *= (double)(n - k + 1) / k;
    return fmin(2 * sum - (mid ? term : 0), 1);
}

/* Where both apply, to examples that are right or wrong and seeds that do not differ, the p-value of the
   bootstrap is between the mid-p and the exact value of McNemar's test, up to the error of its 10000
   resamples. */
static void agrees_with_mcnemar(void **state) {
    (void)state;
    enum { EXAMPLES = 1000, TWO = 2, DRAWS = STATS_RESAMPLES };
    static const struct {
        int b, c;
        double exact; /* from tables of the binomial distribution */
    } tables[] = {{5, 0, 0.0625}, {12, 4, 0.0768},  {20, 10, 0.0987}, {30, 12, 0.0079},
                  {8, 8, 1},      {60, 52, 0.5085}, {4, 12, 0.0768},  {60, 30, 0.0021}};
    for (int i = 0; i < COUNT_OF(tables); i++) {
        int b = tables[i].b, c = tables[i].c;
        double *difference = NEW(arena, TWO * EXAMPLES, double), *one = NEW(arena, EXAMPLES, double);
        for (int u = 0; u < EXAMPLES; u++) {
            one[u] = 1;
            for (int s = 0; s < TWO; s++) difference[TWO * u + s] = u < b ? 1 : u < b + c ? -1 : 0;
        }
        const StatsPanel panel = {
            .seeds = TWO, .units = EXAMPLES, .methods = 1, .tokens = one, .nats = difference};
        StatsDifference found;
        stats_compare(&found, &panel, DRAWS, arena);
        double exact = mcnemar(b, c, false), error = 3 * sqrt(found.p / DRAWS);
        near(exact, tables[i].exact, 5e-5);
        near_relative(found.nats, (double)(b - c) / EXAMPLES, 1e-12);
        assert_true(found.p >= mcnemar(b, c, true) - error && found.p <= exact + error);
        bool apart = found.low > 0 || found.high < 0;
        if (exact < 0.05) assert_true(apart);
        if (mcnemar(b, c, true) > 0.05) assert_false(apart);
    }
}

static void equal_methods(void **state) {
    (void)state;
    const double nats[8] = {0}, tokens[] = {5, 6, 7, 8};
    const StatsPanel panel = {.seeds = 2, .units = 4, .methods = 1, .nats = nats, .tokens = tokens};
    StatsDifference found;
    stats_compare(&found, &panel, 100, arena);
    assert_true(found.nats == 0 && found.low == 0 && found.high == 0 && found.p == 1);
}

static void units_of_windows(void **state) {
    (void)state;
    static const struct {
        int64_t least, tokens[6];
        int windows, units, unit[6];
    } cases[] = {
        {1, {8, 8, 8, 3}, 4, 4, {0, 1, 2, 3}},
        {8, {8, 8, 8, 3}, 4, 3, {0, 1, 2, 2}}, /* the remainder joins the last unit */
        {16, {8, 8, 8, 8, 8, 1}, 6, 2, {0, 0, 1, 1, 1, 1}},
        {10, {4, 4, 4, 4, 4, 4}, 6, 2, {0, 0, 0, 1, 1, 1}},
        {100, {8, 8}, 2, 1, {0, 0}}, /* too few targets for one unit: one unit */
        {5, {0}, 0, 0, {0}},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        int unit[6] = {0};
        assert_int_equal(stats_units(unit, cases[i].tokens, cases[i].windows, cases[i].least),
                         cases[i].units);
        assert_memory_equal(unit, cases[i].unit, (size_t)cases[i].windows * sizeof *unit);
    }
}

static void quantiles(void **state) {
    (void)state; /* R: quantile(c(1, 2, 4, 8, 16), c(0, .025, .1, .5, .9, 1)) */
    const double sorted[] = {1, 2, 4, 8, 16}, shares[] = {0, 0.025, 0.1, 0.5, 0.9, 1};
    const double wanted[] = {1, 1.1, 1.4, 4, 12.8, 16};
    for (int i = 0; i < COUNT_OF(wanted); i++)
        near_relative(stats_quantile(sorted, 5, shares[i]), wanted[i], 1e-11);
    near_relative(stats_quantile(sorted, 1, 0.3), 1, 1e-11);
    assert_true(isnan(stats_quantile(sorted, 0, 0.5)));
}

/* The ends p of Wilson's interval solve (share - p)^2 = z^2 p (1 - p) / n. */
static void wilson(void **state) {
    (void)state;
    const double z = 1.959963984540054;
    double low, high;
    for (int64_t n = 1; n <= 1000; n = 3 * n + 1)
        for (int64_t right = 0; right <= n; right += 1 + n / 7) {
            double share = (double)right / (double)n, count = (double)n;
            stats_wilson(&low, &high, right, n);
            assert_true(low <= share && share <= high && low >= 0 && high <= 1);
            const double ends[] = {low, high};
            for (int i = 0; i < COUNT_OF(ends); i++) {
                double p = ends[i];
                assert_true(fabs((share - p) * (share - p) - z * z * p * (1 - p) / count) < 1e-12);
            }
        }
    stats_wilson(&low, &high, 0, 1000);
    assert_true(low == 0);
    stats_wilson(&low, &high, 1000, 1000);
    assert_true(high == 1);
    stats_wilson(&low, &high, 0, 0);
    assert_true(isnan(low) && isnan(high));
}

static void medians(void **state) {
    (void)state;
    const double numbers[] = {9, 1, 4, 2};
    assert_true(stats_median(numbers, 3, arena) == 4);
    assert_true(stats_median(numbers, 4, arena) == 3);
    assert_true(numbers[0] == 9);
    assert_true(isnan(stats_median(numbers, 0, arena)));
}

static void means(void **state) {
    (void)state;
    const double numbers[] = {2, 4, 4, 4, 5, 5, 7, 9};
    near_relative(stats_mean(numbers, 8), 5, 1e-11);
    StatsSpread spread = stats_spread(numbers, 8, arena), none = stats_spread(numbers, 0, arena);
    assert_true(spread.low == 2 && spread.high == 9 && spread.median == 4.5 && spread.count == 8);
    assert_true(isnan(none.low) && isnan(none.high) && isnan(none.median));
    near_relative(stats_deviation(numbers, 8), sqrt(32.0 / 7), 1e-11);
    assert_true(isnan(stats_mean(numbers, 0)) && isnan(stats_deviation(numbers, 1)));
}

static void holm(void **state) {
    (void)state; /* R: p.adjust(c(.01, .04, .03, .005, .04), "holm") */
    const double p[] = {0.01, 0.04, NAN, 0.03, 0.005, 0.04}, wanted[] = {0.04, 0.09, NAN, 0.09, 0.025, 0.09};
    double adjusted[6];
    stats_holm(adjusted, p, 6, arena);
    for (int i = 0; i < 6; i++)
        if (i == 2)
            assert_true(isnan(adjusted[i]));
        else
            near_relative(adjusted[i], wanted[i], 1e-11);
    const double high[] = {0.6, 0.9, 0.7};
    stats_holm(adjusted, high, 3, arena);
    for (int i = 0; i < 3; i++) assert_true(adjusted[i] == 1);
    stats_holm(adjusted, high, 0, arena);
}

/* --- coverage --- */

typedef struct Coverage {
    double covered, rejected; /* shares of trials in which the interval contains the truth, and p < 0.05 */
} Coverage;

/* Differences = truth + effect of the seed + effect of the unit + rest, all normal, in `trials` synthetic
   experiments. */
static Coverage simulate(double truth, int seeds, int units, double seed_sd, double unit_sd, double rest_sd,
                         int trials) {
    Coverage coverage = {0};
    Random rng = random_stream(11, "coverage", "");
    double *nats = NEW(arena, units * seeds, double), *tokens = NEW(arena, units, double), of_seed[32];
    const StatsPanel panel = {.seeds = seeds, .units = units, .methods = 1, .nats = nats, .tokens = tokens};
    for (int t = 0; t < trials; t++) {
        StatsDifference found;
        for (int s = 0; s < seeds; s++) of_seed[s] = seed_sd * random_normal(&rng);
        for (int u = 0; u < units; u++) {
            double of_unit = unit_sd * random_normal(&rng);
            tokens[u] = 100;
            for (int s = 0; s < seeds; s++)
                nats[u * seeds + s] = 100 * (truth + of_seed[s] + of_unit + rest_sd * random_normal(&rng));
        }
        stats_compare(&found, &panel, 300, arena);
        coverage.covered += found.low <= truth && truth <= found.high;
        coverage.rejected += found.p < 0.05;
    }
    coverage.covered /= trials;
    coverage.rejected /= trials;
    return coverage;
}

/* The standard error of a share near 0.95 in 500 trials is 0.01. */
static void coverage_by_simulation(void **state) {
    (void)state;
    Coverage many = simulate(0.05, 12, 40, 0.02, 0.05, 0.05, 500);
    Coverage null = simulate(0, 12, 40, 0.02, 0.05, 0.05, 500);
    Coverage windows = simulate(0.05, 3, 60, 0, 0.05, 0.02, 500); /* seeds hardly differ */
    Coverage three = simulate(0.05, 3, 40, 0.05, 0.005, 0.005, 500);
    print_message(
        "# coverage: 12 seeds %.3f, rejected at null %.3f; 3 seeds, windows alone %.3f; 3 seeds that "
        "differ %.3f\n",
        many.covered, null.rejected, windows.covered, three.covered);
    assert_true(many.covered > 0.89 && many.covered < 0.98);
    assert_true(null.rejected > 0.02 && null.rejected < 0.11);
    assert_true(windows.covered > 0.90 && windows.covered < 0.99);
    assert_true(three.covered > 0.65 && three.covered < 0.80); /* 0.75 according to math/stats.h */
    assert_true(many.rejected > 0.9);                          /* a real difference is found */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_arena, fixture_arena_free)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(recomputed),
        TEST(one_seed_or_none),
        TEST(equal_methods),
        TEST(units_of_windows),
        TEST(quantiles),
        TEST(means),
        TEST(holm),
        TEST(coverage_by_simulation),
        TEST(agrees_with_mcnemar),
        TEST(wilson),
        TEST(medians),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
