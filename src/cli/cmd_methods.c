/* cmd_methods: a method is converted to JSON, which is printed as such or as text. */
#include "cli/cmd_methods.h"

#include <string.h>

#include "sys/mpi.h"
#include "sys/threads.h"
#include "math/blas.h"
#include "position/encoding.h"
#include "model/model.h"
#include "data/examples.h"
#include "experiment/config.h"
#include "experiment/grid.h"
#include "cli/cmd_bench.h"

static const struct {
    unsigned bit;
    const char *name, *help;
} claims[] = {
    {POS_SHIFT_INVARIANT, "shift-invariant", "scores depend on the distance only"},
    {POS_PREFIX_STABLE, "prefix-stable", "outputs do not depend on later length"},
    {POS_ISOMETRY, "isometry", "queries and keys keep their length"},
    {POS_BY_POSITION, "by-position", "follows positions that another method gives"},
};

/* Each hook's place in the pass, if the method has it. */
static Json *hooks_of(const PositionMethod *method, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < ENCODING_HOOK_COUNT; i++)
        if (encoding_hooks(method) >> i & 1) json_append(list, json_new_text(encoding_hook_names[i], arena));
    if (method->limit) json_append(list, json_new_text("limit", arena));
    return list;
}

static Json *method_to_json(const PositionMethod *method, Arena *arena) {
    Json *root = json_new_object(arena), *claimed = json_new_array(arena), *options = json_new_array(arena);
    json_set_text(root, "name", method->name);
    json_set_text(root, "label", method->label ? method->label : ""); /* the laws say what is missing */
    json_set_text(root, "citation", method->citation ? method->citation : "");
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit) json_append(claimed, json_new_text(claims[i].name, arena));
    json_set(root, "claims", claimed);
    json_set(root, "hooks", hooks_of(method, arena));
    for (int i = 0; i < method->field_count; i++)
        json_append(options, options_field_json(&method->fields[i], arena));
    json_set(root, "options", options);
    return root;
}

static void print_names(FILE *out, const char *title, const Json *list) {
    fprintf(out, "%-10s", title);
    for (int i = 0; i < json_count(list); i++)
        fprintf(out, "%s%s", i ? ", " : "", json_text(json_at(list, i), ""));
    fputs(json_count(list) ? "\n" : "none\n", out);
}

/* "  base     number   10000   in [1, 1e+09]   what it is" */
static void print_option(FILE *out, const Json *option) {
    char shown[JSON_EXCERPT_SIZE];
    const Json *choices = json_get(option, "choices");
    fprintf(out, "  %-14s %-8s default %-8s ", json_text(json_get(option, "key"), ""),
            json_text(json_get(option, "type"), ""), json_excerpt(json_get(option, "default"), shown));
    if (json_get(option, "low")) {
        char low[JSON_NUMBER_SIZE], high[JSON_NUMBER_SIZE];
        fprintf(out, "%sin [%s, %s]: ", json_get(option, "or_zero") ? "0 or " : "",
                json_number_text(json_number(json_get(option, "low"), 0), low),
                json_number_text(json_number(json_get(option, "high"), 0), high));
    }
    for (int i = 0; i < json_count(choices); i++)
        fprintf(out, "%s%s%s", i ? ", " : "one of ", json_text(json_at(choices, i), ""),
                i + 1 == json_count(choices) ? ": " : "");
    fprintf(out, "%s\n", json_text(json_get(option, "help"), ""));
}

/* ---- the list ---- */

enum { MOST_COSTS = 4096 };

typedef struct MethodCost {
    char phase[16], method[64];
    int length;
    double ratio;
} MethodCost;

typedef struct Costs {
    MethodCost *rows;
    int count;
} Costs;

/* Rows after the head: phase,method,length,ratio,... There need not be a file. */
static bool read_costs(Costs *costs, Arena *arena, Error *err) {
    FILE *file = fopen(CMD_METHODS_COST, "re");
    char line[512];
    if (!file) return true;
    costs->rows = NEW(arena, MOST_COSTS, MethodCost);
    bool fine = fgets(line, sizeof line, file) != NULL;
    while (fine && fgets(line, sizeof line, file) && costs->count < MOST_COSTS) {
        MethodCost *cost = &costs->rows[costs->count++];
        fine = sscanf(line, "%15[^,],%63[^,],%d,%lf", cost->phase, cost->method, &cost->length,
                      &cost->ratio) == 4;
    }
    fclose(file);
    return fine || error_set(err, EXIT_USAGE, "'%s', line %d: phase,method,length,ratio are expected",
                             CMD_METHODS_COST, costs->count + 1);
}

/* "1.01, 1.03": the phase's ratios at all lengths; "" where nothing was measured. Without a method the
   lengths, "128, 512". */
static const char *costs_text(const Costs *costs, const char *phase, const char *method, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < costs->count; i++) {
        const MethodCost *cost = &costs->rows[i];
        if (strcmp(cost->phase, phase) != 0 ||
            strcmp(cost->method, method ? method : costs->rows[0].method) != 0)
            continue;
        const char *comma = *text ? ", " : "";
        text = method ? arena_format(arena, "%s%s%.2f", text, comma, cost->ratio)
                      : arena_format(arena, "%s%s%d", text, comma, cost->length);
    }
    return text;
}

static const char *joined(const Json *list, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < json_count(list); i++)
        text = arena_format(arena, "%s%s%s", text, *text ? ", " : "", json_text(json_at(list, i), ""));
    return text;
}

/* Numbers that the method learns in the model that configs have by default, trained at 128 tokens. */
static int64_t numbers_learnt(const PositionMethod *method, Arena *arena) {
    ModelOptions options;
    Encoding position;
    model_default(&options);
    options.vocabulary = 256;
    if (!encoding_default(&position, method, arena)) return 0;
    return model_new(&options, &position, 128, arena)->position_parameters;
}

static void print_list(FILE *out, bool markdown, const Costs *costs, Arena *arena) {
    const char *const formats[] = {"%-17s %-22s %-25s %-40s %6s  %-12s %-12s %s\n",
                                   "| `%s` | %s | %s | %s | %s | %s | %s | %s |\n"};
    const char *row = formats[markdown];
    const char *train = arena_format(arena, "train %s", costs_text(costs, "train", NULL, arena));
    const char *evaluate = arena_format(arena, "eval %s", costs_text(costs, "evaluate", NULL, arena));
    fprintf(out, markdown ? "| %s | %s | %s | %s | %s | %s | %s | %s |\n" : row, "method", "label", "hooks",
            "claims", "learns", train, evaluate, "paper");
    if (markdown) fputs("|---|---|---|---|---:|---|---|---|\n", out);
    for (int i = 0; i < encoding_method_count; i++) {
        const PositionMethod *method = encoding_methods[i];
        Json *json = method_to_json(method, arena);
        fprintf(out, row, method->name, json_text(json_get(json, "label"), ""),
                joined(json_get(json, "hooks"), arena), joined(json_get(json, "claims"), arena),
                arena_format(arena, "%lld", (long long)numbers_learnt(method, arena)),
                costs_text(costs, "train", method->name, arena),
                costs_text(costs, "evaluate", method->name, arena),
                json_text(json_get(json, "citation"), ""));
    }
}

bool cmd_methods_list(FILE *out, const char *format, Error *err) {
    Arena *arena = arena_new(0);
    Costs costs = {0};
    bool fine = read_costs(&costs, arena, err);
    if (fine && strcmp(format, "json") == 0) {
        Json *list = json_new_array(arena);
        for (int i = 0; i < encoding_method_count; i++) {
            Json *json = method_to_json(encoding_methods[i], arena);
            json_set_number(json, "parameters", (double)numbers_learnt(encoding_methods[i], arena));
            json_append(list, json);
        }
        fputs(json_print_pretty(list, arena), out);
    } else if (fine) {
        print_list(out, strcmp(format, "md") == 0, &costs, arena);
    }
    arena_free(arena);
    return fine;
}

static void print_method(FILE *out, const PositionMethod *method, const Json *root) {
    const Json *options = json_get(root, "options");
    fprintf(out, "%s (%s)\n%s\n\n", method->name, json_text(json_get(root, "label"), ""),
            json_text(json_get(root, "citation"), ""));
    print_names(out, "hooks", json_get(root, "hooks"));
    print_names(out, "claims", json_get(root, "claims"));
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit)
            fprintf(out, "          %s: %s\n", claims[i].name, claims[i].help);
    fprintf(out, "options%s\n", json_count(options) ? "" : "   none");
    for (int i = 0; i < json_count(options); i++) print_option(out, json_at(options, i));
}

bool cmd_methods_show(const char *name, FILE *out, bool json, Error *err) {
    const char *nearest = NULL;
    const PositionMethod *method = encoding_find_or_nearest(name, &nearest);
    if (!method && nearest)
        return error_set(err, EXIT_USAGE, "there is no method '%s'; did you mean '%s'?", name, nearest);
    if (!method)
        return error_set(err, EXIT_USAGE, "there is no method '%s'; `poslab methods` lists them", name);
    Arena *arena = arena_new(0);
    const Json *root = method_to_json(method, arena);
    if (json)
        fputs(json_print_pretty(root, arena), out);
    else
        print_method(out, method, root);
    arena_free(arena);
    return true;
}

/* --- the command `methods` --- */

const char *const cmd_methods_formats[] = {"text", "md", "json", NULL};

typedef struct MethodsOptions {
    int format;
    bool json;
} MethodsOptions;

static const OptionField methods_options[] = {
    ARGUMENT_FORMAT(MethodsOptions, cmd_methods_formats),
    ARGUMENT_JSON(MethodsOptions),
};

static ExitCode methods(const Arguments *arguments, Error *err) {
    const MethodsOptions *options = arguments->options;
    const char *format = options->json ? "json" : cmd_methods_formats[options->format];
    bool fine = arguments->word_count ? cmd_methods_show(arguments->words[0], stdout, options->json, err)
                                      : cmd_methods_list(stdout, format, err);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_methods_methods = {
    .name = "methods",
    .words = "[METHOD]",
    .most = 1,
    .summary = "List the methods, or show one method's options and claims",
    .text = "Costs are read from " CMD_METHODS_COST ", if that file is there.",
    .example = "poslab methods alibi",
    ARGUMENT_OPTIONS(methods_options, MethodsOptions),
    .run = methods,
};

/* --- the command `tasks` --- */

enum { SHOWN_EXAMPLES = 3 };

typedef struct TasksOptions {
    const char *const *sets;
} TasksOptions;

static const OptionField tasks_options[] = {
    {"set", OPTION_TEXT, offsetof(TasksOptions, sets), .list = OPTION_ITEMS, .argument = "PATH=VALUE",
     .group = "Selection", .help = "an option of the task for the examples, as in 'size=3'; repeatable"},
};

static void print_tasks(FILE *out) {
    for (int i = 0; i < task_count; i++)
        fprintf(out, "%-15s %-62s %s\n", task_list[i]->name, task_list[i]->label, task_list[i]->citation);
}

/* The options in `data.task`: those of all tasks are in configs/README.md. */
static void print_task(FILE *out, const Task *task, Arena *arena) {
    fprintf(out, "%s (%s)\n%s\n\nsize      %s, %lld to %lld\nhints    ", task->name, task->label,
            task->citation, task->size, (long long)task->smallest, (long long)task->largest);
    for (const char *const *hint = task->hints ? task->hints : task_no_hints; *hint; hint++)
        fprintf(out, " %s", *hint);
    fprintf(out, "\noptions%s\n", task->field_count ? "" : "   none");
    for (int i = 0; i < task->field_count; i++)
        print_option(out, options_field_json(&task->fields[i], arena));
}

/* Examples 0, 1, ... of evaluation, of each kind of row that the options ask for. */
static bool print_examples(FILE *out, const Json *json, Arena *arena, Error *err) {
    ExamplesOptions options;
    if (!examples_read(&options, json, "--set", arena, err)) return false;
    const Task *task = options.task;
    Examples *examples = examples_new(&options, arena);
    TaskRow row = examples_row(examples, examples_train_length(&options), arena);
    fprintf(out, "\nexamples  %s\n", json_print(examples_json(&options, arena), arena));
    for (int i = 0; i < SHOWN_EXAMPLES; i++) {
        examples_train(examples, i, &row);
        fprintf(out, "  %s\n", task_text(task, options.options, row.tokens, row.length, arena));
        const char *scored = "";
        for (int t = 0; t < row.inputs; t++)
            if (row.targets[t] != TASK_IGNORED)
                scored = arena_format(arena, "%s%s%s", scored, task->spaced && *scored ? " " : "",
                                      task_text(task, options.options, &row.targets[t], 1, arena));
        fprintf(out, "      scored: %s\n", scored);
    }
    return true;
}

static bool show_task(const char *name, const char *const *sets, Arena *arena, Error *err) {
    const char *nearest = NULL;
    const Task *task = task_find(name, &nearest);
    if (!task)
        return error_set(err, EXIT_USAGE, "there is no task '%s'; %s%s%s", name,
                         nearest ? "did you mean '" : "`poslab tasks` lists them", nearest ? nearest : "",
                         nearest ? "'?" : "");
    Json *json = json_new_object(arena);
    json_set_text(json, "name", name);
    json_set_number(json, "size", (double)(task->smallest > 4 ? task->smallest : 4));
    for (; sets && *sets; sets++)
        if (!grid_override(json, *sets, "--set", err)) return false;
    print_task(stdout, task, arena);
    return print_examples(stdout, json, arena, err);
}

static ExitCode tasks(const Arguments *arguments, Error *err) {
    const TasksOptions *options = arguments->options;
    if (arguments->word_count)
        return show_task(arguments->words[0], options->sets, arguments->arena, err) ? EXIT_DONE : err->code;
    print_tasks(stdout);
    return EXIT_DONE;
}

const Command cmd_methods_tasks = {
    .name = "tasks",
    .words = "[TASK]",
    .most = 1,
    .summary = "List the synthetic tasks, or show one task's options and three examples",
    .text = "The examples are the first three of training at size 4, or as `--set` says.",
    .example = "poslab tasks addition --set 'size=3' --set order=reversed",
    ARGUMENT_OPTIONS(tasks_options, TasksOptions),
    .run = tasks,
};

/* --- the command `bench` --- */

enum { PHASE_TRAIN, PHASE_EVALUATE };
static const char *const phase_names[] = {"train", "evaluate", NULL};

typedef struct BenchArguments {
    const char *const *sets, *const *methods;
    const char *database;
    OptionNumbers lengths, precisions;
    int64_t threads, rounds;
    int phase, format;
    bool json;
} BenchArguments;

static const OptionField bench_options[] = {
    ARGUMENT_SET(BenchArguments),
    {"methods", OPTION_TEXT, offsetof(BenchArguments, methods), .list = OPTION_COMMAS,
     .argument = "METHOD,...", .group = "Selection", .help = "methods to measure (default: all)"},
    {"lengths", OPTION_INT, offsetof(BenchArguments, lengths), .low = 1, .high = 1 << 24,
     .list = OPTION_COMMAS, .most = COUNT_OF(((CmdBenchOptions *)0)->lengths), .argument = "N,...",
     .group = "Selection", .help = "sequence lengths (default: the config's)"},
    {"precision", OPTION_CHOICE, offsetof(BenchArguments, precisions), .choices = precision_names,
     .list = OPTION_COMMAS, .most = PRECISION_COUNT, .argument = "NAME,...", .group = "Selection",
     .help = "precisions of the products, by default the config's"},
    {"phase", OPTION_CHOICE, offsetof(BenchArguments, phase), .default_value = -1, .choices = phase_names,
     .argument = "PHASE", .group = "Selection", .help = "what to measure, by default both"},
    ARGUMENT_THREADS(BenchArguments),
    {"rounds", OPTION_INT, offsetof(BenchArguments, rounds), .default_value = 7, .low = 1,
     .high = CMD_BENCH_MAX_ROUNDS, .argument = "N", .group = "Measurement", .help = "number of measurements"},
    ARGUMENT_DB(BenchArguments, "database that also stores the results (default: none)"),
    ARGUMENT_FORMAT(BenchArguments, cmd_bench_formats),
    ARGUMENT_JSON(BenchArguments),
};

/* The model and the rest that a config says, of its first point. */
static bool read_config(CmdBenchOptions *bench, const Arguments *arguments, Error *err) {
    const BenchArguments *options = arguments->options;
    const Experiment *experiment = config_read(arguments->words[0], options->sets, arguments->arena, err);
    if (!experiment || !config_runnable(&experiment->points[0], err)) return false;
    const Config *config = &experiment->points[0];
    bench->model = config->model;
    bench->lengths[0] = (int)config->train.length;
    bench->length_count = 1;
    bench->tokens_per_step = config->train.tokens_per_step;
    bench->precisions[0] = config->train.precision;
    return true;
}

static void set_numbers(int *values, int *count, const OptionNumbers *given) {
    for (int i = 0; i < given->count; i++) values[i] = (int)given->values[i];
    if (given->count) *count = given->count;
}

static ExitCode bench(const Arguments *arguments, Error *err) {
    const BenchArguments *options = arguments->options;
    const PositionMethod *control = encoding_control();
    CmdBenchOptions bench = {.reference = control ? control->name : encoding_methods[0]->name,
                             .lengths = {128, 512, 2048},
                             .length_count = 3,
                             .tokens_per_step = 4096,
                             .rounds = (int)options->rounds,
                             .threads = (int)options->threads,
                             .precision_count = 1,
                             .train = options->phase != PHASE_EVALUATE,
                             .evaluate = options->phase != PHASE_TRAIN,
                             .format = options->json ? "json" : cmd_bench_formats[options->format],
                             .database = options->database};
    model_default(&bench.model);
    bench.model.vocabulary = 256;
    if (!blas_reserve(bench.threads, err)) return err->code;
    if (arguments->word_count && !read_config(&bench, arguments, err)) return err->code;
    set_numbers(bench.precisions, &bench.precision_count, &options->precisions);
    set_numbers(bench.lengths, &bench.length_count, &options->lengths);
    bool all = !options->methods || strcmp(options->methods[0], "all") == 0;
    bench.methods = all ? NULL : options->methods;
    return cmd_bench_run(&bench, stdout, err) ? EXIT_DONE : err->code;
}

const Command cmd_methods_bench = {
    .name = "bench",
    .words = "[CONFIG]",
    .most = 1,
    .summary = "Measure speed and memory of each method",
    .text = "The model is that of CONFIG's first point; without CONFIG, 4 layers of width 128 at lengths\n"
            "128, 512 and 2048. With several precisions the ratio of their speeds is printed, too. csv\n"
            "prints times divided by those of the method without positions. `--methods all` is the\n"
            "default. Ratios compare adjacent rounds, rates use all rounds; on a busy machine they can\n"
            "disagree. `poslab analyse DB cost` and the report show the results that were stored for\n"
            "their model.",
    .example = "poslab bench configs/reproduce.json --lengths 128,512 --methods alibi,rotary",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(bench_options, BenchArguments),
    .ranks = true,
    .run = bench,
};
