/* submit: `poslab submit`: submits the missing runs of a plan to Slurm as job arrays.
 *
 * It writes a submission (slurm/squeue.h), whose manifest has one line for each run that is missing and has
 * no task yet, and submits it as job arrays of less than MaxArraySize tasks (read from scontrol). A task is
 * `poslab worker --task LINE MANIFEST`.
 *
 * No path is part of the batch script, where a shell would interpret it: the script contains only checked
 * values (experiment/slurm_config.h), and its arguments are the paths: task.sh PROGRAM MANIFEST FIRST.
 */
#ifndef POSLAB_SLURM_SUBMIT_H
#define POSLAB_SLURM_SUBMIT_H

#include "experiment/plan.h"

typedef struct SubmitOptions {
    bool dry_run; /* only print the batch script, and the sbatch commands and the manifest as comments */
    const char *script;   /* path of a batch script; NULL: the script is made from the section `cluster` */
    const char *database; /* NULL: results/NAME.db */
} SubmitOptions;

/* Prints the submitted jobs to stdout. Returns EXIT_DONE, or another code with err set. */
ExitCode submit_run(const Plan *plan, const SubmitOptions *options, Error *err);

#endif
