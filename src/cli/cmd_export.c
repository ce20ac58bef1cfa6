#include "cli/cmd_export.h"

#include <string.h>

#include "base/table.h"
#include "sys/atomic_file.h"
#include "data/batches.h"
#include "data/examples.h"
#include "experiment/grid.h"
#include "store/run_folder.h"
#include "store/runs.h"
#include "run/worker.h"
#include "cli/cmd_methods.h"

enum { EXPORT_MAX_TOKENS = 1 << 29 };

enum { TOKENS_NONE = -1 };

typedef struct ExportOptions {
    RunsChoice choice; /* without a key */
    bool initial, loader;
    int64_t batches; /* 0: not these */
    int tokens;      /* Split, or TOKENS_NONE */
} ExportOptions;

static const OptionField fields[] = {
    {"method", OPTION_TEXT, offsetof(ExportOptions, choice.method), .argument = "METHOD",
     .group = "Selection", .help = "the run with this method, by its name or its label in tables"},
    {"seed", OPTION_INT, offsetof(ExportOptions, choice.seed), .default_value = -1, .low = 0,
     .high = 9007199254740992, .argument = "N", .group = "Selection", .help = "the run with this seed"},
    {"length", OPTION_INT, offsetof(ExportOptions, choice.length), .default_value = -1, .low = 1, .high = 1e9,
     .argument = "N", .group = "Selection", .help = "the run with this training length"},
    {"setting", OPTION_TEXT, offsetof(ExportOptions, choice.setting), .argument = "TEXT",
     .group = "Selection", .help = "the run with these settings, as in 'train.optimizer.lr=0.001'"},
    {"loader", OPTION_BOOL, offsetof(ExportOptions, loader), .group = "Options",
     .help = "also write a Python program that loads the weights into PyTorch and computes perplexities"},
    {"initial", OPTION_BOOL, offsetof(ExportOptions, initial), .group = "In place of the trained weights",
     .help = "the weights before training"},
    {"batches", OPTION_INT, offsetof(ExportOptions, batches), .low = 1, .high = 1e12, .argument = "K",
     .group = "In place of the trained weights",
     .help = "the tokens of the first K updates: int32, [K * sequences, length + 1]; `batches.2` of a second "
             "stage"},
    {"tokens", OPTION_CHOICE, offsetof(ExportOptions, tokens), .default_value = TOKENS_NONE,
     .choices = corpus_split_names, .argument = "SPLIT", .group = "In place of the trained weights",
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
    const char *text = "";
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

/* Where the trained weights are: in the folder of one of the database's experiments. */
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
    if (!path || !safetensors_read(path, &file, export->arena, err)) return false;
    return (strcmp(json_text(json_get(file.metadata, "key"), ""), export->key) == 0 ||
            error_set(err, EXIT_DAMAGED, "'%s' holds the weights of another run", path)) &&
           train_state_load_tensors(make_model(export), &file, path, err) &&
           safetensors_write(export->path, &file, err);
}

static bool export_initial(Export *export, Error *err) {
    const Config *config = export->config;
    Model *model = make_model(export);
    model_init(model, (uint64_t)config->train.seed);
    return worker_write_model(export->path, model, export->key, config->resolved, export->corpus_hash, err);
}

/* ---- the loader ---- */

/* A JSON value in Python, which writes truth differently. */
static const char *python(const Json *value, Arena *arena) {
    if (!json_is_bool(value)) return json_print(value, arena);
    return json_bool(value) ? "True" : "False";
}

/* {"base": 10000, ...} */
static const char *python_options(const Encoding *position, Arena *arena) {
    const Json *json = encoding_json(position, arena);
    const char *list = "";
    for (const Json *value = json_first(json); value; value = json_next(value))
        if (strcmp(json_name(value), "name") != 0)
            list = arena_format(arena, "%s%s\"%s\": %s", list, *list ? ", " : "", json_name(value),
                                python(value, arena));
    return arena_format(arena, "{%s}", list);
}

/* The loader is for methods that say how they act in PyTorch, in plain attention. */
static bool check_loader(const Export *export, Error *err) {
    const PositionMethod *method = export->config->position.method;
    if (!method->pytorch) {
        const char *list = "";
        for (int i = 0; i < encoding_method_count; i++)
            if (encoding_methods[i]->pytorch)
                list =
                    arena_format(export->arena, "%s%s%s", list, *list ? ", " : "", encoding_methods[i]->name);
        return error_set(err, EXIT_USAGE,
                         "--loader: '%s' has no formula in PyTorch (the member 'pytorch' in methods/%s.c);"
                         " methods that have one: %s",
                         method->name, method->name, list);
    }
    AttentionOptions plain;
    Json *defaults = json_new_object(export->arena), *own = json_new_object(export->arena);
    options_default(&plain, attention_fields, attention_field_count);
    options_write(defaults, &plain, attention_fields, attention_field_count);
    options_write(own, &export->config->model.attention, attention_fields, attention_field_count);
    for (const Json *value = json_first(own); value; value = json_next(value)) {
        const char *key = json_name(value), *text = json_print(value, export->arena);
        if (strcmp(text, json_print(json_get(defaults, key), export->arena)) != 0)
            return error_set(err, EXIT_USAGE,
                             "--loader writes plain attention, but the run has 'model.attention.%s' = %s;"
                             " export its weights without --loader",
                             key, text);
    }
    return true;
}

/* FILE.py, or for FILE.safetensors the same name with .py. */
static const char *loader_path(const Export *export) {
    static const char ending[] = ".safetensors";
    size_t length = strlen(export->path), cut = strlen(ending);
    if (length > cut && strcmp(export->path + length - cut, ending) == 0) length -= cut;
    return arena_format(export->arena, "%.*s.py", (int)length, export->path);
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
              "%s: the corpus has changed since the run was planned (SHA-256 %.16s is now %.16s)",
              config->source, export->corpus_hash, corpus->hash);
    return NULL;
}

static void copy_ids(int32_t *to, const uint16_t *from, int64_t count) {
    for (int64_t t = 0; t < count; t++) to[t] = from[t];
}

/* The tensor NAME of the first stage, NAME.2 of the second, ... */
static SafetensorsTensor *add_ids(Export *export, SafetensorsFile *file, const char *name,
                                  const TrainStage *stage, int64_t rows, int64_t width) {
    SafetensorsTensor *tensor = ARENA_PUSH(export->arena, file->tensors, file->count);
    if (stage->index) name = arena_format(export->arena, "%s.%d", name, stage->index + 1);
    *tensor = (SafetensorsTensor){
        name, SAFETENSORS_I32, 2, {rows, width}, NEW(export->arena, rows * width, int32_t)};
    return tensor;
}

static bool add_batches(Export *export, SafetensorsFile *file, const Corpus *corpus, const TrainStage *stage,
                        int64_t updates, Error *err) {
    int64_t length = stage->length, width = length + 1, rows = updates * stage->sequences;
    Batches *batches = batches_of(corpus, stage->length, 1, (uint64_t) export->config->train.seed,
                                  stage->index, export->config->source, export->arena, err);
    if (!batches) return false;
    int32_t *ids = add_ids(export, file, "batches", stage, rows, width)->data, *targets = NULL;
    int32_t *positions = NULL;
    for (int64_t row = 0; row < rows; row++) {
        BatchesSequence sequence = batches_sequence(batches, row);
        if (sequence.targets && !targets)
            targets = add_ids(export, file, "targets", stage, rows, length)->data;
        if (sequence.positions && !positions)
            positions = add_ids(export, file, "positions", stage, rows, length)->data;
        copy_ids(ids + row * width, sequence.tokens, width);
        if (sequence.targets) copy_ids(targets + row * length, sequence.targets, length);
        if (sequence.positions) copy_ids(positions + row * length, sequence.positions, length);
    }
    return true;
}

static bool export_batches(Export *export, Error *err) {
    const TrainOptions *train = &export->config->train;
    int64_t updates = export->options->batches, shortest = train->length;
    for (int i = 0; i < train->stage_count; i++)
        if (train->stages[i].length < shortest) shortest = train->stages[i].length;
    if (updates > EXPORT_MAX_TOKENS / (train->tokens_per_step / shortest * (shortest + 1)))
        return error_set(err, EXIT_USAGE, "--batches %lld is more than %d tokens", (long long)updates,
                         EXPORT_MAX_TOKENS);
    Corpus *corpus = read_corpus(export, err);
    SafetensorsFile file = {0};
    for (int i = 0; corpus && i < train_stage_count(train) && updates > train_stage(train, i).first; i++) {
        TrainStage stage = train_stage(train, i);
        int64_t left = updates - stage.first, made = left;
        if (i < train->stage_count && left > stage.updates) made = stage.updates;
        if (!add_batches(export, &file, corpus, &stage, made, err)) return false;
    }
    return corpus && write_tokens(export, file.tensors, file.count, err);
}

static bool export_split(Export *export, Error *err) {
    Corpus *corpus = read_corpus(export, err);
    if (!corpus) return false;
    if (corpus->examples)
        return error_set(err, EXIT_USAGE,
                         "--tokens: a task has no splits; --batches N exports rows of training");
    const CorpusStream *stream = &corpus->splits[export->options->tokens];
    int32_t *ids = NEW(export->arena, stream->count, int32_t);
    for (int64_t i = 0; i < stream->count; i++) ids[i] = stream->tokens[i];
    return write_tokens(export, &(SafetensorsTensor){"tokens", SAFETENSORS_I32, 1, {stream->count, 1}, ids},
                        1, err);
}

static ExitCode run(const Arguments *arguments, Error *err) {
    const ExportOptions *options = arguments->options;
    const bool tokens = options->tokens != TOKENS_NONE;
    if (options->initial + (options->batches != 0) + tokens > 1)
        return error_set(err, EXIT_USAGE,
                         "only one of --initial, --batches and --tokens can be exported to one file"),
               err->code;
    if (options->loader && (options->batches || tokens))
        return error_set(err, EXIT_USAGE, "--loader loads weights, not what --batches and --tokens export"),
               err->code;
    Export export = {.options = options,
                     .database = arguments->words[0],
                     .path = arguments->words[arguments->word_count - 1],
                     .store = database_open(arguments->words[0], DATABASE_READ, err),
                     .arena = arguments->arena};
    if (!export.store) return err->code;
    RunsChoice choice = options->choice;
    if (arguments->word_count > 2) choice.key = arguments->words[1];
    bool fine = find_run(&export, &choice, err) && (!options->loader || check_loader(&export, err));
    if (fine && options->initial)
        fine = export_initial(&export, err);
    else if (fine && options->batches)
        fine = export_batches(&export, err);
    else if (fine && tokens)
        fine = export_split(&export, err);
    else if (fine)
        fine = export_trained(&export, err);
    if (fine && options->loader) fine = write_loader(&export, err);
    database_close(export.store);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_export = {
    .name = "export",
    .words = "DB [RUN] FILE",
    .summary = "Write a run's weights or tokens as safetensors",
    .text =
        "RUN is a run's key, as `poslab runs` prints it, or the beginning of one. Without it, the options\n"
        "must leave one run.\n"
        "The file holds the trained weights, or one of the following.\n"
        "With --loader, MODEL.py is written for MODEL.safetensors. `python3 MODEL.py TOKENS LENGTH` prints\n"
        "the perplexity that poslab computes; TOKENS is a file written with --tokens.",
    .example = "poslab export results/quickstart.db --method alibi --seed 1 model.safetensors",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, ExportOptions),
    .run = run,
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

static bool print_tasks(FILE *out, Arena *arena, Error *err) {
    static const TableColumn columns[] = {
        {"task", "task", TABLE_TEXT, TABLE_FOR_BOTH | TABLE_CODE, 0},
        {"asks", "asks for", TABLE_TEXT, TABLE_FOR_BOTH, 0},
        {"paper", "paper", TABLE_TEXT, TABLE_FOR_BOTH, 0},
    };
    Table *table = table_new(NULL, columns, COUNT_OF(columns), arena);
    for (int i = 0; i < task_count; i++) {
        TableCell *row = table_row(table);
        *row++ = table_text(task_list[i]->name);
        *row++ = table_text(task_list[i]->label);
        *row = table_text(task_list[i]->citation);
    }
    return table_print_one(table, TABLE_AS_TEXT, out, err);
}

/* The options in `data.task`; those of all tasks are in configs/README.md. */
static bool print_task(FILE *out, const Task *task, Arena *arena, Error *err) {
    const char *hints = "";
    for (const char *const *hint = task->hints ? task->hints : task_no_hints; *hint; hint++)
        hints = arena_format(arena, "%s%s%s", hints, *hints ? ", " : "", *hint);
    const char *title = arena_format(arena, "%s (%s): %s", task->name, task->label, task->citation);
    Table *table = cmd_methods_options(title, task->fields, task->field_count, arena);
    table_note(table, arena_format(arena, "size: %s, %lld to %lld; hints: %s", task->size,
                                   (long long)task->smallest, (long long)task->largest, hints));
    return table_print_one(table, TABLE_AS_TEXT, out, err);
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
    return print_task(stdout, task, arena, err) && print_examples(stdout, json, arena, err);
}

static ExitCode run_tasks(const Arguments *arguments, Error *err) {
    const TasksOptions *options = arguments->options;
    if (arguments->word_count)
        return show_task(arguments->words[0], options->sets, arguments->arena, err) ? EXIT_DONE : err->code;
    return print_tasks(stdout, arguments->arena, err) ? EXIT_DONE : err->code;
}

const Command cmd_export_tasks = {
    .name = "tasks",
    .words = "[TASK]",
    .summary = "List the synthetic tasks, or show one task's options and three examples",
    .text = "The examples are the first three of training at size 4, or as `--set` says.",
    .example = "poslab tasks addition --set 'size=3' --set order=reversed",
    ARGUMENT_OPTIONS(tasks_options, TasksOptions),
    .run = run_tasks,
};
