#include "train/train_log.h"

#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "sys/atomic_file.h"

enum { LINE = 256 }; /* at least the size of the longest line */
static const double SECONDS_BETWEEN_WRITES = 0.5;
static const size_t most_bytes = (size_t)1 << 32;

/* --- reading --- */

/* Parses a line of `size` bytes without its newline. */
static bool parse_line(TrainLogLine *line, const char *text, size_t size, Arena *scratch) {
    Error ignored;
    ArenaMark mark = arena_mark(scratch);
    const Json *json = json_parse(text, size, "train.jsonl", scratch, &ignored);
    *line = (TrainLogLine){.log = {.step = (int64_t)json_number(json_get(json, "step"), 0),
                                   .loss = json_number(json_get(json, "loss"), NAN),
                                   .rate = json_number(json_get(json, "rate"), NAN),
                                   .norm = json_number(json_get(json, "norm"), NAN)},
                           .steps = (int64_t)json_number(json_get(json, "steps"), 0),
                           .tokens = (int64_t)json_number(json_get(json, "tokens"), 0),
                           .seconds = json_number(json_get(json, "seconds"), NAN)};
    arena_release(scratch, mark);
    return line->log.step >= 1 && line->log.step <= line->steps;
}

/* Reads the lines of the updates 1, 2, ..., at most `most` of them; *bytes is their size in the file. */
static TrainLogLine *read_lines(const char *path, int64_t most, int *count, size_t *bytes, Arena *arena) {
    Arena *scratch = arena_new(0);
    TrainLogLine *lines = NULL, line;
    const char *text = file_read(path, most_bytes, NULL, scratch), *at = text, *end;
    *count = 0;
    for (; at && *count < most && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        if (!parse_line(&line, at, (size_t)(end - at), scratch) || line.log.step != *count + 1) break;
        *ARENA_PUSH(arena, lines, *count) = line;
    }
    *bytes = at ? (size_t)(at - text) : 0;
    arena_free(scratch);
    return lines;
}

TrainLogLine *train_log_read(const char *path, int *count, Arena *arena) {
    size_t bytes;
    return read_lines(path, INT32_MAX, count, &bytes, arena);
}

bool train_log_last(const char *path, TrainLogLine *line) {
    char text[2 * LINE + 1];
    FILE *in = fopen(path, "re");
    if (!in) return false;
    if (fseek(in, -(long)(sizeof text - 1), SEEK_END) != 0) rewind(in); /* the file is shorter than `text` */
    size_t size = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    while (size && text[size - 1] != '\n') size--;
    if (!size) return false;
    text[--size] = '\0';
    const char *start = strrchr(text, '\n');
    start = start ? start + 1 : text;
    Arena *scratch = arena_new(0);
    bool fine = parse_line(line, start, strlen(start), scratch);
    arena_free(scratch);
    return fine;
}

/* --- writing --- */

void train_log_close(TrainLogFile *file) {
    train_log_flush(file);
    if (file->fd >= 0) close(file->fd);
    file->fd = -1;
}

void train_log_flush(TrainLogFile *file) {
    bool fine = file->fd < 0 || atomic_file_write_all(file->fd, file->lines, file->used);
    file->used = 0;
    file->written = clock_now();
    if (!fine) train_log_close(file);
}

static void add_text(TrainLogFile *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_text(TrainLogFile *file, const char *format, ...) {
    va_list args;
    va_start(args, format);
    file->used += (size_t)vsnprintf(file->lines + file->used, sizeof file->lines - file->used, format, args);
    va_end(args);
}

static void add_number(TrainLogFile *file, const char *name, double number) {
    add_text(file, isfinite(number) ? ",\"%s\":%.9g" : ",\"%s\":null", name, number);
}

void train_log_add(TrainLogFile *file, const TrainLog *log, double seconds) {
    if (file->fd < 0) return;
    add_text(file, "{\"step\":%lld,\"steps\":%lld,\"tokens\":%lld", (long long)log->step,
             (long long)file->steps, (long long)(log->step * file->tokens_per_step));
    add_number(file, "loss", log->loss);
    add_number(file, "rate", log->rate);
    add_number(file, "norm", log->norm);
    if (!isnan(seconds)) add_number(file, "seconds", seconds);
    add_text(file, "}\n");
    bool full = file->used + LINE > sizeof file->lines;
    if (full || clock_now() - file->written >= SECONDS_BETWEEN_WRITES) train_log_flush(file);
}

bool train_log_open(TrainLogFile *file, const char *path, const TrainLog *log, int64_t made, int64_t steps,
                    int64_t tokens_per_step, Error *err) {
    Arena *arena = arena_new(0);
    size_t bytes;
    int kept;
    read_lines(path, made, &kept, &bytes, arena);
    arena_free(arena);
    *file = (TrainLogFile){.steps = steps, .tokens_per_step = tokens_per_step};
    file->fd = file_open(path, O_WRONLY | O_APPEND | O_CLOEXEC, err);
    if (file->fd < 0) return false;
    if (ftruncate(file->fd, (off_t)bytes) != 0) {
        close(file->fd);
        file->fd = -1;
        return error_system(err, "cannot shorten '%s'", path);
    }
    for (int64_t i = kept; i < made; i++) train_log_add(file, &log[i], NAN);
    train_log_flush(file);
    return true;
}
