/* squeue: submissions to Slurm, and the states of their tasks.
 *
 * Every `poslab submit` has a folder NAME/cluster/NUMBER next to the database: `manifest`
 * (slurm/manifest.h), `task.sh`, `program` (a copy of this program, because a build may replace it while
 * tasks wait), `log/` with the output of the tasks, and `jobs`, a line "JOB FIRST COUNT" for each array: its
 * tasks 1 .. COUNT are the lines FIRST + 1 .. of the manifest. The state of a task is obtained from squeue;
 * a task that squeue no longer lists has either written a result file or is lost.
 */
#ifndef POSLAB_SLURM_SQUEUE_H
#define POSLAB_SLURM_SQUEUE_H

#include "base/json.h"
#include "sys/process.h"

typedef enum SqueueState {
    SQUEUE_PENDING,
    SQUEUE_RUNNING,
    SQUEUE_REQUEUED,  /* pending once more */
    SQUEUE_DELIVERED, /* gone, and there is a result file to collect */
    SQUEUE_LOST,      /* gone without one */
    SQUEUE_UNKNOWN,   /* there is no squeue here, or it does not answer */
    SQUEUE_STATES
} SqueueState;
extern const char *const squeue_state_names[]; /* "pending", ... */

typedef struct SqueueTask {
    const char *key;  /* of the run */
    const char *name; /* "123_4": job and number in its array */
    SqueueState state;
    const char *log; /* path of its output */
} SqueueTask;

typedef struct Squeue {
    SqueueTask *tasks; /* the newest of each run, in the order of submission */
    int count;
    bool answered; /* by squeue */
    Arena *arena;
} Squeue;

/* The number in what `sbatch --parsable` prints, a line "123" or "123;cluster". A site may print more lines
   before and after it; the last such line counts, else the last "Submitted batch job 123". Owned by the
   arena; NULL if there is none. */
const char *queue_job_number(const char *output, Arena *arena);

/* Reads all submissions of an experiment. What the scheduler does not answer is noted on stderr. */
bool squeue_read(Squeue *queue, const char *database, const char *experiment, Arena *arena, Error *err);

const SqueueTask *squeue_find(const Squeue *queue, const char *key); /* NULL: never submitted */

/* Whether the scheduler has the run's task, as far as is known. */
bool squeue_has_task(const Squeue *queue, const char *key);

/* The last words of a task's last attempt: poslab's or Slurm's, if they said any, otherwise the last line
   with a letter in it (mpirun frames what it says). Cut to a line's length; "" if there are none. */
const char *squeue_last_message(const SqueueTask *task, Arena *arena);

/* The folder of submissions of an experiment, and that of one of them (from 1 on). */
const char *squeue_submissions_folder(const char *database, const char *experiment, Arena *arena);
const char *squeue_submission_folder(const char *folder, int number, Arena *arena);
int squeue_last_submission(const char *folder); /* the number of the newest; 0: there is none */

#endif
