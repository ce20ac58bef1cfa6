/* claims: tests the claims of a paper with the results of an experiment.
 *
 * A claim is an object in results/paper/claims.json: its text, a quantity of a method, and the bound
 * (`at_least` or `at_most`) that the quantity must satisfy at multiples of the training length from `from` to
 * `to`. With P(l) the perplexity at length l of a model trained at L, and "other" a method in `against`, the
 * quantities are:
 *
 *     growth              P(l) / P(L)
 *     growth_against      growth of the method / growth of the other
 *     versus              P(l) of the method / P(l) of the other, both trained at L
 *     short_against_long  P(l) of the method / P(l) of the other trained at l
 *     change              P of the method's runs that `where` selects / P of the runs of `against` that
 *                         `against_where` selects, whatever their lengths and tokens, where both predict
 *                         equally many targets at once. Conditions are as those of --where, protocol=cached
 *                         or train.cache=64, and all must hold
 *     train_speed         training tokens per second of the method / of the other, from a bench
 *     train_memory        peak bytes in training of the method / of the other, from runs trained at L
 *     short_long_speed    train_speed, with the other trained at a longer length
 *     short_long_memory   train_memory, with the other trained at a longer length
 *     exact_gain          tasks: exact match of the method - that of the other, means over all named methods.
 *                         `from` and `to` are multiples of the largest size in training. `where` and
 *                         `against_where` select runs by values of the config, also without `against`
 *
 * A point is one such ratio with an interval. The bound holds (or fails) at a point if the whole interval is
 * on one side of it. A claim is supported if the bound holds at every point, contradicted if it fails at half
 * of them or more, untested if there are no points, and otherwise undecided. The intervals:
 *
 * - several seeds: the range of the seeds; for perplexities on the same windows, widened to the bootstrap
 *   interval (math/stats.h);
 * - one seed: 5 % on both sides;
 * - speeds: the quartiles of the bench; speeds of runs depend on other load and are not used;
 * - fewer tokens: the lower end is 0 if the method was trained on fewer tokens than the other, except for
 *   `change`;
 * - exact_gain: the bootstrap over seeds and methods; the bound neither holds nor fails where both sides
 *   answer less than 5 % of the examples, or both more than 95 %.
 */
#ifndef POSLAB_ANALYSIS_CLAIMS_H
#define POSLAB_ANALYSIS_CLAIMS_H

#include "analysis/results.h"

typedef enum ClaimVerdict {
    CLAIM_SUPPORTED,
    CLAIM_CONTRADICTED,
    CLAIM_UNDECIDED,
    CLAIM_UNTESTED,
    CLAIM_VERDICTS
} ClaimVerdict;

extern const char *const claims_verdict_names[]; /* "supported", ... */

typedef struct ClaimPoint {
    const Series *series, *against; /* against: NULL for growth */
    int64_t length;                 /* evaluation or training length */
    double ratio, low, high;        /* geometric mean over seeds, and the interval */
    int seeds;                      /* 0: from a bench */
    bool holds, fails;              /* the whole interval is on one side of the bound */
    int methods;                    /* of exact_gain, where `ratio` is a difference; otherwise 0 */
    bool unseen;                    /* of exact_gain: both sides answer too few or too many examples */
} ClaimPoint;

typedef struct Claim {
    const char *text, *section, *paper; /* paper: its numbers; "" if it gives none */
    const char *method, *against;       /* keys of methods; against: separated by commas, or "" */
    const char *where, *against_where;  /* of exact_gain: values of the configs; of change: conditions */
    int quantity, protocol;             /* indices */
    double from, to, at_least, at_most; /* 0: none */
    ClaimVerdict verdict;
    const char *finding; /* a sentence generated from the numbers */
    ClaimPoint *points;
    int count, seeds; /* number of points; largest number of seeds of a point */
} Claim;

typedef struct ClaimList {
    const char *source;
    Claim *items;
    int count, counts[CLAIM_VERDICTS];
} ClaimList;

/* file: NULL for results/paper/claims.json in the current folder, next to the program, or in the
   installation; if it does not exist, or the experiment is on a task, the list is empty. Returns NULL with
   err set if the file or the database cannot be read, or the file is not a list of claims. */
const ClaimList *claims_judge(const Results *set, const char *file, Arena *arena, Error *err);

#endif
