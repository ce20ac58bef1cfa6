/* cmd_export: `poslab export`, which writes the inputs and results of a run as safetensors for other
 * programs, and `poslab tasks`, which prints synthetic tasks and examples.
 *
 * `export` writes the trained weights, or one of: the weights before training (--initial); the batches of the
 * first K updates (--batches K: tensor `batches`, int32 [K * sequences, length + 1]; inputs are [:, :-1],
 * targets [:, 1:]); the tokens of a split (--tokens SPLIT: tensor `tokens`, int32 [n]). Batches of a task
 * also have `targets` (65535: not scored) and, if the task gives positions, `positions`, both int32 [K *
 * sequences, length]. `__metadata__` has the key, the resolved config and the corpus hash.
 *
 * --loader also writes a Python program for the run: the template loader.py.in with the run's numbers and the
 * method's formula (PositionMethod.pytorch). The formulas of the model are in src/model/README.md.
 */
#include "cli/arguments.h"

#include <string.h>

#include "base/table.h"
#include "base/text.h"
#include "sys/atomic_file.h"
#include "data/batches.h"
#include "data/examples.h"
#include "experiment/grid.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/worker.h"
#include "cli/cmd_methods.h"

enum { EXPORT_MAX_TOKENS = 1 << 29, TOKENS_NONE = -1 };

typedef struct ExportOptions {
    RunsChoice choice; /* without a key */
    bool initial, loader;
    int64_t batches; /* 0: not requested */
    int tokens;      /* Split, or TOKENS_NONE */
} ExportOptions;

static const OptionField fields[] = {
    {"method", OPTION_TEXT, offsetof(ExportOptions, choice.method), .argument = "METHOD",
     .group = "Selection", .help = "the run with this method: its name, or its label in tables"},
    {"seed", OPTION_INT, offsetof(ExportOptions, choice.seed), .default_value = -1, .low = 0,
     .high = 9007199254740992, .argument = "N", .group = "Selection", .help = "the run with this seed"},
    {"length", OPTION_INT, offsetof(ExportOptions, choice.length), .default_value = -1, .low = 1, .high = 1e9,
     .argument = "N", .group = "Selection", .help = "the run with this training length"},
    {"setting", OPTION_TEXT, offsetof(ExportOptions, choice.setting), .argument = "TEXT",
     .group = "Selection", .help = "the run with these settings, as in 'train.optimizer.lr=0.001'"},
    {"loader", OPTION_BOOL, offsetof(ExportOptions, loader), .group = "Options",
     .help = "also write a Python program that loads the weights into PyTorch and computes perplexities"},
    {"initial", OPTION_BOOL, offsetof(ExportOptions, initial), .group = "Instead of the trained weights",
     .help = "the weights before training"},
    {"batches", OPTION_INT, offsetof(ExportOptions, batches), .low = 1, .high = 1e12, .argument = "K",
     .group = "Instead of the trained weights",
     .help = "the tokens of the first K updates: tensor `batches`, int32, [K * sequences, length + 1]; those "
             "of a "
             "second stage are the tensor `batches.2`"},
    {"tokens", OPTION_CHOICE, offsetof(ExportOptions, tokens), .default_value = TOKENS_NONE,
     .choices = corpus_split_names, .argument = "SPLIT", .group = "Instead of the trained weights",
     .help = "the tokens of a split"},
};

typedef struct Export {
    const ExportOptions *options;
    const char *database;
    const char *path;
    Database *store;
    const char *key, *status, *corpus_hash;
    Config *config;
    Arena *arena;
} Export;

static bool find_run(Export *export, const RunsChoice *choice, Error *err) {
    export->key = runs_choose(export->store, choice, export->arena, err);
    if (!export->key) return false;
    const char *text = export->status = "";
    Query *query =
        query_begin(export->store,
                    "SELECT r.status, c.hash, r.config FROM run r JOIN corpus c ON c.id = r.corpus_id"
                    " WHERE r.key = ?",
                    (const char *const[]){export->key, NULL});
    if (query_next(query)) {
        export->status = arena_copy(export->arena, query_text(query, 0));
        export->corpus_hash = arena_copy(export->arena, query_text(query, 1));
        text = arena_copy(export->arena, query_text(query, 2));
    }
    if (!query_end(query, err)) return false;
    const char *source = arena_format(export->arena, "run %s", export->key);
    export->config = config_parse(text, source, export->arena, err);
    return export->config != NULL;
}

/* The path of the trained weights; they are in the folder of one of the experiments. */
static const char *find_model(Export *export, Error *err) {
    const char *path = run_folder_weights(export->store, export->key, export->arena);
    if (!path && strcmp(export->status, "done") == 0)
        error_set(err, EXIT_DAMAGED, "run %s has no weights next to '%s'; they were moved or deleted",
                  export->key, export->database);
    else if (!path)
        error_set(err, EXIT_USAGE, "run %s has no trained weights: it is %s", export->key, export->status);
    return path;
}

static Model *make_model(const Export *export) {
    const Config *config = export->config;
    Model *model = model_new(&config->model, &config->position, (int)config->train.length, export->arena);
    model_allocate(model, export->arena);
    return model;
}

static bool export_trained(Export *export, Error *err) {
    const char *path = find_model(export, err);
    SafetensorsFile file;
    return path && safetensors_read_weights(path, export->key, &file, export->arena, err) &&
           train_state_load_tensors(make_model(export), &file, path, err) &&
           safetensors_write(export->path, &file, err);
}

static bool export_initial(Export *export, Error *err) {
    const Config *config = export->config;
    Model *model = make_model(export);
    model_init(model, (uint64_t)config->train.seed);
    const char *from = config->train.from,
               *path = from ? run_folder_weights(export->store, from, export->arena) : NULL;
    TrainState state = {.model = model, .files = ""};
    if (from && !path)
        return error_set(err, EXIT_USAGE, "run %s continues run %s, which has no weights here", export->key,
                         from);
    if (from && !train_state_continue(&state, path, from, config->source, export->arena, err)) return false;
    return worker_write_model(export->path, model, export->key, config->resolved, export->corpus_hash,
                              encoding_files(&config->position, export->arena), err);
}

/* ---- the loader ---- */

/* A JSON value in Python, whose booleans are True and False. */
static const char *python(const Json *value, Arena *arena) {
    if (!json_is_bool(value)) return json_print(value, arena);
    return json_bool(value) ? "True" : "False";
}

/* The options of a method as a Python dictionary: {"base": 10000, ...} */
static const char *python_options(const Encoding *position, Arena *arena) {
    const Json *json = encoding_json(position, arena);
    const char *list = "";
    for (const Json *value = json_first(json); value; value = json_next(value))
        if (strcmp(json_name(value), "name") != 0)
            list = arena_format(arena, "%s%s\"%s\": %s", list, *list ? ", " : "", json_name(value),
                                python(value, arena));
    return arena_format(arena, "{%s}", list);
}

/* A loader needs a method with a formula in PyTorch, and attention without options. */
static bool check_loader(const Export *export, Error *err) {
    const PositionMethod *method = export->config->position.method;
    if (!method->pytorch) {
        const char *list = "";
        for (int i = 0; i < encoding_method_count; i++)
            if (encoding_methods[i]->pytorch)
                list = text_join(list, ", ", encoding_methods[i]->name, export->arena);
        return error_set(err, EXIT_USAGE,
                         "--loader: '%s' has no formula in PyTorch (the member 'pytorch' in methods/%s.c);"
                         " methods that have one: %s",
                         method->name, method->name, list);
    }
    if (export->config->model.adaptive.bands)
        return error_set(err, EXIT_USAGE,
                         "--loader supports a full softmax only, but the run has 'model.adaptive';"
                         " export its weights without --loader");
    const Json *changed = json_first(options_changes(&export->config->model.attention, attention_fields,
                                                     attention_field_count, export->arena));
    return !changed ||
           error_set(err, EXIT_USAGE,
                     "--loader supports plain attention only, but the run has 'model.attention.%s' = %s;"
                     " export its weights without --loader",
                     json_name(changed), json_print(changed, export->arena));
}

/* The path of the loader: ".safetensors", if the file ends with it, is replaced by ".py". */
static const char *loader_path(const Export *export) {
    size_t stem = text_stem(export->path);
    if (strcmp(export->path + stem, ".safetensors") != 0) stem = strlen(export->path);
    return arena_format(export->arena, "%.*s.py", (int)stem, export->path);
}

/* Copies the template, with the values of this run in place of @NAMES@. */
static bool write_loader(const Export *export, Error *err) {
    const ModelOptions *model = &export->config->model;
    const PositionMethod *method = export->config->position.method;
    Arena *arena = export->arena;
    const char *path = loader_path(export), *name = basename(path);
    const Json *json = model_json(model, arena);
    const struct {
        const char *name, *value;
    } values[] = {
        {"KEY", export->key},
        {"LABEL", method->label},
        {"NAME", arena_format(arena, "%.*s", (int)strlen(name) - 3, name)},
        {"WEIGHTS", json_print(json_new_text(basename(export->path), arena), arena)},
        {"SIZES", arena_format(arena, "%d, %d, %d, %d, %d", (int)model->layers, (int)model->heads,
                               (int)model->width, (int)model->ffn, (int)model->vocabulary)},
        {"ACTIVATION", python(json_get(json, "activation"), arena)},
        {"FINAL_NORM", python(json_get(json, "final_norm"), arena)},
        {"OPTIONS", python_options(&export->config->position, arena)},
        {"METHOD", method->pytorch},
    };
    AtomicFile file;
    FILE *out = atomic_file_begin(&file, path, arena, err);
    for (const char *at = cmd_export_loader; out && *at;) {
        int used = 0;
        for (int i = 0; i < COUNT_OF(values) && *at == '@'; i++) {
            int size = (int)strlen(values[i].name);
            if (strncmp(at + 1, values[i].name, (size_t)size) != 0 || at[size + 1] != '@') continue;
            fputs(values[i].value, out);
            used = size + 2;
        }
        if (!used) fputc(*at, out);
        at += used ? used : 1;
    }
    return out && atomic_file_end(&file, true, err);
}

/* ---- tokens ---- */

static bool write_tokens(Export *export, SafetensorsTensor *tensors, int count, Error *err) {
    SafetensorsFile file = {.tensors = tensors, .count = count, .metadata = json_new_object(export->arena)};
    json_set_text(file.metadata, "key", export->key);
    json_set_text(file.metadata, "config", export->config->resolved);
    json_set_text(file.metadata, "corpus", export->corpus_hash);
    return safetensors_write(export->path, &file, err);
}

static Corpus *read_corpus(Export *export, Error *err) {
    const Config *config = export->config;
    Corpus *corpus =
        corpus_read(&config->data, (int)config->model.vocabulary, config->source, export->arena, err);
    if (!corpus || strcmp(corpus->hash, export->corpus_hash) == 0) return corpus;
    error_set(err, EXIT_USAGE,
              "%s: the corpus has changed since the training (its SHA-256 was %.16s and is %.16s)",
              config->source, export->corpus_hash, corpus->hash);
    return NULL;
}

/* The tensor NAME of the first stage, NAME.2 of the second, ... */
static int32_t *add_ids(Export *export, SafetensorsFile *file, const char *name, int stage, int64_t rows,
                        int64_t width) {
    int32_t *ids = NEW(export->arena, rows * width, int32_t);
    if (stage) name = arena_format(export->arena, "%s.%d", name, stage + 1);
    *ARENA_PUSH(export->arena, file->tensors, file->count) =
        (SafetensorsTensor){name, SAFETENSORS_I32, 2, {rows, width}, ids};
    return ids;
}

static bool add_batches(Export *export, SafetensorsFile *file, const Corpus *corpus, const TrainStage *stage,
                        int64_t updates, Error *err) {
    static const char *const names[] = {"batches", "targets", "positions"};
    int32_t *ids[COUNT_OF(names)] = {NULL};
    int length = stage->length, n = stage->sequences;
    int64_t before = (stage->first - stage->item_first) * n;
    if (updates > EXPORT_MAX_TOKENS / (n * (length + 1LL)))
        return error_set(err, EXIT_USAGE, "--batches %lld exceeds %d tokens; lower it",
                         (long long)export->options->batches, EXPORT_MAX_TOKENS);
    const TrainOptions *train = &export->config->train;
    Batches *batches = batches_of(corpus, length, n, train_in_order(train), (uint64_t)train->seed,
                                  stage->item, export->config->source, export->arena, err);
    for (int64_t row = 0; batches && row < updates * n; row++) {
        BatchesSequence sequence = batches_sequence(batches, before + row);
        const uint32_t *from[] = {sequence.tokens, sequence.targets, sequence.positions};
        for (int i = 0; i < COUNT_OF(names); i++) {
            int width = i ? length : length + 1;
            if (from[i] && !ids[i])
                ids[i] = add_ids(export, file, names[i], stage->index, updates * n, width);
            for (int t = 0; from[i] && t < width; t++) ids[i][row * width + t] = from[i][t];
        }
    }
    return batches != NULL;
}

static bool export_batches(Export *export, Error *err) {
    const TrainOptions *train = &export->config->train;
    int64_t updates = export->options->batches;
    Corpus *corpus = read_corpus(export, err);
    SafetensorsFile file = {0};
    for (int i = 0; corpus && i < train_stage_count(train) && updates > train_stage(train, i).first; i++) {
        TrainStage stage = train_stage(train, i);
        int64_t left = updates - stage.first, made = left;
        if (i + 1 < train_stage_count(train) && left > stage.updates) made = stage.updates;
        if (!add_batches(export, &file, corpus, &stage, made, err)) return false;
    }
    return corpus && write_tokens(export, file.tensors, file.count, err);
}

static bool export_split(Export *export, Error *err) {
    Corpus *corpus = read_corpus(export, err);
    if (!corpus) return false;
    if (corpus->examples)
        return error_set(err, EXIT_USAGE,
                         "--tokens: a task has no splits; --batches K exports training examples");
    const CorpusStream *stream = &corpus->splits[export->options->tokens];
    int32_t *ids = NEW(export->arena, stream->count, int32_t);
    for (int64_t i = 0; i < stream->count; i++) ids[i] = stream->tokens[i];
    return write_tokens(export, &(SafetensorsTensor){"tokens", SAFETENSORS_I32, 1, {stream->count, 1}, ids},
                        1, err);
}

static bool run(Database *store, const Arguments *arguments, Error *err) {
    const ExportOptions *options = arguments->options;
    const bool tokens = options->tokens != TOKENS_NONE;
    if (options->initial + (options->batches != 0) + tokens > 1)
        return error_set(err, EXIT_USAGE, "--initial, --batches and --tokens exclude each other; give one");
    if (options->loader && (options->batches || tokens))
        return error_set(err, EXIT_USAGE, "--loader is for weights; leave out --batches and --tokens");
    Export export = {.options = options,
                     .database = arguments->words[0],
                     .path = arguments->words[arguments->word_count - 1],
                     .store = store,
                     .arena = arguments->arena};
    RunsChoice choice = options->choice;
    if (arguments->word_count > 2) choice.key = arguments->words[1];
    bool (*write)(Export *, Error *) = options->initial   ? export_initial
                                       : options->batches ? export_batches
                                       : tokens           ? export_split
                                                          : export_trained;
    return find_run(&export, &choice, err) && (!options->loader || check_loader(&export, err)) &&
           write(&export, err) && (!options->loader || write_loader(&export, err));
}

const Command cmd_export = {
    .name = "export",
    .words = "DB [RUN] FILE",
    .summary = "Write a run's weights or tokens as safetensors",
    .text = "RUN is the key of a run, as `poslab runs` prints it, or the beginning of one. Without RUN, the\n"
            "options must select one run. With --loader, MODEL.py is written next to MODEL.safetensors.\n"
            "`python3 MODEL.py TOKENS LENGTH` prints the perplexity that poslab computes; TOKENS is a file\n"
            "written with --tokens.",
    .example = "poslab export results/quickstart.db --method alibi --seed 1 model.safetensors",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, ExportOptions),
    .mode = DATABASE_READ,
    .use = run,
};

/* --- the command `tasks` --- */

typedef struct TasksOptions {
    const char *const *sets, *hint;
    int64_t examples, size; /* size 0: examples of training */
    bool rows;
} TasksOptions;

static const OptionField tasks_options[] = {
    {"set", OPTION_TEXT, offsetof(TasksOptions, sets), .list = OPTION_ITEMS, .argument = "PATH=VALUE",
     .group = "Selection", .help = "set an option of the task, as in 'size=3'; repeatable"},
    {"examples", OPTION_INT, offsetof(TasksOptions, examples), .default_value = 3, .low = 1, .high = 1e8,
     .argument = "N", .group = "Selection", .help = "number of examples"},
    {"size", OPTION_INT, offsetof(TasksOptions, size), .low = 1, .high = 1 << 24, .argument = "N",
     .group = "Selection", .help = "examples of evaluation, of this size (default: examples of training)"},
    {"hint", OPTION_TEXT, offsetof(TasksOptions, hint), .argument = "NAME", .group = "Selection",
     .help = "with --size: rows of this hint (default: of the task itself)"},
    {"rows", OPTION_BOOL, offsetof(TasksOptions, rows), .group = "Output",
     .help = "print only the examples, each as a JSON object on a line"},
};

static bool print_tasks(FILE *out, Arena *arena, Error *err) {
    static const TableColumn columns[] = {
        {"task", "task", TABLE_TEXT, .code = true},
        {"asks", "asks for", TABLE_TEXT},
        {"paper", "paper", TABLE_TEXT},
    };
    Table *table = table_new(NULL, columns, COUNT_OF(columns), arena);
    for (int i = 0; i < task_count; i++) {
        const Task *task = task_list[i];
        TABLE_TEXTS(table_row(table), task->name, task->label, task->citation);
    }
    return table_print_one(table, TABLE_AS_TEXT, out, err);
}

static void print_example(FILE *out, const Examples *examples, const TaskRow *row, bool rows, Arena *arena) {
    const Json *example = examples_row_json(examples, row, arena);
    if (rows)
        fprintf(out, "%s\n", json_print(example, arena));
    else
        fprintf(out, "  %s\n      scored: %s\n", json_text(json_get(example, "text"), ""),
                json_text(json_get(example, "scored"), ""));
}

/* Examples 0, 1, ... of training, or of evaluation at a size. */
static bool print_examples(FILE *out, const Json *json, const TasksOptions *asked, Arena *arena, Error *err) {
    ExamplesOptions options;
    if (!examples_read(&options, json, "--set", arena, err) ||
        (asked->size && !examples_check_size(&options, asked->size, "tasks", "--size", err)))
        return false;
    int hint = examples_hint(&options, asked->hint);
    if (hint < 0) return error_set(err, EXIT_USAGE, "--hint: the task has no hint '%s'", asked->hint);
    if (asked->hint && !asked->size)
        return error_set(err, EXIT_USAGE,
                         "--hint needs --size; `--set hint.name=%s --set hint.share=1` is "
                         "for examples of training",
                         asked->hint);
    int64_t length =
        asked->size ? examples_test_length(&options, asked->size, hint) : examples_train_length(&options);
    Examples *examples = examples_new(&options, arena);
    TaskRow row = examples_row(examples, length, arena);
    if (!asked->rows) fprintf(out, "\nexamples  %s\n", json_print(examples_json(&options, arena), arena));
    for (int64_t i = 0; i < asked->examples; i++) {
        ArenaMark mark = arena_mark(arena);
        if (!asked->size)
            examples_train(examples, i, &row);
        else if (!examples_test(examples, asked->size, hint, i, &row, err))
            return false;
        print_example(out, examples, &row, asked->rows, arena);
        arena_release(arena, mark);
    }
    return true;
}

static bool show_task(const char *name, const TasksOptions *asked, Arena *arena, Error *err) {
    const char *nearest = NULL;
    const Task *task = task_find(name, &nearest);
    if (!task) return error_unknown(err, nearest, "`poslab tasks` lists them", "there is no task '%s'", name);
    Json *json = json_new_object(arena);
    json_set_text(json, "name", name);
    json_set_number(json, "size", (double)(task->smallest > 4 ? task->smallest : 4));
    for (const char *const *set = asked->sets; set && *set; set++)
        if (!grid_override(json, *set, "--set", err)) return false;
    return (asked->rows || cmd_methods_task(stdout, task, arena, err)) &&
           print_examples(stdout, json, asked, arena, err);
}

static ExitCode run_tasks(const Arguments *arguments, Error *err) {
    const TasksOptions *options = arguments->options;
    const char *name = arguments->words[0];
    Arena *arena = arguments->arena;
    if (!name && (options->rows || options->size || options->hint || options->sets))
        return error_set(err, EXIT_USAGE, "options for examples need a task; `poslab tasks` lists them"),
               err->code;
    bool fine = name ? show_task(name, options, arena, err) : print_tasks(stdout, arena, err);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_export_tasks = {
    .name = "tasks",
    .words = "[TASK]",
    .summary = "List the synthetic tasks, or show one task's options and examples",
    .text = "The examples are the first ones of training, at size 4 unless `--set` changes it. In rows,\n"
            "`targets` has the token to be predicted after each of `tokens`, null where nothing is scored.",
    .example = "poslab tasks addition --set 'size=3' --set order=reversed",
    ARGUMENT_OPTIONS(tasks_options, TasksOptions),
    .run = run_tasks,
    .paged = true,
};
