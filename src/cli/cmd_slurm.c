#include "cli/cmd_slurm.h"

#include <string.h>

#include "slurm/collect.h"
#include "slurm/submit.h"

/* Flags of `submit` are other words for --set cluster.NAME=VALUE. */
static void set_allocation(Arguments *arguments) {
    static const struct {
        int letter;
        const char *format;
    } flags[] = {
        {'6', "cluster.partition=\"%s\""}, {'7', "cluster.account=\"%s\""}, {'8', "cluster.time=\"%s\""},
        {'9', "cluster.memory=\"%s\""},    {'0', "cluster.limit=%s"},
    };
    int count = 0;
    while (arguments->sets[count]) count++;
    const char **sets = arena_grow(arguments->arena, arguments->sets, (size_t)count,
                                   (size_t)(count + COUNT_OF(flags) + 1), sizeof *sets);
    for (int i = 0; i < COUNT_OF(flags); i++)
        if (arguments_given(arguments, flags[i].letter))
            sets[count++] =
                arena_format(arguments->arena, flags[i].format, arguments->value[flags[i].letter]);
    arguments->sets = sets;
}

ExitCode cmd_slurm_submit(const Arguments *arguments, Error *err) {
    Arguments changed = *arguments;
    set_allocation(&changed);
    const Experiment *experiment = config_read(changed.words[0], changed.sets, changed.arena, err);
    const Plan *plan =
        experiment ? plan_make_remote(experiment, (int)experiment->allocation.threads, changed.arena, err)
                   : NULL;
    SubmitOptions submit = {.dry_run = arguments_given(arguments, 'n'),
                            .script = arguments->value['Q'],
                            .database = arguments->value['D']};
    return plan ? submit_run(plan, &submit, err) : err->code;
}

/* "x.json": the database that `submit` keeps for it. */
ExitCode cmd_slurm_collect(const Arguments *arguments, Error *err) {
    const char *word = arguments->words[0], *given = arguments->value['D'], *dot = strrchr(word, '.');
    if (!dot || strcmp(dot, ".json") != 0) return collect_run(word, arguments->value['E'], err);
    const Experiment *experiment = config_read(word, NULL, arguments->arena, err);
    if (!experiment) return err->code;
    return collect_run(given ? given : arena_format(arguments->arena, "%s.db", experiment->directory),
                       experiment->name, err);
}
