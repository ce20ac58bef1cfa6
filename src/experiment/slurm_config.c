/* slurm_config: reads the section; a table says which characters each text may contain. */
#include "experiment/slurm_config.h"

#include <string.h>

#include "sys/threads.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS  "0123456789"

enum { MAX_TEXT = 200 };

static const OptionField fields[] = {
    {"partition", OPTION_TEXT, offsetof(SlurmConfig, partition), .help = "partitions in which tasks run"},
    {"account", OPTION_TEXT, offsetof(SlurmConfig, account), .help = "account that is charged"},
    {"constraint", OPTION_TEXT, offsetof(SlurmConfig, constraint),
     .help = "required features of the nodes; results are bitwise repeatable on one type of CPU"},
    {"time", OPTION_TEXT, offsetof(SlurmConfig, time),
     .help = "time limit of a task: [DAYS-]HOURS:MINUTES:SECONDS or minutes"},
    {"memory", OPTION_TEXT, offsetof(SlurmConfig, memory), .help = "memory of a task on a node: 4G"},
    {"threads", OPTION_INT, offsetof(SlurmConfig, threads), .default_value = 1, .low = 1, .high = THREADS_MAX,
     .help = "threads of each rank"},
    {"ranks", OPTION_INT, offsetof(SlurmConfig, ranks), .default_value = 1, .low = 1, .high = 65536,
     .help = "MPI processes of one run"},
    {"limit", OPTION_INT, offsetof(SlurmConfig, limit), .low = 0, .high = 1e6,
     .help = "tasks at a time; 0: no limit"},
    {"warning", OPTION_INT, offsetof(SlurmConfig, warning), .default_value = 60, .low = 1, .high = 65535,
     .help = "seconds before its time limit at which a task is told to save its state"},
};

const OptionSection slurm_config_section = {"cluster", "Resources of a task, for submit", fields,
                                            COUNT_OF(fields), NULL};

/* A text begins with a letter or digit and consists of the characters in `letters`. */
static const struct {
    size_t offset;
    const char *path, *letters, *wanted;
} texts[] = {
    {offsetof(SlurmConfig, partition), "cluster.partition", LETTERS DIGITS "_.,-", "names of partitions"},
    {offsetof(SlurmConfig, account), "cluster.account", LETTERS DIGITS "_.@+-", "the name of an account"},
    {offsetof(SlurmConfig, constraint), "cluster.constraint", LETTERS DIGITS "_.,:@+-", "names of features"},
    {offsetof(SlurmConfig, time), "cluster.time", DIGITS ":-", "a time in the format of sbatch, as 12:00:00"},
    {offsetof(SlurmConfig, memory), "cluster.memory", DIGITS "KMGT", "a size in the format of sbatch, as 4G"},
};

bool slurm_config_read(const OptionReader *reader, SlurmConfig *allocation, const Json *json) {
    options_default(allocation, fields, COUNT_OF(fields));
    if (!options_read(allocation, &slurm_config_section, json, reader->source, reader->arena, reader->err))
        return false;
    for (int i = 0; i < COUNT_OF(texts); i++) {
        const char *text;
        memcpy(&text, (const char *)allocation + texts[i].offset, sizeof text);
        size_t size = strlen(text);
        bool starts = !size || strchr(LETTERS DIGITS, text[0]);
        if (starts && strspn(text, texts[i].letters) == size && size <= MAX_TEXT) continue;
        return options_refuse(reader, json_get(json, strchr(texts[i].path, '.') + 1), texts[i].path,
                              texts[i].wanted);
    }
    return true;
}
