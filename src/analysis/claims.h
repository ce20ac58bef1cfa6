/* claims: claims of a paper, tested by an experiment.
 *
 * The claims are data (results/paper/claims.json): one object each with its text and section, the paper's
 * figures in words, and what would show it here: a quantity of a method, possibly against other methods, at
 * multiples of the training length from `from` to `to`, which must be `at_least` or `at_most` a bound.
 * Quantities, with P(l) the perplexity of a model trained at L and evaluated at length l:
 *
 *     growth              P(l) / P(L)
 *     growth_against      that of the method over that of the other
 *     versus              P(l) of the method over that of the other, trained at the same L
 *     short_against_long  P(l) of the method over that of the other trained at l
 *     train_speed         tokens per second in training, of the method over the other, at each length of a
 *                         bench (store/bench_results.h) of the experiment's model; never of runs, whose
 *                         speeds depend on the other load of the machine
 *     train_memory        peak bytes in training, of the runs at the same L
 *     short_long_speed    tokens per second in training, of the method over the other at a greater L, of a
 *                         bench
 *     short_long_memory   peak bytes in training, of the runs
 *     exact_gain          of tasks: exact match less that of the other, both as means over all methods named;
 *                         `from` and `to` are multiples of the largest size in training. Instead of `against`
 *                         or in addition, `where` and `against_where` choose the runs by values of the config
 *
 * A gain has a bootstrap interval over seeds and methods. It shows nothing where both answer less than 5 % of
 * the examples or both more than 95 %: there the bound neither holds nor fails.
 *
 * A point of a claim is one such number: one length, training length and other method. Its interval is the
 * range of the seeds; for perplexities on the same windows the wider of that and the bootstrap interval
 * (math/stats.h); with one seed 5 % on both sides, which no test supports. A perplexity reached with fewer
 * training tokens than the other's has 0 as the lower end, because with as many tokens it might have been
 * lower. Intervals of speeds follow from the quartiles of a bench, those of memory from the range of the
 * seeds. The bound clearly holds or fails at a point where the whole interval is on one side of it. A claim
 * is supported if the bound clearly holds at every point, contradicted if it clearly fails at half of them
 * or more, otherwise undecided; it is untested if there is no point.
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
    const char *where, *against_where;  /* of exact_gain: values of the configs */
    const char *quantity_name;
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
const ClaimList *claims_judge(Database *store, const Results *set, const char *file, Arena *arena,
                              Error *err);

#endif
