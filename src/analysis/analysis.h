/* analysis: `poslab analyse DB WHAT`: the list of analyses, and the command.
 *
 * Each analysis makes one table per experiment (base/table.h). All numbers are derived from stored sums: a
 * perplexity is exp(nats / tokens) of one seed, a mean over seeds is the mean of their perplexities.
 */
#ifndef POSLAB_ANALYSIS_ANALYSIS_H
#define POSLAB_ANALYSIS_ANALYSIS_H

#include "base/table.h"
#include "store/database.h"
#include "analysis/claims.h"

typedef struct AnalysisOptions {
    const char *what;       /* name of an analysis */
    const char *experiment; /* NULL: all */
    TableFormat format;
    const char *best;         /* paths whose best values are chosen (analysis/results.h); NULL: none */
    const char *const *rows;  /* compare: methods whose pairs are compared, NULL-terminated; NULL: all */
    const char *const *where; /* "field=value", NULL-terminated; NULL: everything */
    const char *baseline;     /* method (or its label) that others are compared with; NULL: none */
    const char *claims;       /* file; NULL: the standard one */
    bool paper;               /* curves: with those of the reference table */
    bool ends;                /* compare: only at the training length and at the longest */
    int64_t resamples;        /* of the bootstrap */
    int64_t block;            /* least number of targets of its units */
    const char **paths;       /* keys of the config, which are columns of csv and json */
    int path_count;
    bool method_names; /* and a column method_name: names in `method` have more than the method */
} AnalysisOptions;

extern const char *const analysis_names[]; /* NULL-terminated */

/* The table of one experiment; options->experiment, ->best and ->where are not used; analysis_print
   sets ->paths and ->method_names. */
Table *analysis_table(const Results *set, const AnalysisOptions *options, Arena *arena, Error *err);

/* The points of one claim, as claim-points lists them. */
Table *analysis_points(const Results *set, const Claim *claim, Arena *arena);

/* Errors: an unknown analysis, experiment or baseline (usage), failure to read or to write. */
bool analysis_print(Database *store, const AnalysisOptions *options, FILE *out, Error *err);

#endif
