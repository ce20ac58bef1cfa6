/* cmd_slurm: the commands `submit` and `collect`. Options such as --partition are converted to
 * --set cluster.KEY=VALUE, so that the reader of the config checks them.
 */
#include "cli/arguments.h"

#include "slurm/collect.h"
#include "slurm/submit.h"

/* --- submit --- */

typedef struct SubmitArguments {
    const char *const *sets;
    SubmitOptions submit;
    const char *partition, *account, *time, *memory, *limit; /* NULL: the config's value */
} SubmitArguments;

/* clang-format off */
#define CLUSTER(KEY, ARGUMENT, HELP) \
    {#KEY, OPTION_TEXT, offsetof(SubmitArguments, KEY), .argument = (ARGUMENT), .group = "Resources of a task", .help = (HELP)}
/* clang-format on */

static const OptionField submit_options[] = {
    ARGUMENT_SET(SubmitArguments),
    CLUSTER(partition, "NAME", "partition to run in"),
    CLUSTER(account, "NAME", "account to charge"),
    CLUSTER(time, "TIME", "time limit, HOURS:MINUTES:SECONDS"),
    CLUSTER(memory, "SIZE", "memory, as in 4G"),
    CLUSTER(limit, "N", "number of tasks at a time (0: no limit)"),
    {"script", OPTION_TEXT, offsetof(SubmitArguments, submit.script), .argument = "FILE",
     .group = "Resources of a task", .help = "your batch script, instead of the one that -n prints"},
    ARGUMENT_DB(SubmitArguments, submit.database, ARGUMENT_DB_HELP),
    ARGUMENT_DRY_RUN(SubmitArguments, submit.dry_run),
};

/* All overrides of the config, NULL-terminated. */
static const char *const *all_sets(const SubmitArguments *options, Arena *arena) {
    const struct {
        const char *format, *value;
    } cluster[] = {
        {"cluster.partition=\"%s\"", options->partition},
        {"cluster.account=\"%s\"", options->account},
        {"cluster.time=\"%s\"", options->time},
        {"cluster.memory=\"%s\"", options->memory},
        {"cluster.limit=%s", options->limit},
    };
    int count = 0;
    while (options->sets && options->sets[count]) count++;
    const char **sets = NEW(arena, count + COUNT_OF(cluster) + 1, const char *);
    for (int i = 0; i < count; i++) sets[i] = options->sets[i];
    for (int i = 0; i < COUNT_OF(cluster); i++)
        if (cluster[i].value) sets[count++] = arena_format(arena, cluster[i].format, cluster[i].value);
    return sets;
}

static ExitCode submit(const Arguments *arguments, Error *err) {
    const SubmitArguments *options = arguments->options;
    Arena *arena = arguments->arena;
    const Experiment *experiment = config_read(arguments->words[0], all_sets(options, arena), arena, err);
    const Plan *plan =
        experiment ? plan_make_remote(experiment, (int)experiment->allocation.threads, arena, err) : NULL;
    return plan ? submit_run(plan, &options->submit, err) : err->code;
}

const Command cmd_slurm_submit = {
    .name = "submit",
    .words = "CONFIG",
    .summary = "Submit the missing runs of an experiment as Slurm tasks",
    .text =
        "Resources are set in the section `cluster` of the config, or here. `-n` prints the batch script;\n"
        "edit it and pass it back with `--script`. `poslab collect` imports the results.",
    .example = "poslab submit configs/reproduce.json --partition cpu --time 12:00:00",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(submit_options, SubmitArguments),
    .run = submit,
};

/* --- collect --- */

typedef struct CollectArguments {
    const char *experiment, *database;
} CollectArguments;

static const OptionField collect_options[] = {
    ARGUMENT_EXPERIMENT(CollectArguments, experiment),
    ARGUMENT_DB(CollectArguments, database, ARGUMENT_DB_HELP),
};

static ExitCode collect(const Arguments *arguments, Error *err) {
    CollectArguments from = *(const CollectArguments *)arguments->options;
    bool found =
        config_find_database(arguments->words[0], &from.database, &from.experiment, arguments->arena, err);
    return found ? collect_run(from.database, from.experiment, err) : err->code;
}

const Command cmd_slurm_collect = {
    .name = "collect",
    .words = "DB|CONFIG",
    .summary = "Import the results of submitted runs into the database",
    .text = "You can run it at any time and any number of times, also while tasks run.",
    .example = "poslab collect results/reproduce.db",
    .exits = {{EXIT_SOME_FAILED, "some runs failed or were lost, and no task is waiting or running"},
              {EXIT_STOPPED, "runs are waiting, running or not submitted"},
              {EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(collect_options, CollectArguments),
    .run = collect,
};
