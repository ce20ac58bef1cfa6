/* squeue: submissions to Slurm, and the states of their tasks.
 *
 * Every `poslab submit` makes a folder NAME/cluster/NUMBER next to the database: `manifest`
 * (slurm/manifest.h), `task.sh`, `program` (a copy of this program, because a build may replace it while
 * tasks wait), `log/` with the output of the tasks, and `jobs`, a line "JOB FIRST COUNT" for each array: its
 * tasks 1 .. COUNT are the lines FIRST + 1 .. of the manifest. The state of a task is obtained from squeue; a
 * task that squeue no longer lists has either written a result file or is lost.
 */
#ifndef POSLAB_SLURM_SQUEUE_H
#define POSLAB_SLURM_SQUEUE_H

#include "base/json.h"
#include "sys/process.h"

typedef enum SqueueState {
    SQUEUE_PENDING,
    SQUEUE_RUNNING,
    SQUEUE_REQUEUED,  /* pending once more */
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

/* The job number in the output of `sbatch --parsable`, a line "123" or "123;cluster". A site may print other
   lines before and after it; the last such line is used, or else the last "Submitted batch job 123". Owned by
   the arena; NULL if there is no number. */
const char *queue_job_number(const char *output, Arena *arena);

/* Reads all submissions of an experiment and asks squeue for the states of their tasks. If squeue fails, a
   message is printed to stderr and the states are unknown. */
bool squeue_read(Squeue *queue, const char *database, const char *experiment, Arena *arena, Error *err);

const SqueueTask *squeue_find(const Squeue *queue, const char *key); /* NULL: never submitted */

/* Whether the run's task is pending, running or requeued, as far as is known. */
bool squeue_has_task(const Squeue *queue, const char *key);

/* The last message of a task's last attempt in its log: the last line of poslab or Slurm, or else the last
   line that contains a letter (mpirun prints lines without any). Truncated to one line; "" if there is none.
   Owned by the arena. */
const char *squeue_last_message(const SqueueTask *task, Arena *arena);

/* The folder of all submissions of an experiment, and of submission `number` (from 1) in it. Owned by the
   arena. */
const char *squeue_submissions_folder(const char *database, const char *experiment, Arena *arena);
const char *squeue_submission_folder(const char *folder, int number, Arena *arena);
int squeue_last_submission(const char *folder); /* number of the newest; 0: no submissions */

#endif
