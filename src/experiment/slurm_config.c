/* allocation: see allocation.h. What each text may hold stands in one table. */
#include "experiment/slurm_config.h"

#include <string.h>

#include "sys/threads.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

enum { MAX_TEXT = 200 };

const Field allocation_fields[] = {
    {"partition", FIELD_TEXT, offsetof(Allocation, partition), .help = "where tasks run"},
    {"account", FIELD_TEXT, offsetof(Allocation, account), .help = "who is charged"},
    {"constraint", FIELD_TEXT, offsetof(Allocation, constraint),
     .help = "features of the nodes; results are bitwise repeatable on one type of CPU"},
    {"time", FIELD_TEXT, offsetof(Allocation, time),
     .help = "of one task, [DAYS-]HOURS:MINUTES:SECONDS or minutes"},
    {"memory", FIELD_TEXT, offsetof(Allocation, memory), .help = "of one task and node, 4G"},
    {"threads", FIELD_INT, offsetof(Allocation, threads), .standard = 1, .low = 1, .high = LANES_MOST,
     .help = "threads of each rank"},
    {"ranks", FIELD_INT, offsetof(Allocation, ranks), .standard = 1, .low = 1, .high = 65536,
     .help = "MPI processes of one run"},
    {"limit", FIELD_INT, offsetof(Allocation, limit), .low = 0, .high = 1e6,
     .help = "tasks at a time; 0: no limit"},
    {"warning", FIELD_INT, offsetof(Allocation, warning), .standard = 60, .low = 1, .high = 65535,
     .help = "seconds before the end of its time that a task is told to save its state"},
};
const int allocation_field_count = COUNT_OF(allocation_fields);

/* A text that begins with a letter or digit and consists of these. */
static const struct {
    size_t offset;
    const char *path, *letters, *wanted;
} texts[] = {
    {offsetof(Allocation, partition), "cluster.partition", LETTERS DIGITS "_.,-", "names of partitions"},
    {offsetof(Allocation, account), "cluster.account", LETTERS DIGITS "_.@+-", "the name of an account"},
    {offsetof(Allocation, constraint), "cluster.constraint", LETTERS DIGITS "_.,:@+-", "names of features"},
    {offsetof(Allocation, time), "cluster.time", DIGITS ":-", "a time as sbatch takes it, 12:00:00"},
    {offsetof(Allocation, memory), "cluster.memory", DIGITS "KMGT", "a size as sbatch takes it, 4G"},
};

bool allocation_read(Allocation *allocation, const Json *json, const char *place, Arena *arena, Err *err) {
    fields_default(allocation, allocation_fields, allocation_field_count);
    if (!fields_read(allocation, allocation_fields, allocation_field_count, json, NULL, place, "cluster",
                     arena, err))
        return false;
    for (int i = 0; i < COUNT_OF(texts); i++) {
        const char *text;
        memcpy(&text, (const char *)allocation + texts[i].offset, sizeof text);
        size_t size = strlen(text);
        bool starts = !size || strchr(LETTERS DIGITS, text[0]);
        if (starts && strspn(text, texts[i].letters) == size && size <= MAX_TEXT) continue;
        return json_refuse(json_get(json, strchr(texts[i].path, '.') + 1), place, texts[i].path,
                           texts[i].wanted, err);
    }
    return true;
}
