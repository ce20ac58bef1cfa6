/* train_log: the record of each update, and the file train.jsonl, which shows the progress of a run.
 *
 * train.jsonl is in the run folder and has one line of JSON for each update:
 *     {"step":12,"steps":400,"tokens":6144,"loss":2.345,"rate":0.001,"norm":0.5,"seconds":1.25}
 * steps: updates of the whole run; tokens: tokens so far; rate: learning rate; norm: gradient norm; seconds:
 * of training so far, over all sessions. A number that is not finite is null.
 *
 * Each update has exactly one line: a run that resumes after update N removes the lines after N, and writes
 * missing lines again, without seconds. Lines are collected and written twice a second. The results of a run
 * do not depend on the file, because the database gets its log from memory.
 */
#ifndef POSLAB_TRAIN_TRAIN_LOG_H
#define POSLAB_TRAIN_TRAIN_LOG_H

#include "base/arena.h"

/* The record of one update. Its layout is part of the format of saved states. */
typedef struct TrainLog {
    int64_t step; /* 1-based */
    double loss;  /* mean nll in nats over the update's targets, before the update */
    double rate;  /* learning rate */
    double norm;  /* of the gradient, before clipping */
} TrainLog;

typedef struct TrainLogLine {
    TrainLog log; /* NAN for null */
    int64_t steps, tokens;
    double seconds; /* NAN: unknown */
} TrainLogLine;

typedef struct TrainLogFile {
    int fd; /* -1: closed, nothing is written */
    int64_t steps, tokens_per_step;
    double written; /* time of the last write (clock_now) */
    size_t used;
    char lines[8192]; /* not written yet */
} TrainLogFile;

/* Opens or creates the file, and makes its lines those of the updates log[0 .. made-1]. On failure
   (EXIT_SYSTEM) file->fd is -1. */
bool train_log_open(TrainLogFile *file, const char *path, const TrainLog *log, int64_t made, int64_t steps,
                    int64_t tokens_per_step, Error *err);

/* Adds the line of an update; `seconds` is NAN if unknown. A write error closes the file. */
void train_log_add(TrainLogFile *file, const TrainLog *log, double seconds);

/* Writes the buffered lines. Called before the state is saved, so that the file has all its updates. */
void train_log_flush(TrainLogFile *file);
void train_log_close(TrainLogFile *file);

/* Reads the lines of the file up to the first incomplete or damaged one. Returns NULL, and *count is 0, if
   there are none or the file cannot be read. The lines are owned by the arena. */
TrainLogLine *train_log_read(const char *path, int *count, Arena *arena);

/* Reads the last complete line. Returns false if there is none. */
bool train_log_last(const char *path, TrainLogLine *line);

#endif
