/* reevaluate: `poslab eval`: further evaluations of trained runs, from their checkpoints.
 *
 * The experiment is read from the database, with other lengths, protocols, split, number of targets or
 * variants in its section `evaluate`; options you omit are taken from the experiment. The resulting requests
 * are added to those of the experiment (so that tables show them) and, where results are missing, evaluated.
 * Nothing is trained: runs without weights are left out. A variant must fit all chosen runs.
 */
#ifndef POSLAB_RUN_REEVALUATE_H
#define POSLAB_RUN_REEVALUATE_H

#include "run/sweep.h"

/* NULL: as configured. Lists are separated by commas. */
typedef struct ReevaluateOptions {
    const char *lengths;         /* "2048,4096" */
    const char *multiples;       /* of the training length: "2,4" */
    const char *protocols;       /* "nonoverlapping,strided:0.25,last_n:4096", last_n:TARGETS:STRIDE */
    const char *split;           /* "test" */
    const char *targets;         /* "65536"; "0": all of the split */
    const char *const *variants; /* NULL-terminated: the name of a method, or an item of evaluate.variants or
                                    a list of them, as JSON ({ or [) or in a file (*.json) */
    const char *runs;            /* keys, or beginnings of keys; NULL: all */
    const char *methods;         /* names: runs trained with these; NULL: all */
    const char *experiment;      /* NULL: all in the database */
    SweepOptions sweep;          /* database and evaluate_only are set here */
} ReevaluateOptions;

/* what: a database, or a config (*.json), which stands for its database. Exit code as sweep_run. */
ExitCode reevaluate_run(const char *what, const ReevaluateOptions *options, Error *err);

#endif
