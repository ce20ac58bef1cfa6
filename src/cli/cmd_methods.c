#include "cli/cmd_methods.h"

#include <string.h>

#include "sys/mpi.h"
#include "sys/threads.h"
#include "math/blas.h"
#include "position/encoding.h"
#include "model/model.h"
#include "experiment/config.h"
#include "cli/cmd_bench.h"

static const struct {
    unsigned bit;
    const char *name, *help;
} claims[] = {
    {POS_SHIFT_INVARIANT, "shift-invariant", "scores depend on queries, keys and distances only"},
    {POS_PREFIX_STABLE, "prefix-stable", "outputs do not depend on the length of what follows"},
    {POS_ISOMETRY, "isometry", "the norm of queries and keys does not change"},
    {POS_BY_POSITION, "by-position", "can use positions that another method chooses"},
};

#define COST_FILE "results/methods/cost.csv" /* as `poslab bench --format csv` prints it */

static const char *const type_names[] = {[OPTION_INT] = "integer",
                                         [OPTION_REAL] = "number",
                                         [OPTION_BOOL] = "boolean",
                                         [OPTION_CHOICE] = "choice",
                                         [OPTION_TEXT] = "text"};

static Json *option_to_json(const OptionField *field, Arena *arena) {
    Json *option = json_new_object(arena);
    json_set_text(option, "key", field->key);
    json_set_text(option, "type", type_names[field->type]);
    switch (field->type) {
    case OPTION_INT:
    case OPTION_REAL:
        json_set_number(option, "default", field->default_value);
        break;
    case OPTION_BOOL:
        json_set_bool(option, "default", field->default_value != 0);
        break;
    case OPTION_CHOICE:
        json_set_text(option, "default", field->choices[(int)field->default_value]);
        break;
    case OPTION_TEXT:
        json_set_text(option, "default", field->choices ? field->choices[0] : "");
        break;
    }
    if (field->low != 0 || field->high != 0) {
        json_set_number(option, "low", field->low);
        json_set_number(option, "high", field->high);
        if (field->or_zero) json_set_bool(option, "or_zero", true);
    }
    if (field->type == OPTION_CHOICE) {
        Json *choices = json_new_array(arena);
        for (const char *const *choice = field->choices; *choice; choice++)
            json_append(choices, json_new_text(*choice, arena));
        json_set(option, "choices", choices);
    }
    json_set_text(option, "help", field->help ? field->help : "");
    return option;
}

/* The names of the hooks that a method has. */
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
        json_append(options, option_to_json(&method->fields[i], arena));
    json_set(root, "options", options);
    return root;
}

/* The items of a list as "transform, limit"; `otherwise` if it is empty. */
static const char *joined(const Json *list, const char *otherwise, Arena *arena) {
    const char *text = "";
    for (int i = 0; i < json_count(list); i++)
        text = arena_format(arena, "%s%s%s", text, *text ? ", " : "", json_text(json_at(list, i), ""));
    return *text ? text : otherwise;
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

/* Reads COST_FILE, if it exists: a header, then lines that begin with phase,method,length,ratio. */
static bool read_costs(Costs *costs, Arena *arena, Error *err) {
    FILE *file = fopen(COST_FILE, "re");
    char line[1024];
    if (!file) return true;
    costs->rows = NEW(arena, MOST_COSTS, MethodCost);
    bool fine = fgets(line, sizeof line, file) != NULL;
    while (fine && fgets(line, sizeof line, file) && costs->count < MOST_COSTS) {
        MethodCost *cost = &costs->rows[costs->count++];
        fine = sscanf(line, "%15[^,],%63[^,],%d,%lf", cost->phase, cost->method, &cost->length,
                      &cost->ratio) == 4;
    }
    fclose(file);
    return fine || error_set(err, EXIT_USAGE,
                             "'%s', line %d: expected phase,method,length,ratio; `make cost` writes it",
                             COST_FILE, costs->count + 1);
}

/* The ratios of a method in a phase at all lengths: "1.01, 1.03"; "" if it was not measured. Without a
   method, the lengths: "128, 512". */
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

/* The number of parameters of the method in the default model, trained at 128 tokens. */
static int64_t numbers_learnt(const PositionMethod *method, Arena *arena) {
    ModelOptions options;
    Encoding position;
    model_default(&options);
    options.vocabulary = 256;
    if (!encoding_default(&position, method, arena)) return 0;
    return model_new(&options, &position, 128, arena)->position_parameters;
}

static Table *list_methods(const Costs *costs, Arena *arena) {
    static const TableColumn columns[] = {
        {"name", "method", TABLE_TEXT, .code = true},
        {"label", "label", TABLE_TEXT},
        {"hooks", "hooks", TABLE_TEXT},
        {"claims", "claims", TABLE_TEXT},
        {"parameters", "learns", TABLE_INT},
        {NULL, "", TABLE_TEXT}, /* costs of training and of evaluation */
        {NULL, "", TABLE_TEXT},
        {"citation", "paper", TABLE_TEXT},
    };
    enum { TRAIN = 5, EVALUATE, COLUMNS = COUNT_OF(columns) };
    TableColumn *own = NEW(arena, COLUMNS, TableColumn);
    memcpy(own, columns, sizeof columns);
    own[TRAIN].head = arena_format(arena, "train %s", costs_text(costs, "train", NULL, arena));
    own[EVALUATE].head = arena_format(arena, "eval %s", costs_text(costs, "evaluate", NULL, arena));
    Table *table = table_new(NULL, own, COLUMNS, arena);
    for (int i = 0; i < encoding_method_count; i++) {
        const PositionMethod *method = encoding_methods[i];
        const Json *json = method_to_json(method, arena);
        TableCell *row = TABLE_TEXTS(table_row(table), method->name, json_text(json_get(json, "label"), ""),
                                     joined(json_get(json, "hooks"), "", arena),
                                     joined(json_get(json, "claims"), "", arena));
        row = TABLE_NUMBERS(row, numbers_learnt(method, arena));
        TABLE_TEXTS(row, costs_text(costs, "train", method->name, arena),
                    costs_text(costs, "evaluate", method->name, arena),
                    json_text(json_get(json, "citation"), ""));
    }
    return table;
}

/* Prints a row or an object for each method. Only tables for people have the costs. */
static bool print_list(TableFormat format, FILE *out, Arena *arena, Error *err) {
    Costs costs = {0};
    if (!read_costs(&costs, arena, err)) return false;
    if (format != TABLE_AS_JSON) return table_print_one(list_methods(&costs, arena), format, out, err);
    Json *list = json_new_array(arena);
    for (int i = 0; i < encoding_method_count; i++) {
        Json *json = method_to_json(encoding_methods[i], arena);
        json_set_number(json, "parameters", (double)numbers_learnt(encoding_methods[i], arena));
        json_append(list, json);
    }
    return table_print_json(list, out, err);
}

/* ---- one method ---- */

/* The values of an option: "0 or [1, 1e+09]", or its choices. */
static const char *range_text(const Json *option, Arena *arena) {
    char low[JSON_NUMBER_SIZE], high[JSON_NUMBER_SIZE];
    if (!json_get(option, "low")) return joined(json_get(option, "choices"), "", arena);
    return arena_format(arena, "%s[%s, %s]", json_get(option, "or_zero") ? "0 or " : "",
                        json_number_text(json_number(json_get(option, "low"), 0), low),
                        json_number_text(json_number(json_get(option, "high"), 0), high));
}

/* A table of options, from a list of option_to_json. */
static Table *list_options(const char *title, const Json *options, Arena *arena) {
    static const TableColumn columns[] = {
        {"key", "option", TABLE_TEXT, .code = true},
        {"type", "type", TABLE_TEXT},
        {"default", "default", TABLE_TEXT},
        {"range", "range", TABLE_TEXT},
        {"help", "meaning", TABLE_TEXT},
    };
    Table *table = table_new(title, columns, json_count(options) ? COUNT_OF(columns) : 0, arena);
    for (int i = 0; i < json_count(options); i++) {
        const Json *option = json_at(options, i);
        char shown[JSON_EXCERPT_SIZE];
        TABLE_TEXTS(table_row(table), json_text(json_get(option, "key"), ""),
                    json_text(json_get(option, "type"), ""),
                    arena_copy(arena, json_excerpt(json_get(option, "default"), shown)),
                    range_text(option, arena), json_text(json_get(option, "help"), ""));
    }
    return table;
}

Table *cmd_methods_options(const char *title, const OptionField *fields, int count, Arena *arena) {
    Json *options = json_new_array(arena);
    for (int i = 0; i < count; i++) json_append(options, option_to_json(&fields[i], arena));
    return list_options(title, options, arena);
}

static Table *describe_method(const PositionMethod *method, const Json *root, Arena *arena) {
    const char *title =
        arena_format(arena, "%s (%s): %s", method->name, json_text(json_get(root, "label"), ""),
                     json_text(json_get(root, "citation"), ""));
    Table *table = list_options(title, json_get(root, "options"), arena);
    table_note(table, arena_format(arena, "hooks: %s", joined(json_get(root, "hooks"), "-", arena)));
    table_note(table, arena_format(arena, "claims: %s", joined(json_get(root, "claims"), "-", arena)));
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit)
            table_note(table, arena_format(arena, "%s: %s", claims[i].name, claims[i].help));
    return table;
}

static bool print_method(const char *name, TableFormat format, FILE *out, Arena *arena, Error *err) {
    const PositionMethod *method = encoding_require(name, err);
    if (!method) return false;
    const Json *root = method_to_json(method, arena);
    if (format == TABLE_AS_JSON) return table_print_json(root, out, err);
    return table_print_one(describe_method(method, root, arena), format, out, err);
}

/* --- the command `methods` --- */

static ExitCode methods(const Arguments *arguments, Error *err) {
    const ArgumentsFormat *options = arguments->options;
    TableFormat format = ARGUMENT_FORMAT_GIVEN(options);
    Arena *arena = arguments->arena;
    bool fine = arguments->word_count ? print_method(arguments->words[0], format, stdout, arena, err)
                                      : print_list(format, stdout, arena, err);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_methods_methods = {
    .name = "methods",
    .words = "[METHOD]",
    .summary = "List the methods, or show one method's options and claims",
    .text = "Costs are read from " COST_FILE ", if that file exists.",
    .example = "poslab methods alibi",
    ARGUMENT_FORMAT_ONLY,
    .run = methods,
    .paged = true,
};

/* --- the command `bench` --- */

enum { PHASE_TRAIN, PHASE_EVALUATE };
static const char *const phase_names[] = {"train", "evaluate", NULL};
static const char *const bench_protocols[] = {"nonoverlapping", "token", NULL};

typedef struct BenchArguments {
    const char *const *sets, *const *methods;
    const char *database;
    OptionNumbers lengths, precisions;
    int64_t threads, rounds;
    int phase, protocol, format;
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
     .help = "precisions of matrix products (default: the config's)"},
    {"phase", OPTION_CHOICE, offsetof(BenchArguments, phase), .default_value = -1, .choices = phase_names,
     .argument = "PHASE", .group = "Selection", .help = "what to measure (default: both)"},
    {"protocol", OPTION_CHOICE, offsetof(BenchArguments, protocol), .choices = bench_protocols,
     .argument = "NAME", .group = "Selection",
     .help =
         "token: instead, one target at a time, from whole windows (strided) and from cached rows (token)"},
    ARGUMENT_THREADS(BenchArguments, threads),
    {"rounds", OPTION_INT, offsetof(BenchArguments, rounds), .default_value = 7, .low = 1,
     .high = CMD_BENCH_MAX_ROUNDS, .argument = "N", .group = "Measurement",
     .help = "number of rounds of measurements"},
    ARGUMENT_DB(BenchArguments, database, "database that also stores the results (default: none)"),
    ARGUMENT_FORMAT(BenchArguments),
};

/* Model, length, tokens per update and precision of the first point of a config. */
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
                             .train = options->phase != PHASE_EVALUATE && !options->protocol,
                             .evaluate = options->phase != PHASE_TRAIN && !options->protocol,
                             .tokens = options->protocol,
                             .format = ARGUMENT_FORMAT_GIVEN(options),
                             .database = options->database};
    model_default(&bench.model);
    bench.model.vocabulary = 256;
    if (options->protocol && options->phase >= 0)
        return error_set(err, EXIT_USAGE, "bench: --protocol token replaces the phases; leave out --phase"),
               err->code;
    if (!blas_reserve(bench.threads, err)) return err->code;
    if (arguments->word_count && !read_config(&bench, arguments, err)) return err->code;
    set_numbers(bench.precisions, &bench.precision_count, &options->precisions);
    set_numbers(bench.lengths, &bench.length_count, &options->lengths);
    bench.methods = options->methods;
    return cmd_bench_run(&bench, stdout, err) ? EXIT_DONE : err->code;
}

const Command cmd_methods_bench = {
    .name = "bench",
    .words = "[CONFIG]",
    .summary = "Measure speed and memory of each method",
    .text =
        "The model is that of the first point of CONFIG; without CONFIG, 4 layers of width 128 at lengths\n"
        "128, 512 and 2048. With several precisions the ratio of their speeds is also printed. Ratios\n"
        "compare adjacent measurements, rates use all rounds; on a busy machine they can disagree.\n"
        "With `--protocol token` each length is the number of tokens that a target sees; one thread works.\n"
        "`poslab analyse DB cost` and the report show results that `--db` stored for their model.",
    .example = "poslab bench configs/reproduce.json --lengths 128,512 --methods alibi,rotary",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(bench_options, BenchArguments),
    .ranks = true,
    .run = bench,
};
