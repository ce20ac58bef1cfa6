/* cmd_run: the commands that train and evaluate, `run`, `eval` and `worker`; `plan`, which estimates their
 * cost; and `init`, which writes a config. mpirun may start the first three as several ranks.
 */
#include "cli/arguments.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/escape.h"
#include "base/text.h"
#include "sys/atomic_file.h"
#include "sys/mpi.h"
#include "sys/threads.h"
#include "data/token_report.h"
#include "experiment/config_file.h"
#include "experiment/plan_print.h"
#include "run/reevaluate.h"
#include "slurm/manifest.h"

/* Executes a command on all ranks: rank 0 does the work and calls the other ranks for each run; they compute
   with the same number of threads. */
static ExitCode together(const Arguments *arguments, const JobsOptions *jobs,
                         ExitCode (*work)(const Arguments *, Error *), Error *err) {
    if (mpi_ranks() > 1 && jobs->slots > 1)
        return error_set(err, EXIT_USAGE, "%d MPI ranks do one run at a time; leave out --jobs", mpi_ranks()),
               err->code;
    if (mpi_rank() > 0) return worker_serve((int)jobs->threads);
    return worker_dismiss(work(arguments, err));
}

/* --- run --- */

enum { RETRY_NONE = -1, RETRY_FAILED, RETRY_CHANGED, RETRY_MISSING };
static const char *const retry_names[] = {"failed", "changed", "missing", NULL};

typedef struct RunOptions {
    const char *const *sets;
    int retry;
    SweepOptions sweep; /* without the members that `retry` determines */
} RunOptions;

static const OptionField run_options[] = {
    ARGUMENT_SET(RunOptions),
    {"retry", OPTION_CHOICE, offsetof(RunOptions, retry), .default_value = RETRY_NONE, .choices = retry_names,
     .argument = "WHICH", .group = "Selection",
     .help =
         "only runs that have failed (failed); also retrain runs that were trained with other shared sources "
         "(changed); only missing runs, and keep stale ones (missing)"},
    ARGUMENT_JOBS(RunOptions, sweep.jobs.slots),
    ARGUMENT_THREADS(RunOptions, sweep.jobs.threads),
    {"retries", OPTION_INT, offsetof(RunOptions, sweep.jobs.retries), .high = 1000, .argument = "N",
     .group = "Workers", .help = "number of additional attempts of a run that fails"},
    {"timeout", OPTION_INT, offsetof(RunOptions, sweep.jobs.timeout), .low = 1, .high = 1e9, .letter = 't',
     .argument = "SECONDS", .group = "Workers",
     .help = "kill a worker that reports no progress for SECONDS (default: never)"},
    ARGUMENT_DB(RunOptions, sweep.database, ARGUMENT_DB_HELP),
    ARGUMENT_DRY_RUN(RunOptions, sweep.dry_run),
    ARGUMENT_QUIET(RunOptions, sweep.quiet),
};

static ExitCode run_sweep(const Arguments *arguments, Error *err) {
    const RunOptions *options = arguments->options;
    SweepOptions sweep = options->sweep;
    int threads = (int)sweep.jobs.threads;
    const Experiment *experiment = config_read(arguments->words[0], options->sets, arguments->arena, err);
    const Plan *plan = experiment ? plan_make(experiment, threads, arguments->arena, err) : NULL;
    sweep.only_failed = options->retry == RETRY_FAILED;
    sweep.retrain = options->retry == RETRY_CHANGED   ? RUN_TASK_STALE_AND_CHANGED
                    : options->retry == RETRY_MISSING ? RUN_TASK_NONE
                                                      : RUN_TASK_STALE;
    sweep.command = arguments->typed;
    return plan ? sweep_run(plan, &sweep, err) : err->code;
}

static ExitCode run(const Arguments *arguments, Error *err) {
    const RunOptions *options = arguments->options;
    return together(arguments, &options->sweep.jobs, run_sweep, err);
}

const Command cmd_run_run = {
    .name = "run",
    .words = "CONFIG",
    .summary = "Train and evaluate the missing runs of an experiment",
    .text = "Rerun it to resume. Run folders with the weights are next to the database. A run is stale, and\n"
            "is retrained, if the file of its method was edited after the training, even only a comment.\n"
            "Evaluations by a variant whose method's file was edited are repeated. After an edit of sources\n"
            "that all methods share, runs are kept and reported; `--retry changed` retrains them.\n"
            "With `mpirun -np N poslab run CONFIG`, N processes train each run together.",
    .example = "poslab run configs/quickstart.json -j 2",
    .exits = {{EXIT_SOME_FAILED, NULL}, {EXIT_STOPPED, "stopped; rerun to resume"}, {EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(run_options, RunOptions),
    .ranks = true,
    .run = run,
};

/* --- plan --- */

typedef struct PlanArguments {
    const char *const *sets;
    const char *database;
    int64_t jobs, threads, network;
    OptionNumbers ranks;
    int format;
    bool json;
} PlanArguments;

static const OptionField plan_options[] = {
    ARGUMENT_SET(PlanArguments),
    ARGUMENT_JOBS(PlanArguments, jobs),
    ARGUMENT_THREADS(PlanArguments, threads),
    {"ranks", OPTION_INT, offsetof(PlanArguments, ranks), .low = 1, .high = 1 << 24, .list = OPTION_COMMAS,
     .most = 16, .argument = "N,...", .group = "Workers", .help = "also estimate N MPI processes"},
    {"network", OPTION_INT, offsetof(PlanArguments, network), .default_value = 10, .low = 1, .high = 1000000,
     .argument = "GBIT", .group = "Workers", .help = "speed of the network between the ranks, in Gbit/s"},
    ARGUMENT_DB(PlanArguments, database,
                "database whose stale runs are counted (default results/NAME.db, if it exists)"),
    ARGUMENT_FORMAT(PlanArguments),
};

/* Counts what is stale in the database, if it exists and is not empty. */
static bool count_stale(Plan *outline, const char *database, Arena *arena, Error *err) {
    database = config_database(outline->experiment, database, arena);
    struct stat file;
    if (stat(database, &file) != 0 || !file.st_size) return true;
    Database *store = database_open(database, DATABASE_READ, err);
    if (store) run_task_count_stale(outline, store, arena);
    database_close(store);
    return store != NULL;
}

static ExitCode plan(const Arguments *arguments, Error *err) {
    const PlanArguments *options = arguments->options;
    Arena *arena = arguments->arena;
    const Experiment *experiment = config_read(arguments->words[0], options->sets, arena, err);
    int jobs = (int)options->jobs, threads = (int)options->threads;
    Plan *outline = experiment ? plan_make_outline(experiment, threads, jobs, arena, err) : NULL;
    if (!outline) return err->code;
    int *ranks = NEW(arena, options->ranks.count, int);
    for (int i = 0; i < options->ranks.count; i++) ranks[i] = (int)options->ranks.values[i];
    outline->ranks = ranks;
    outline->rank_count = options->ranks.count;
    outline->gigabits = (double)options->network;
    if (!count_stale(outline, options->database, arena, err)) return err->code;
    return plan_print(outline, ARGUMENT_FORMAT_GIVEN(options), stdout, err) ? EXIT_DONE : err->code;
}

const Command cmd_run_plan = {
    .name = "plan",
    .words = "CONFIG",
    .summary = "Show what would run: points, parameters, FLOPs, memory, estimated time",
    .text = "Time assumes sequential runs. Nothing is trained.",
    .example = "poslab plan configs/quickstart.json --set train.length=64",
    ARGUMENT_OPTIONS(plan_options, PlanArguments),
    .run = plan,
    .paged = true,
};

/* --- tokenize --- */

typedef struct TokenizeArguments {
    const char *const *sets;
    const char *output;
    int64_t lines;
    int format;
    bool json;
} TokenizeArguments;

static const OptionField tokenize_options[] = {
    ARGUMENT_SET(TokenizeArguments),
    {"lines", OPTION_INT, offsetof(TokenizeArguments, lines), .default_value = 3, .low = 0, .high = 1000,
     .argument = "N", .group = "Output", .help = "print the first N lines with borders of tokens"},
    {"output", OPTION_TEXT, offsetof(TokenizeArguments, output), .letter = 'o', .argument = "FILE",
     .group = "Output",
     .help = "also write all tokens, train, valid and test, as a file for the tokenizer uint32"},
    ARGUMENT_FORMAT(TokenizeArguments),
};

static bool write_tokens(const Corpus *corpus, const char *path, Arena *arena, Error *err) {
    AtomicFile file;
    FILE *out = atomic_file_begin(&file, path, arena, err);
    for (CorpusSplit split = 0; out && split < SPLIT_COUNT; split++)
        fwrite(corpus->splits[split].tokens, sizeof(uint32_t), (size_t)corpus->splits[split].count, out);
    return out && atomic_file_end(&file, true, err);
}

static ExitCode tokenize(const Arguments *arguments, Error *err) {
    enum { WIDTH = 60 };
    const TokenizeArguments *options = arguments->options;
    Arena *arena = arguments->arena;
    TableFormat format = ARGUMENT_FORMAT_GIVEN(options);
    const Experiment *experiment = config_read(arguments->words[0], options->sets, arena, err);
    if (!experiment) return err->code;
    const Config *config = &experiment->points[0];
    if (config->data.task)
        return error_set(err, EXIT_USAGE, "%s: 'data.task' has no files; `poslab tasks` shows its examples",
                         config->source),
               err->code;
    const Corpus *corpus =
        corpus_read(&config->data, (int)config->model.vocabulary, config->source, arena, err);
    if (!corpus ||
        (options->output && *options->output && !write_tokens(corpus, options->output, arena, err)))
        return err->code;
    const Table *tables[] = {token_report_splits(corpus, tokenizer_names[config->data.tokenizer], arena),
                             token_report_coverage(corpus, arena)};
    int count = table_for_programs(format) ? 1 : COUNT_OF(tables);
    if (!table_print(tables, count, format, stdout, err)) return err->code;
    const char **lines = token_report_lines(corpus, (int)options->lines, WIDTH, arena);
    if (count > 1 && *lines) fputs("\n", stdout);
    for (; count > 1 && *lines; lines++) escape_line(stdout, "%s", *lines);
    return table_written(stdout, err) ? EXIT_DONE : err->code;
}

const Command cmd_run_tokenize = {
    .name = "tokenize",
    .words = "CONFIG",
    .summary = "Show what the tokenizer makes of the corpus: tokens, bytes, coverage, unknown words",
    .text = "Reads the corpus of the first point of a config, and prints the first lines of the training\n"
            "split with a bar after each token. Tokens of data.tokenizer \"bpe\" are kept in\n"
            "data/tokenized. csv and json have the table of the splits alone.",
    .example = "poslab tokenize configs/quickstart.json",
    ARGUMENT_OPTIONS(tokenize_options, TokenizeArguments),
    .run = tokenize,
    .paged = true,
};

/* --- eval --- */

static const char *const eval_splits[] = {"valid", "test", NULL};

typedef struct EvalOptions {
    ReevaluateOptions what; /* without its split */
    int split;              /* -1: that of the experiment */
} EvalOptions;

static const OptionField eval_options[] = {
    ARGUMENT_EXPERIMENT(EvalOptions, what.experiment),
    {"run", OPTION_TEXT, offsetof(EvalOptions, what.runs), .list = OPTION_COMMAS, .argument = "KEY,...",
     .group = "Selection", .help = "only these runs: keys, or beginnings of keys (default: all)"},
    {"method", OPTION_TEXT, offsetof(EvalOptions, what.methods), .list = OPTION_COMMAS,
     .argument = "METHOD,...", .group = "Selection",
     .help = "only runs trained with these methods (default: all)"},
    {"lengths", OPTION_REAL, offsetof(EvalOptions, what.lengths), .list = OPTION_COMMAS, .argument = "N,...",
     .group = "Evaluations", .help = "evaluation lengths"},
    {"multiples", OPTION_REAL, offsetof(EvalOptions, what.multiples), .list = OPTION_COMMAS,
     .argument = "X,...", .group = "Evaluations",
     .help = "evaluation lengths as multiples of the training length"},
    {"protocol", OPTION_TEXT, offsetof(EvalOptions, what.protocols), .list = OPTION_COMMAS,
     .argument = "PROTOCOL,...", .group = "Evaluations",
     .help = "nonoverlapping, strided:STRIDE, last_n:TARGETS[:STRIDE], cached[:ROWS] or token[:ROWS]"},
    {"sizes", OPTION_INT, offsetof(EvalOptions, what.sizes), .low = 1, .high = 1 << 24, .list = OPTION_COMMAS,
     .argument = "N,...", .group = "Evaluations", .help = "tasks only: sizes of examples"},
    {"examples", OPTION_INT, offsetof(EvalOptions, what.examples), .low = 1, .high = 1e7, .or_zero = true,
     .argument = "N", .group = "Evaluations",
     .help = "tasks only: examples of each size (0: as in the config)"},
    {"hint", OPTION_TEXT, offsetof(EvalOptions, what.hint), .argument = "NAME", .group = "Evaluations",
     .help = "tasks only: evaluate the rows of this hint; none: of the task itself"},
    {"split", OPTION_CHOICE, offsetof(EvalOptions, split), .default_value = -1, .choices = eval_splits,
     .argument = "SPLIT", .group = "Evaluations", .help = "split of the corpus"},
    {"targets", OPTION_INT, offsetof(EvalOptions, what.targets), .default_value = -1, .low = 0, .high = 1e15,
     .argument = "N", .group = "Evaluations",
     .help = "evaluate only the first N targets of the split (0: all)"},
    {"variant", OPTION_TEXT, offsetof(EvalOptions, what.variants), .list = OPTION_ITEMS,
     .argument = "METHOD|FILE|JSON", .group = "Evaluations",
     .help = "change after training: a method, or one item or a list of evaluate.variants, as JSON or in a "
             ".json file; repeatable"},
    ARGUMENT_JOBS(EvalOptions, what.sweep.jobs.slots),
    ARGUMENT_THREADS(EvalOptions, what.sweep.jobs.threads),
    ARGUMENT_DB(EvalOptions, what.sweep.database, ARGUMENT_DB_HELP),
    ARGUMENT_DRY_RUN(EvalOptions, what.sweep.dry_run),
    ARGUMENT_QUIET(EvalOptions, what.sweep.quiet),
};

static ExitCode run_evaluations(const Arguments *arguments, Error *err) {
    const EvalOptions *options = arguments->options;
    ReevaluateOptions what = options->what;
    what.split = options->split < 0 ? NULL : eval_splits[options->split];
    what.sweep.command = arguments->typed;
    return reevaluate_run(arguments->words[0], &what, err);
}

static ExitCode eval(const Arguments *arguments, Error *err) {
    const EvalOptions *options = arguments->options;
    return together(arguments, &options->what.sweep.jobs, run_evaluations, err);
}

const Command cmd_run_eval = {
    .name = "eval",
    .words = "DB|CONFIG",
    .summary = "Add evaluations of trained runs, from their weights",
    .text = "Options you omit are taken from the experiment. The evaluations are added to those that the\n"
            "experiment requests. Nothing is trained. A variant must fit all selected runs, and its name\n"
            "must not be that of another variant of the experiment.",
    .example = "poslab eval results/quickstart.db --lengths 512,1024 --protocol strided:0.25",
    .exits = {{EXIT_SOME_FAILED, NULL}, {EXIT_STOPPED, "stopped; rerun to resume"}, {EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(eval_options, EvalOptions),
    .ranks = true,
    .run = eval,
};

/* --- worker --- */

typedef struct WorkerArguments {
    int64_t threads, task;
} WorkerArguments;

static const OptionField worker_options[] = {
    ARGUMENT_THREADS(WorkerArguments, threads),
    {"task", OPTION_INT, offsetof(WorkerArguments, task), .low = 1, .high = 1e12, .argument = "N",
     .group = "Workers", .help = "the run in line N of a manifest"},
};

static ExitCode work(const Arguments *arguments, Error *err) {
    const WorkerArguments *options = arguments->options;
    const char *path = arguments->words[0];
    int threads = (int)options->threads;
    return options->task ? manifest_run_task(path, options->task, threads, err)
                         : worker_run(path, threads, NULL, err);
}

const Command cmd_run_worker = {
    .name = "worker",
    .words = "FOLDER|MANIFEST",
    .summary = "Do one run; `run` and the tasks of `submit` start this command",
    .text = "FOLDER/config.json and FOLDER/requests.json describe the run, or with `--task` a line of a\n"
            "manifest. Progress goes to stdout, the result to FOLDER/result.db.",
    .example = "poslab worker results/quickstart/0123456789abcdef",
    .exits = {{EXIT_STOPPED, "stopped; the next start resumes from the saved state"},
              {EXIT_DAMAGED, NULL},
              {EXIT_AGAIN, "a task of `submit` was stopped and can be resumed"}},
    ARGUMENT_OPTIONS(worker_options, WorkerArguments),
    .ranks = true,
    .run = work,
};

/* --- init --- */

/* Training length, tokens of an update, time limit of all runs together, largest number of targets. */
enum { INIT_LENGTH = 64, INIT_BATCH = 512, INIT_SECONDS = 180, INIT_TARGETS = 32768 };
static const double init_tokens = 6e5; /* training tokens of a run, if the time limit allows them */

typedef struct InitOptions {
    const char *const *files, *const *methods;
} InitOptions;

static const OptionField init_options[] = {
    {"files", OPTION_TEXT, offsetof(InitOptions, files), .list = OPTION_ITEMS, .argument = "PATTERN",
     .group = "Selection",
     .help = "files of the corpus, required: a path or a pattern in quotes; repeatable"},
    {"methods", OPTION_TEXT, offsetof(InitOptions, methods), .list = OPTION_COMMAS, .argument = "METHOD,...",
     .group = "Selection", .help = "methods to compare (default: some common ones)"},
};

/* The config, with evaluation lengths up to `longest` times the training length. */
static Json *init_config(const InitOptions *options, double tokens, double targets, int longest,
                         Arena *arena) {
    static const char frame[] = "{\"data\":{},\"model\":{\"layers\":4,\"heads\":8,\"width\":128,\"ffn\":512},"
                                "\"train\":{},\"evaluate\":{},\"sweep\":{}}";
    Json *json = json_parse_own(frame, arena);
    Json *train = json_get_mutable(json, "train"), *evaluate = json_get_mutable(json, "evaluate");
    Json *sweep = json_get_mutable(json, "sweep"), *multiples = json_new_array(arena);
    json_set(json_get_mutable(json, "data"), "files", json_new_texts(options->files, arena));
    json_set_number(train, "length", INIT_LENGTH);
    json_set_number(train, "tokens", tokens);
    json_set_number(train, "tokens_per_step", INIT_BATCH);
    json_set_number(evaluate, "tokens", targets);
    for (int i = 1; i <= longest; i *= 2) json_append(multiples, json_new_number(i, arena));
    json_set(evaluate, "multiples", multiples);
    json_set(sweep, "method", json_new_texts(options->methods ? options->methods : encoding_common, arena));
    return json;
}

static Plan *init_plan(const Json *json, const char *path, Arena *arena, Error *err) {
    const char *source = arena_format(arena, "config '%s'", path);
    Json *named = json_copy(json, arena);
    json_set_text(named, "name", config_file_stem(path, arena));
    const Experiment *experiment = config_read_text(json_print(named, arena), source, arena, err);
    return experiment ? plan_make(experiment, 1, arena, err) : NULL;
}

/* Halves the longest evaluation length until the text is long enough for it. On a slow machine it reduces the
   training tokens. */
static ExitCode init(const Arguments *arguments, Error *err) {
    const InitOptions *options = arguments->options;
    const char *path = arguments->words[0];
    Arena *arena = arguments->arena;
    if (!options->files)
        return error_set(err, EXIT_USAGE,
                         "--files is missing; name the files of the corpus, as in --files 'corpus/**/*.txt'"),
               err->code;
    if (access(path, F_OK) == 0)
        return error_set(err, EXIT_USAGE, "'%s' exists; remove it, or choose another name", path), err->code;
    int longest = 32;
    Plan *plan = NULL;
    while (!plan && longest > 1)
        plan = init_plan(init_config(options, init_tokens, 0, longest /= 2, arena), path, arena, err);
    if (!plan) return err->code;
    int64_t rest = plan->points[0].corpus->splits[SPLIT_VALID].count - 1;
    double targets = rest < INIT_TARGETS ? 0 : INIT_TARGETS;
    plan = init_plan(init_config(options, init_tokens, targets, longest, arena), path, arena, err);
    if (!plan) return err->code;
    double share = fmin(1, INIT_SECONDS / plan_print_seconds(plan));
    double tokens = INIT_BATCH * fmax(1, round(share * init_tokens / INIT_BATCH));
    Json *json = init_config(options, share < 1 ? tokens : init_tokens, targets, longest, arena);
    plan = init_plan(json, path, arena, err);
    if (!plan || !file_write(path, json_print_pretty(json, arena), arena, err)) return err->code;
    const char *name = plan->experiment->name, *quoted = escape_text(ESCAPE_SHELL, path, arena);
    double bytes = 0;
    for (int i = 0; i < plan->count; i++) bytes = fmax(bytes, plan_resident(&plan->points[i]));
    printf("%s: %d run%s, trained at %d tokens, evaluated at up to %d\n"
           "estimate: %s for all runs, one at a time, and %s of memory for each\n\n"
           "Next:\n  poslab plan %s\n  poslab run %s\n  poslab table results/%s.db\n  poslab plot "
           "results/%s.db\n"
           "  poslab report results/%s.db\n",
           path, plan->count, plan->count == 1 ? "" : "s", INIT_LENGTH, INIT_LENGTH * longest,
           text_seconds(plan_print_seconds(plan), arena), text_bytes(bytes, arena), quoted, quoted, name,
           name, name);
    return EXIT_DONE;
}

const Command cmd_run_init = {
    .name = "init",
    .words = "CONFIG",
    .summary = "Write a config for a text of your own that runs within minutes",
    .text = "Prints an estimate of time and memory, and the next commands. `poslab help config` describes\n"
            "every key that you can change.",
    .example = "poslab init my.json --files 'corpus/**/*.txt'",
    ARGUMENT_OPTIONS(init_options, InitOptions),
    .run = init,
};
