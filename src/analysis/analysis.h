/* analyse: `poslab analyse DB WHAT`: the analyses of the paper, on a database.
 *
 * One table of analyses (analyse.c); each makes one frame per experiment (frame.h). All numbers are derived
 * from stored sums: a perplexity is exp(nats / tokens) of one seed, a mean over seeds is the mean of their
 * perplexities.
 */
#ifndef POSLAB_ANALYSE_H
#define POSLAB_ANALYSE_H

#include "store/database.h"

typedef struct AnalyseOptions {
    const char *what;       /* name of an analysis */
    const char *experiment; /* NULL: all */
    const char *format;     /* NULL: text */
    const char *baseline;   /* method (or its label) that others are compared with; NULL: none */
    const char *claims;     /* file; NULL: the standard one */
    bool paper;             /* curves: with those of the reference table */
    int resamples;          /* of the bootstrap */
    int64_t block;          /* least number of targets of its units */
} AnalyseOptions;

/* Errors: an unknown analysis, format, experiment or baseline (usage), failure to read or to write. */
bool analyse_print(Store *store, const AnalyseOptions *options, FILE *out, Err *err);

#endif
