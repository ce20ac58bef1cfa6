/* claims: tests the claims of a paper with the results of an experiment.
 *
 * A claim is an object of results/paper/claims.json: its text, and the bound (`at_least` or `at_most`) that
 * a quantity of a method must keep at multiples of the training length from `from` to `to`. With P(l) the
 * perplexity at length l of a model trained at L, and "other" a method in `against`, the quantities are:
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
 *     exact_gain          tasks: exact match of the method - that of the other, means over all methods named.
 *                         `from` and `to` are multiples of the largest size in training. `where` and
 *                         `against_where` select runs by values of the config, also without `against`
 *
 * A point is one such ratio, with an interval: the range of the seeds, for perplexities on the same windows
 * widened to the bootstrap interval (math/stats.h); with one seed 5 % on both sides; for speeds from the
 * quartiles of the bench. If the method was trained on fewer tokens than the other, the lower end is 0,
 * except for `change`. The bound clearly holds (or fails) at a point if the whole interval is on one side of
 * it. A claim is supported if it holds at every point, contradicted if it fails at half of them or more,
 * untested without points, and otherwise undecided. Speeds are never taken from runs: they depend on the
 * other load of the machine.
 *
 * A gain has a bootstrap interval over seeds and methods. It shows nothing where both answer less than 5 % of
 * the examples or both more than 95 %: there the bound neither holds nor fails.
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
    int64_t length;                 /* evaluated, or trained at */
    double ratio, low, high;        /* geometric mean over seeds, and the interval */
    int seeds;                      /* 0: a bench */
    bool holds, fails;              /* clearly */
    int methods;                    /* of exact_gain, whose ratio is a difference; else 0 */
    bool unseen;                    /* of exact_gain: both answer too few or too many examples */
} ClaimPoint;

typedef struct Claim {
    const char *text, *section, *paper; /* paper: its figures, "" if it gives none */
    const char *method, *against;       /* keys of methods; against: separated by commas, or "" */
    const char *where, *against_where;  /* of exact_gain: values of the configs; of change: conditions */
    int quantity, protocol;             /* indices */
    double from, to, at_least, at_most; /* 0: no such end or bound */
    ClaimVerdict verdict;
    const char *finding; /* a sentence that follows from the numbers */
    ClaimPoint *points;
    int count, seeds; /* points; the most seeds that one has */
} Claim;

typedef struct ClaimList {
    const char *source;
    Claim *items;
    int count, counts[CLAIM_VERDICTS];
} ClaimList;

/* file: NULL for results/paper/claims.json in the current folder, next to the program, or in the
   installation; if there is none, or the experiment is on a task, the list is empty. Returns NULL with err
   set if a file or the database cannot be read, or a file is not a list of claims. */
const ClaimList *claims_judge(const Results *set, const char *file, Arena *arena, Error *err);

#endif
