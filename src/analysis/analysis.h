/* analysis: the list of analyses, and the command `poslab analyse DB WHAT`.
 *
 * Each analysis makes one table per experiment (base/table.h). All numbers are computed from stored sums: a
 * perplexity is exp(nats / tokens) of one seed, and a mean over seeds is the mean of their perplexities.
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
    const char *const *rows;  /* compare: the methods to compare in pairs, NULL-terminated; NULL: all */
    const char *const *where; /* "field=value", NULL-terminated; NULL: all results */
    const char *baseline;     /* method, or its label, that others are compared with; NULL: none */
    const char *claims;       /* file; NULL: the standard one */
    bool paper;               /* curves: include those of the table `reference` */
    bool ends;                /* compare: only the training length and the longest length */
    int64_t resamples;        /* number of resamples of the bootstrap */
    int64_t block;            /* smallest number of targets in a unit of the bootstrap */
    const char **paths;       /* keys of the config that are columns of csv and json */
    int path_count;
    bool method_names; /* and a column method_name: names in `method` have more than the method */
} AnalysisOptions;

extern const char *const analysis_names[]; /* NULL-terminated */

/* The table of one experiment; options->experiment, ->best and ->where are not used; analysis_print
   sets ->paths and ->method_names. */
Table *analysis_table(const Results *set, const AnalysisOptions *options, Arena *arena, Error *err);

/* The points of one claim, as in claim-points. */
Table *analysis_points(const Results *set, const Claim *claim, Arena *arena);

/* Errors: an unknown analysis, experiment or baseline (usage); failure to read or write. */
bool analysis_print(Database *store, const AnalysisOptions *options, FILE *out, Arena *arena, Error *err);

#endif
