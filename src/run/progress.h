/* progress: the progress of a sweep, on stderr.
 *
 * On a terminal, one line for each running worker (bar, loss, tokens per second, time left) and one for the
 * sweep are redrawn in place. Otherwise a plain line with a timestamp is printed when a run starts, after
 * about every 10 % of it, and when it ends. NO_COLOR disables colours. A quiet display shows only failures.
 */
#ifndef POSLAB_RUN_PROGRESS_H
#define POSLAB_RUN_PROGRESS_H

#include "base/arena.h"

typedef struct Progress Progress;

typedef struct ProgressRun {
    const char *label;
    double train_work, evaluate_work; /* remaining FLOPs, for shares and the time left */
    int64_t tokens_per_step;
} ProgressRun;

/* A display for `slots` workers at a time and `runs` runs, of which `done` were complete before the sweep and
   the others take `work` FLOPs. Owned by the arena. */
Progress *progress_new(int slots, int runs, int done, double work, bool quiet, Arena *arena);

/* Reports the start of a run in a slot, from 0. */
void progress_begin(Progress *progress, int slot, const ProgressRun *run);

/* Reports that the run resumes its training, of which `step` of `steps` updates were made earlier. */
void progress_resume(Progress *progress, int slot, int64_t step, int64_t steps);

/* Reports an update. exact: the share of a task's examples that is answered; below 0: unknown. */
void progress_step(Progress *progress, int slot, int64_t step, int64_t steps, double loss,
                   double tokens_per_second, double exact);

/* Reports that `share` of evaluation `number`, from 1, of `count` evaluations is done. */
void progress_evaluate(Progress *progress, int slot, int number, int count, double share);

/* Reports that the run failed and will begin again in the same slot, so that its work is counted once. */
void progress_retry(Progress *progress, int slot);

/* Reports the end of a run. outcome: "done", "failed", ...; result: "perplexity 12.3 at 64", or "". */
void progress_end(Progress *progress, int slot, const char *outcome, const char *result, bool done);

/* Prints a permanent line. A quiet display prints it only if it is `important`. */
void progress_message(Progress *progress, bool important, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void progress_draw(Progress *progress);  /* redraws the bars, at most a few times per second */
void progress_close(Progress *progress); /* erases the bars */

#endif
