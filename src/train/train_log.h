/* train_log: what is recorded of each update, and `train.jsonl`, from which a run can be watched.
 *
 * train.jsonl is in the run folder. It has one line of JSON for each update:
 *     {"step":12,"steps":400,"tokens":6144,"loss":2.345,"rate":0.001,"norm":0.5,"seconds":1.25}
 * steps: updates of the whole run; tokens: trained on so far; seconds: of training so far, over all sessions.
 * A number that is not finite is null. A run that resumes after update N first removes the lines after N, so
 * that each update has one line. Lines that the file lacks then are written again, without seconds.
 *
 * Lines are collected for up to half a second and written together. The results of a run do not depend on
 * the file: the database gets its log from memory.
 */
#ifndef POSLAB_TRAIN_TRAIN_LOG_H
#define POSLAB_TRAIN_TRAIN_LOG_H

#include "base/arena.h"

typedef struct TrainLog { /* a row of a saved state's `log`: its layout is part of the format */
    int64_t step;         /* 1-based */
    double loss, rate, norm;
} TrainLog;

typedef struct TrainLogLine {
    TrainLog log; /* NAN: null */
    int64_t steps, tokens;
    double seconds; /* NAN: unknown */
} TrainLogLine;

typedef struct TrainLogFile {
    int fd; /* -1: not open; nothing is written */
    int64_t steps, tokens_per_step;
    double written; /* time of the last write (clock_now) */
    size_t used;
    char lines[8192]; /* not written yet */
} TrainLogFile;

/* Opens or creates the file, which then has the lines of the updates log[0 .. made-1]. On failure
   (EXIT_SYSTEM) file->fd is -1. */
bool train_log_open(TrainLogFile *file, const char *path, const TrainLog *log, int64_t made, int64_t steps,
                    int64_t tokens_per_step, Error *err);

/* Adds a line. After an error of writing the file is closed. */
void train_log_add(TrainLogFile *file, const TrainLog *log, double seconds);

/* Writes the collected lines. Called before the state is saved: the file then has all updates of a state. */
void train_log_flush(TrainLogFile *file);
void train_log_close(TrainLogFile *file);

/* The lines of a file, up to one that is incomplete or damaged; NULL and *count 0 without any. */
TrainLogLine *train_log_read(const char *path, int *count, Arena *arena);

/* The last complete line. Returns false if there is none. */
bool train_log_last(const char *path, TrainLogLine *line);

#endif
