/* squeue: submissions to Slurm, and the states of their tasks.
 *
 * Every `poslab submit` creates a folder NAME/cluster/NUMBER in the folder of the database, with
 *     manifest   slurm/manifest.h
 *     task.sh    the batch script
 *     program    a copy of this program, because a build may replace the program while tasks wait
 *     log/       the output of the tasks
 *     jobs       a line "JOB FIRST COUNT" for each array: its task i is line FIRST + i of the manifest
 *
 * squeue gives the state of a task. A task that squeue does not list has ended: it is delivered if there is a
 * result file, and otherwise lost.
 */
#ifndef POSLAB_SLURM_SQUEUE_H
#define POSLAB_SLURM_SQUEUE_H

#include "base/json.h"
#include "sys/process.h"

typedef enum SqueueState {
    SQUEUE_PENDING,
    SQUEUE_RUNNING,
    SQUEUE_REQUEUED,  /* pending again, after a start */
    SQUEUE_DELIVERED, /* ended, with a result file to collect */
    SQUEUE_LOST,      /* ended without a result file */
    SQUEUE_UNKNOWN,   /* squeue is not installed or failed */
    SQUEUE_STATES
} SqueueState;
extern const char *const squeue_state_names[]; /* "pending", ... */

typedef struct SqueueTask {
    const char *key;  /* of the run */
    const char *name; /* "123_4": job and index in its array */
    SqueueState state;
    const char *log; /* path of its output */
} SqueueTask;

typedef struct Squeue {
    SqueueTask *tasks; /* the newest task of each run, in the order of submission */
    int count;
    bool answered; /* squeue succeeded */
    Arena *arena;
} Squeue;

/* The job number in the output of `sbatch --parsable`: that of the last line of the form "123" or
   "123;cluster", or else of the last line "Submitted batch job 123". A site may print other lines. NULL if
   there is no number. Owned by the arena. */
const char *queue_job_number(const char *output, Arena *arena);

/* Reads all submissions of an experiment, and the states of their tasks from squeue. If squeue fails, prints
   a message to stderr, and the states are unknown. */
bool squeue_read(Squeue *queue, const char *database, const char *experiment, Arena *arena, Error *err);

/* The newest task of a run; NULL if the run was never submitted. */
const SqueueTask *squeue_find(const Squeue *queue, const char *key);

/* Whether the run's task is known to be pending, running or requeued. */
bool squeue_has_task(const Squeue *queue, const char *key);

/* The last message in the log of a task's last attempt: the last line of poslab or Slurm, or else the last
   line that contains a letter (mpirun prints lines without letters). Truncated to one line; "" if there is
   none. Owned by the arena. */
const char *squeue_last_message(const SqueueTask *task, Arena *arena);

/* The folder of all submissions of an experiment, and the folder of submission `number`, from 1, in it. Owned
   by the arena. */
const char *squeue_submissions_folder(const char *database, const char *experiment, Arena *arena);
const char *squeue_submission_folder(const char *folder, int number, Arena *arena);

/* The number of the newest submission; 0 if there is none. */
int squeue_last_submission(const char *folder);

#endif
