/* stats: confidence intervals and p-values of the difference between two methods.
 *
 * All results can be recomputed from the table `evaluation_window` with the algorithm given here.
 *
 * Input. Two methods, evaluated by the same request on the same corpus, so that their windows hold the same
 * targets. Seeds that both have, in ascending order: s = 0..S-1 (a seed gives both methods the same batches
 * and the same initial weights). Consecutive windows are joined into units, from first to last; a unit is
 * complete as soon as it covers at least max(L, block) targets, with L the evaluation length, and the
 * remainder joins the last unit. u = 0..U-1 are the units, n[u] their targets, x[u,s] = (nats of the method)
 * - (nats of the baseline), summed over the unit. Neighbouring windows of one document are correlated: units
 * of single short windows would make intervals too narrow (at 64 bytes by a factor of 1.5 on perl-doc). block
 * = 1 gives single windows.
 *
 * Estimate. d = sum_u sum_s x[u,s] / (S sum_u n[u]), in nats per token.
 *
 * Bootstrap (Efron and Tibshirani 1993, chapters 8, 13, 16), r = 0..R-1. The generator of replicate r is
 * random_substream(random_stream(1, "bootstrap", ""), r) (base/random.h). It draws S seeds with
 * random_below(S) and then U units with random_below(U), both with replacement and crossed: every drawn unit
 * is taken from every drawn seed, and from both methods. d*[r] is the estimate from this sample, in which a
 * unit or seed counts as often as it was drawn. The draws depend on S, U and r alone, so all methods are
 * compared on the same samples.
 *
 * Interval. The quantiles of d* at 0.025 and 0.975, by linear interpolation between the two order statistics
 * about 1 + (R - 1) q (type 7 of Hyndman and Fan 1996, as in R and NumPy). In nats; perplexity comes last:
 * the ratio of perplexities is exp(d), its interval the exp of the ends, and therefore not symmetric.
 *
 * p-value. Two-sided, for d = 0: (c + 1) / (R + 1), c the number of replicates with |d*[r] - d| >= |d| (less
 * 1e-12 |d| + 1e-300, so that equal numbers are equal despite rounding).
 *
 * Holm (1979). Of m p-values, the k-th smallest (k = 1..m) times (m - k + 1), raised to the largest of those
 * before it, at most 1.
 *
 * Examples of tasks. A unit is an example, x[u,s] is 1, 0 or -1: the method alone, both or neither, or the
 * baseline alone answers it. Without variation between seeds p is between the mid-p and the exact value of
 * McNemar's test.
 *
 * One seed. The variation between seeds is unknown: there is no interval and no p-value, only d. Few seeds. A
 * percentile interval cannot leave the range of the seeds. Where seeds differ much more than windows it
 * covers at most 1 - 2^(1-S): 50 % with two seeds, 75 % with three, 94 % with five.
 */
#ifndef POSLAB_MATH_STATS_H
#define POSLAB_MATH_STATS_H

#include "base/arena.h"

enum { STATS_SEED = 1, STATS_RESAMPLES = 10000, STATS_BLOCK = 1024, STATS_FEW_UNITS = 20 };

/* The input for several methods that share seeds and units with the baseline. */
typedef struct StatsPanel {
    int seeds, units, methods;
    const double *tokens; /* [units] */
    const double *nats;   /* [units, methods, seeds] method minus baseline */
} StatsPanel;

typedef struct StatsDifference {
    double nats;      /* d, per token */
    double low, high; /* NAN with one seed, as is p */
    double p;
    int seeds, units;
} StatsDifference;

/* Fills differences[methods]; all values are NAN without units or seeds. */
void stats_compare(StatsDifference *differences, const StatsPanel *panel, int resamples, Arena *scratch);

/* Joins windows into units of at least `least` targets each: unit[window] becomes the index of its unit.
   Returns the number of units. */
int stats_units(int *unit, const int64_t *tokens, int windows, int64_t least);

/* Holm's adjusted[count] of p[count]; NANs are not counted in the family and remain NAN. */
void stats_holm(double *adjusted, const double *p, int count, Arena *scratch);

/* Wilson's 95 % interval of a share, of which `right` of `count` independent examples were seen; NANs for
   none. */
void stats_wilson(double *low, double *high, int64_t right, int64_t count);

/* Sorts numbers in ascending order. */
void stats_sort(double *numbers, int count);

/* The quantile at `share` of a sorted array, type 7; NAN if it is empty. */
double stats_quantile(const double *sorted, int count, double share);

/* Mean, and standard deviation with divisor n - 1. Both are NAN for no numbers; the deviation also for
   one. */
double stats_mean(const double *numbers, int count);
double stats_deviation(const double *numbers, int count);

/* The median of numbers in any order; NAN for none. */
double stats_median(const double *numbers, int count, Arena *scratch);

typedef struct StatsSpread { /* of `count` numbers; NAN for none, the deviation also for one */
    double mean, deviation, median, low, high;
    int count;
} StatsSpread;

StatsSpread stats_spread(const double *numbers, int count, Arena *scratch);

#endif
