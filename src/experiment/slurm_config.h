/* slurm_config: the section `cluster` of a config: the resources that a task of `poslab submit` requests.
 *
 *     "cluster": { "partition": "cpu", "account": "lab", "time": "12:00:00", "memory": "4G", "threads": 2,
 *                  "ranks": 1, "limit": 50, "constraint": "icelake", "warning": 120 }
 *
 * It belongs to the experiment, not to its points: it cannot be swept and does not enter a run's key. Texts
 * may contain only characters without a meaning to a shell, because they become lines of the batch script.
 */
#ifndef POSLAB_EXPERIMENT_SLURM_CONFIG_H
#define POSLAB_EXPERIMENT_SLURM_CONFIG_H

#include "base/options.h"

typedef struct SlurmConfig {
    const char *partition, *account, *constraint; /* "": the cluster's default */
    const char *time, *memory;                    /* as sbatch takes them; "": the cluster's default */
    int64_t threads, ranks;                       /* of one run: threads of each rank, MPI processes */
    int64_t limit;                                /* tasks at a time; 0: as many as the scheduler likes */
    int64_t warning;                              /* seconds before the end of its time that a task is told */
} SlurmConfig;

extern const OptionSection slurm_config_section; /* `cluster` */

/* From the object `cluster` (NULL: all defaults). Errors as options_read, with the path "cluster...". */
bool slurm_config_read(SlurmConfig *allocation, const Json *json, const char *source, Arena *arena,
                       Error *err);

#endif
