/* reevaluate: `poslab eval`: additional evaluations of trained runs, from their weights.
 *
 * The options replace lengths, protocols, split, number of targets or variants in the section `evaluate` of
 * the stored experiment; omitted options are taken from the experiment. The resulting requests are added to
 * those of the experiment, so tables show them, and missing results are computed. Nothing is trained; runs
 * without weights are skipped. A variant must be valid for all chosen runs.
 */
#ifndef POSLAB_RUN_REEVALUATE_H
#define POSLAB_RUN_REEVALUATE_H

#include "run/sweep.h"

/* The options of `poslab eval`. Lists are NULL-terminated; a list that is NULL or empty, and a text that is
   NULL, are taken from the experiment, except where stated. */
typedef struct ReevaluateOptions {
    OptionNumbers lengths, multiples; /* multiples of the training length */
    const char *const *protocols;     /* "strided:0.25", "last_n:TARGETS:STRIDE", ... */
    const char *split;                /* "test", ... */
    int64_t targets;                  /* 0: all of the split; -1: from the experiment */
    OptionNumbers sizes;              /* of a task's examples */
    int64_t examples;                 /* number of examples of each size; 0: from the experiment */
    const char *hint;                 /* the hint whose rows are evaluated */
    const char *const *variants;      /* method names; or items of evaluate.variants, or lists of items,
                                         as JSON (beginning with { or [) or as files (*.json) */
    const char *const *runs;          /* beginnings of keys; NULL: all runs */
    const char *const *methods;       /* methods with which the runs were trained; NULL: all */
    const char *experiment;           /* NULL: all experiments of the database */
    SweepOptions sweep;               /* reevaluate_run sets database and evaluate_only */
} ReevaluateOptions;

/* `what` is a database, or a config (*.json), which selects the database of its experiment. The exit code is
   that of sweep_run. */
ExitCode reevaluate_run(const char *what, const ReevaluateOptions *options, Error *err);

#endif
