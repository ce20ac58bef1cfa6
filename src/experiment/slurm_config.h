/* slurm_config: the section `cluster` of a config: the resources that a task of `poslab submit` requests.
 *
 *     "cluster": { "partition": "cpu", "account": "lab", "time": "12:00:00", "memory": "4G", "threads": 2,
 *                  "ranks": 1, "limit": 50, "constraint": "icelake", "warning": 120 }
 *
 * The section belongs to the experiment and not to its points: it cannot be swept and does not affect the
 * key of a run. Its texts become lines of the batch script, so they contain only characters without a
 * meaning to a shell.
 */
#ifndef POSLAB_EXPERIMENT_SLURM_CONFIG_H
#define POSLAB_EXPERIMENT_SLURM_CONFIG_H

#include "base/options.h"

typedef struct SlurmConfig {
    const char *partition, *account, *constraint; /* "": the default of the cluster */
    const char *time, *memory; /* in the format of sbatch; "": the default of the cluster */
    int64_t threads, ranks;    /* of one run: threads of each rank, number of MPI processes */
    int64_t limit;             /* tasks at a time; 0: no limit */
    int64_t warning;           /* seconds before its time limit at which a task is signalled */
} SlurmConfig;

extern const OptionSection slurm_config_section; /* `cluster` */

/* Reads the object `cluster` (NULL: all defaults). Errors as in options_read, with the path
   "cluster...". */
bool slurm_config_read(const OptionReader *reader, SlurmConfig *allocation, const Json *json);

#endif
