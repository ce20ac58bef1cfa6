/* progress: the progress of a sweep, on stderr.
 *
 * On a terminal there is one line for each running worker (bar, loss, tokens per second, time left) and one
 * for the sweep, redrawn in place. Otherwise plain lines with a timestamp are printed when a run starts,
 * about every 10 %, and when it ends. NO_COLOR is respected. A quiet display shows failures only.
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

/* slots: workers at a time; runs: all requested runs; done: runs complete before the start; work: remaining
   FLOPs. */
Progress *progress_new(int slots, int runs, int done, double work, bool quiet, Arena *arena);

void progress_begin(Progress *progress, int slot, const ProgressRun *run);
/* The run continues a training of which `step` of `steps` updates were done before this sweep. */
void progress_resume(Progress *progress, int slot, int64_t step, int64_t steps);
/* exact: the share of examples of a task that is answered; below 0: not known. */
void progress_step(Progress *progress, int slot, int64_t step, int64_t steps, double loss,
                   double tokens_per_second, double exact);
void progress_evaluate(Progress *progress, int slot, int number, int count, double share);

/* The run of the slot failed and begins again there: its remaining work is counted once. */
void progress_retry(Progress *progress, int slot);

/* The end of a run; outcome: "done", "failed", ...; result: "perplexity 12.3 at 64", or "". */
void progress_end(Progress *progress, int slot, const char *outcome, const char *result, bool done);

/* Prints a permanent line; `important` ones are shown also if quiet. */
void progress_message(Progress *progress, bool important, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void progress_draw(Progress *progress);  /* called a few times per second */
void progress_close(Progress *progress); /* erases the bars */

#endif
