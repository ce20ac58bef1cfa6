#include "cli/cmd_methods.h"

#include <string.h>

#include "base/text.h"
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
    {POS_NORMALISED, "normalised", "scores are logarithms of probabilities, which softmax does not change"},
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
    json_set(option, "default", options_default_json(field, arena));
    if (options_ranged(field)) {
        json_set_number(option, "low", field->low);
        json_set_number(option, "high", field->high);
        if (field->or_zero) json_set_bool(option, "or_zero", true);
    }
    if (field->type == OPTION_CHOICE) json_set(option, "choices", json_new_texts(field->choices, arena));
    json_set_text(option, "help", field->help ? field->help : "");
    return option;
}

/* The names of what a method claims. */
static Json *claims_of(const PositionMethod *method, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit) json_append(list, json_new_text(claims[i].name, arena));
    return list;
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
    Json *root = json_new_object(arena), *options = json_new_array(arena);
    json_set_text(root, "name", method->name);
    json_set_text(root, "label", method->label ? method->label : ""); /* the laws say what is missing */
    json_set_text(root, "citation", method->citation ? method->citation : "");
    if (method->unconfirmed) json_set_text(root, "unconfirmed", method->unconfirmed);
    json_set(root, "claims", claims_of(method, arena));
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
        text = text_join(text, ", ", json_text(json_at(list, i), ""), arena);
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
        const char *item =
            method ? arena_format(arena, "%.2f", cost->ratio) : arena_format(arena, "%d", cost->length);
        text = text_join(text, ", ", item, arena);
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
        {"unconfirmed", NULL, TABLE_TEXT},
    };
    enum { TRAIN = 5, EVALUATE, COLUMNS = COUNT_OF(columns) };
    TableColumn *own = NEW(arena, COLUMNS, TableColumn);
    memcpy(own, columns, sizeof columns);
    own[TRAIN].head = arena_format(arena, "train %s", costs_text(costs, "train", NULL, arena));
    own[EVALUATE].head = arena_format(arena, "eval %s", costs_text(costs, "evaluate", NULL, arena));
    Table *table = table_new(NULL, own, COLUMNS, arena);
    for (int i = 0; i < encoding_method_count; i++) {
        const PositionMethod *method = encoding_methods[i];
        TableCell *row = TABLE_TEXTS(table_row(table), method->name, method->label,
                                     joined(hooks_of(method, arena), "", arena),
                                     joined(claims_of(method, arena), "", arena));
        row = TABLE_NUMBERS(row, numbers_learnt(method, arena));
        TABLE_TEXTS(row, costs_text(costs, "train", method->name, arena),
                    costs_text(costs, "evaluate", method->name, arena), method->citation,
                    method->unconfirmed ? method->unconfirmed : "");
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
static const char *range_text(const OptionField *field, Arena *arena) {
    char low[JSON_NUMBER_SIZE], high[JSON_NUMBER_SIZE];
    if (field->type == OPTION_CHOICE) return text_list(field->choices, arena);
    if (!options_ranged(field)) return "";
    return arena_format(arena, "%s[%s, %s]", field->or_zero ? "0 or " : "", json_number_text(field->low, low),
                        json_number_text(field->high, high));
}

static Table *options_table(const char *title, const OptionField *fields, int count, Arena *arena) {
    static const TableColumn columns[] = {
        {"key", "option", TABLE_TEXT, .code = true},
        {"type", "type", TABLE_TEXT},
        {"default", "default", TABLE_TEXT},
        {"range", "range", TABLE_TEXT},
        {"help", "meaning", TABLE_TEXT},
    };
    Table *table = table_new(title, columns, count ? COUNT_OF(columns) : 0, arena);
    for (int i = 0; i < count; i++) {
        const OptionField *field = &fields[i];
        char shown[JSON_EXCERPT_SIZE];
        const char *standard = arena_copy(arena, json_excerpt(options_default_json(field, arena), shown));
        TABLE_TEXTS(table_row(table), field->key, type_names[field->type], standard, range_text(field, arena),
                    field->help ? field->help : "");
    }
    return table;
}

bool cmd_methods_task(FILE *out, const Task *task, Arena *arena, Error *err) {
    const char *hints = text_list(task->hints ? task->hints : task_no_hints, arena);
    const char *title = arena_format(arena, "%s (%s): %s", task->name, task->label, task->citation);
    Table *table = options_table(title, task->fields, task->field_count, arena);
    table_note(table, arena_format(arena, "size: %s, %lld to %lld; hints: %s", task->size,
                                   (long long)task->smallest, (long long)task->largest, hints));
    return table_print_one(table, TABLE_AS_TEXT, out, err);
}

static Table *describe_method(const PositionMethod *method, Arena *arena) {
    const char *title = arena_format(arena, "%s (%s): %s", method->name, method->label, method->citation);
    Table *table = options_table(title, method->fields, method->field_count, arena);
    if (method->unconfirmed)
        table_note(table, arena_format(arena, "not confirmed in a source: %s", method->unconfirmed));
    table_note(table, arena_format(arena, "hooks: %s", joined(hooks_of(method, arena), "-", arena)));
    table_note(table, arena_format(arena, "claims: %s", joined(claims_of(method, arena), "-", arena)));
    for (int i = 0; i < COUNT_OF(claims); i++)
        if (method->claims & claims[i].bit)
            table_note(table, arena_format(arena, "%s: %s", claims[i].name, claims[i].help));
    return table;
}

static bool print_method(const char *name, TableFormat format, FILE *out, Arena *arena, Error *err) {
    const PositionMethod *method = encoding_require(name, err);
    if (!method) return false;
    return format == TABLE_AS_JSON ? table_print_json(method_to_json(method, arena), out, err)
                                   : table_print_one(describe_method(method, arena), format, out, err);
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
     .help = "token: measure the speed of generation, one target at a time, both with recomputed windows "
             "(strided) and with cached rows (token)"},
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
    if (!experiment) return false;
    const Config *config = &experiment->points[0];
    bench->model = config->model;
    if (!config->model.vocabulary) {
        const Corpus *corpus = corpus_read(&config->data, 0, config->source, arguments->arena, err);
        if (!corpus) return false;
        bench->model.vocabulary = corpus->vocabulary;
        if (!adaptive_softmax_check(&config->model.adaptive, corpus->vocabulary, config->source, err))
            return false;
    }
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
        "With `--protocol token` each length is the number of tokens that a target sees; one thread is "
        "used.\n"
        "`poslab analyse DB cost` and the report show results that `--db` stored for their model.",
    .example = "poslab bench configs/reproduce.json --lengths 128,512 --methods alibi,rotary",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(bench_options, BenchArguments),
    .ranks = true,
    .run = bench,
};
