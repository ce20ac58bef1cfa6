#include "slurm/squeue.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/escape.h"
#include "store/run_folder.h"
#include "slurm/manifest.h"

enum { FIELD = 32, LINE_SIZE = 300 };

const char *const squeue_state_names[] = {"pending", "running", "requeued", "delivered",
                                          "lost",    "unknown", NULL};

/* States of squeue and the corresponding SqueueState. In all other states a task is running or ending. */
static const struct {
    const char *slurm;
    SqueueState state;
} states[] = {
    {"PENDING", SQUEUE_PENDING},      {"REQUEUED", SQUEUE_REQUEUED},     {"REQUEUE_HOLD", SQUEUE_REQUEUED},
    {"REQUEUE_FED", SQUEUE_REQUEUED}, {"SPECIAL_EXIT", SQUEUE_REQUEUED},
};

/* A line of squeue. */
typedef struct Entry {
    char job[FIELD], number[FIELD];
    SqueueState state;
} Entry;

typedef struct Entries {
    Entry *entry;
    int count;
} Entries;

/* --- the scheduler --- */

static SqueueState state_of(const char *slurm, int restarts) {
    for (int i = 0; i < COUNT_OF(states); i++)
        if (strcmp(slurm, states[i].slurm) == 0)
            return states[i].state == SQUEUE_PENDING && restarts > 0 ? SQUEUE_REQUEUED : states[i].state;
    return SQUEUE_RUNNING;
}

/* The number of digits at the beginning of a line of the form DIGITS or DIGITS;NAME; 0 for other lines. */
static int digits_of(const char *line) {
    size_t digits = strspn(line, "0123456789"), rest = digits;
    if (line[rest] == ';') rest += strcspn(line + rest, " \t\r\n");
    rest += strspn(line + rest, " \t\r");
    return digits < FIELD && (line[rest] == '\n' || !line[rest]) ? (int)digits : 0;
}

const char *queue_job_number(const char *output, Arena *arena) {
    static const char said[] = "Submitted batch job ";
    const char *number = NULL, *in_words = NULL;
    for (const char *line = output; *line; line += strcspn(line, "\n"), line += *line != '\0') {
        if (digits_of(line)) number = line;
        if (strncmp(line, said, sizeof said - 1) == 0 && isdigit((unsigned char)line[sizeof said - 1]))
            in_words = line + sizeof said - 1;
    }
    if (!number) number = in_words;
    return number ? arena_format(arena, "%.*s", (int)strspn(number, "0123456789"), number) : NULL;
}

static bool ask_scheduler(Entries *entries, bool *answered, Arena *arena, Error *err) {
    const char *const arguments[] = {"squeue",
                                     "--noheader",
                                     "--array",
                                     arena_format(arena, "--user=%u", (unsigned)geteuid()),
                                     "--Format=ArrayJobID:32,ArrayTaskID:32,State:32,RestartCnt:32",
                                     NULL};
    ProcessResult squeue;
    if (!process_run(&squeue, arguments, arena, err)) return false;
    *answered = squeue.code == 0;
    *entries = (Entries){.entry = NEW(arena, strlen(squeue.output) / 4 + 1, Entry)};
    if (!*answered)
        escape_line(stderr, "poslab: the scheduler does not answer (squeue: %.200s); task states are unknown",
                    squeue.error);
    for (const char *line = squeue.output; *answered && *line;
         line += strcspn(line, "\n"), line += *line != '\0') {
        char slurm[FIELD];
        int restarts = 0;
        Entry *entry = &entries->entry[entries->count];
        if (sscanf(line, "%31[0-9] %31[0-9] %31[A-Z_] %d", entry->job, entry->number, slurm, &restarts) < 3)
            continue; /* a message of the site, or a job that is not an array */
        entry->state = state_of(slurm, restarts);
        entries->count++;
    }
    return true;
}

/* --- the submissions --- */

const char *squeue_submissions_folder(const char *database, const char *experiment, Arena *arena) {
    return arena_format(arena, "%s/%s/cluster", run_folder_parent(database, arena), experiment);
}

const char *squeue_submission_folder(const char *folder, int number, Arena *arena) {
    return arena_format(arena, "%s/%d", folder, number);
}

int squeue_last_submission(const char *folder) {
    DIR *directory = opendir(folder);
    int last = 0;
    for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        int number = atoi(entry->d_name);
        if (number > last) last = number;
    }
    if (directory) closedir(directory);
    return last;
}

typedef struct Array { /* a line of `jobs` */
    char job[FIELD];
    long long first, count;
} Array;

typedef struct SqueueReader {
    Squeue *queue;
    const Entries *entries;
    const char *submission;
    Array *arrays;
    int count;
} SqueueReader;

static bool read_arrays(SqueueReader *reader, Arena *arena, Error *err) {
    const char *path = arena_format(arena, "%s/jobs", reader->submission);
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT || error_system(err, "cannot read '%s'", path); /* no array was submitted */
    for (Array array; fscanf(file, "%31s %lld %lld", array.job, &array.first, &array.count) == 3;)
        *ARENA_PUSH(arena, reader->arrays, reader->count) = array;
    fclose(file);
    return true;
}

static SqueueState find_state(const SqueueReader *reader, const Array *array, long long number,
                              const char *folder) {
    char digits[FIELD];
    snprintf(digits, sizeof digits, "%lld", number);
    for (int i = 0; i < reader->entries->count; i++) {
        const Entry *entry = &reader->entries->entry[i];
        if (strcmp(entry->job, array->job) == 0 && strcmp(entry->number, digits) == 0) return entry->state;
    }
    if (!reader->queue->answered) return SQUEUE_UNKNOWN;
    char result[4096];
    snprintf(result, sizeof result, "%s/result.db", folder);
    return access(result, F_OK) == 0 ? SQUEUE_DELIVERED : SQUEUE_LOST;
}

static SqueueTask *task_of(Squeue *queue, const char *key) {
    const SqueueTask *known = squeue_find(queue, key);
    if (known) return &queue->tasks[known - queue->tasks];
    SqueueTask *task = ARENA_PUSH(queue->arena, queue->tasks, queue->count);
    task->key = arena_copy(queue->arena, key);
    return task;
}

static bool take_line(void *user, int64_t number, const Json *line) {
    SqueueReader *reader = user;
    Squeue *queue = reader->queue;
    for (int i = 0; i < reader->count; i++) {
        const Array *array = &reader->arrays[i];
        if (number <= array->first || number > array->first + array->count) continue;
        SqueueTask *task = task_of(queue, json_text(json_get(line, "key"), ""));
        task->name = arena_format(queue->arena, "%s_%lld", array->job, (long long)number - array->first);
        task->state =
            find_state(reader, array, number - array->first, json_text(json_get(line, "folder"), "."));
        task->log = arena_format(queue->arena, "%s/log/%s.log", reader->submission, task->name);
    }
    return true;
}

bool squeue_read(Squeue *queue, const char *database, const char *experiment, Arena *arena, Error *err) {
    const char *folder = squeue_submissions_folder(database, experiment, arena);
    Entries entries = {0};
    *queue = (Squeue){.arena = arena};
    if (access(folder, F_OK) != 0) return true;
    if (!ask_scheduler(&entries, &queue->answered, arena, err)) return false;
    for (int number = 1, last = squeue_last_submission(folder); number <= last; number++) {
        SqueueReader reader = {.queue = queue,
                               .entries = &entries,
                               .submission = squeue_submission_folder(folder, number, arena)};
        const char *manifest = arena_format(arena, "%s/manifest", reader.submission);
        if (!read_arrays(&reader, arena, err) ||
            (reader.count && !manifest_each(manifest, take_line, &reader, err)))
            return false;
    }
    return true;
}

/* --- tasks --- */

const SqueueTask *squeue_find(const Squeue *queue, const char *key) {
    for (int i = 0; i < queue->count; i++)
        if (strcmp(queue->tasks[i].key, key) == 0) return &queue->tasks[i];
    return NULL;
}

bool squeue_has_task(const Squeue *queue, const char *key) {
    const SqueueTask *task = squeue_find(queue, key);
    return task && task->state <= SQUEUE_REQUEUED;
}

static bool starts(const char *line, const char *with) {
    return strncmp(line, with, strlen(with)) == 0;
}

static int weight_of(const char *line) {
    if (starts(line, "poslab: ") || starts(line, "slurmstepd")) return 2;
    return strpbrk(line, "abcdefghijklmnopqrstuvwxyz") != NULL;
}

const char *squeue_last_message(const SqueueTask *task, Arena *arena) {
    FILE *file = fopen(task->log, "re");
    char line[LINE_SIZE];
    char *last = NEW(arena, LINE_SIZE, char);
    int best = 1;
    if (!file) return last;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (starts(line, "note run ")) best = 1; /* the first line of an attempt */
        if (weight_of(line) < best) continue;
        best = weight_of(line);
        memcpy(last, line, strlen(line) + 1);
    }
    fclose(file);
    return last;
}
