/* import: `poslab import`: stores weights that another program has trained as a finished run.
 *
 * The weights are those of fairseq's language models, in safetensors (tests/torch/fairseq_convert.py); one
 * table in import.c maps the names of their tensors. All tensors of the model must be there, and no others.
 * An imported run has no updates (`steps` is 0, its final loss NULL), is never stale and is never trained;
 * its evaluations, variants and runs that continue it are those of any run. Its revision has the file and
 * the hash of the weights.
 */
#ifndef POSLAB_RUN_IMPORT_H
#define POSLAB_RUN_IMPORT_H

#include "experiment/plan.h"
#include "store/runs.h"

typedef struct ImportOptions {
    const char *database; /* NULL: that of the experiment */
    RunsChoice choice;    /* of a point of the plan, by method, seed and training length */
} ImportOptions;

/* Imports the weights at `path` as the run of one point of the plan, and stores the plan as an experiment.
   Fails with EXIT_USAGE if not exactly one point matches, if tensors do not fit, or if the run has other
   results. *key is that of the run. */
bool import_weights(const Plan *plan, const char *path, const ImportOptions *options, const char **key,
                    Arena *arena, Error *err);

#endif
