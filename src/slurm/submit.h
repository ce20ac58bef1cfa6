/* submit: `poslab submit`: submits the missing runs of a plan to Slurm as job arrays.
 *
 * It writes a submission (slurm/squeue.h): a manifest with one line per run that is missing and that the
 * scheduler does not have yet, and the batch script. It submits them as job arrays of less than MaxArraySize
 * tasks (read from scontrol). A task is `poslab worker --task LINE MANIFEST`. No name passes through a shell:
 * the script contains only checked values (experiment/slurm_config.h), and paths are its arguments: task.sh
 * PROGRAM MANIFEST FIRST.
 */
#ifndef POSLAB_SLURM_SUBMIT_H
#define POSLAB_SLURM_SUBMIT_H

#include "experiment/plan.h"

typedef struct SubmitOptions {
    bool dry_run;         /* only print the script, with the actions as comments */
    const char *script;   /* the user's batch script; NULL: one is made from the section `cluster` */
    const char *database; /* NULL: results/NAME.db */
} SubmitOptions;

/* Exit code: EXIT_DONE; others with err set. Prints the submitted jobs to stdout. */
ExitCode submit_run(const Plan *plan, const SubmitOptions *options, Error *err);

#endif
