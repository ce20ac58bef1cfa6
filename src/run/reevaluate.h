/* reevaluate: `poslab eval`: further evaluations of trained runs, from their weights.
 *
 * The experiment is read from the database, with other lengths, protocols, split, number of targets or
 * variants in its section `evaluate`; options you omit are taken from the experiment. The resulting requests
 * are added to those of the experiment (so that tables show them) and, where results are missing, evaluated.
 * Nothing is trained: runs without weights are skipped. A variant must fit all chosen runs.
 */
#ifndef POSLAB_RUN_REEVALUATE_H
#define POSLAB_RUN_REEVALUATE_H

#include "run/sweep.h"

/* Lists are NULL-terminated; NULL, or an empty list: as configured. */
typedef struct ReevaluateOptions {
    OptionNumbers lengths, multiples; /* multiples are of the training length */
    const char *const
        *protocols;      /* "nonoverlapping", "strided:0.25", "last_n:4096", "last_n:TARGETS:STRIDE" */
    const char *split;   /* "test"; NULL: as configured */
    int64_t targets;     /* 0: all of the split; -1: as configured */
    OptionNumbers sizes; /* of a task */
    int64_t examples;    /* of each size; 0: as configured */
    const char *hint;    /* whose rows are evaluated; NULL: as configured */
    const char *const *variants; /* method names, or items of evaluate.variants or lists of them, as JSON
                                    (starting with { or [) or in files (*.json) */
    const char *const *runs;     /* keys or prefixes of keys; NULL: all */
    const char *const *methods;  /* names of methods that the runs were trained with; NULL: all */
    const char *experiment;      /* NULL: all in the database */
    SweepOptions sweep;          /* database and evaluate_only are set here */
} ReevaluateOptions;

/* what: a database, or a config (*.json), which selects the database of its experiment. Exit code as
   sweep_run. */
ExitCode reevaluate_run(const char *what, const ReevaluateOptions *options, Error *err);

#endif
