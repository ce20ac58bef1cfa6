/* cmd_table: analysis/pivot.h makes tables for people; tables for programs list the evaluations of
 * analysis/results.h. Their columns have the names of the views `outcome` and `accuracy`.
 */
#include "cli/cmd_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "store/runs.h"
#include "analysis/pivot.h"
#include "analysis/selection.h"

/* --- tables for programs --- */

#define TEXT(NAME)                                                                                           \
    { #NAME, NULL, TABLE_TEXT }
#define WHOLE(NAME)                                                                                          \
    { #NAME, NULL, TABLE_INT }
#define REAL(NAME)                                                                                           \
    { #NAME, NULL, TABLE_REAL }
/* Named as in the view `outcome`; put_run fills them. */
#define RUN_COLUMNS                                                                                          \
    TEXT(experiment), TEXT(run_key), TEXT(method), TEXT(method_options), TEXT(label), TEXT(variant),         \
        WHOLE(train_length), WHOLE(seed)
static const TableColumn columns[] = {
    RUN_COLUMNS,        TEXT(split),      TEXT(protocol),      TEXT(stride_rule),  WHOLE(stride),
    WHOLE(eval_length), WHOLE(requested), TEXT(outcome),       REAL(nll),          WHOLE(tokens),
    WHOLE(windows),     REAL(perplexity), REAL(bits_per_byte), WHOLE(parameters),  WHOLE(position_parameters),
    TEXT(tokenizer),    TEXT(corpus),     TEXT(revision),      TEXT(eval_variant), TEXT(eval_precision),
    TEXT(database),
};

static const TableColumn task_columns[] = {
    RUN_COLUMNS,    TEXT(task),         TEXT(hint),          WHOLE(size),
    WHOLE(trained), TEXT(outcome),      WHOLE(examples),     WHOLE(exact),
    REAL(accuracy), REAL(accuracy_low), REAL(accuracy_high), WHOLE(tokens_right),
    WHOLE(tokens),  REAL(nll),          WHOLE(parameters),   WHOLE(position_parameters),
    TEXT(corpus),   TEXT(revision),     TEXT(eval_variant),  TEXT(eval_precision),
    TEXT(database),
};

/* Columns that depend on what is shown: for keys of the config, and `method_name` if it differs from
   `method`, which also says what sets a series apart from others of its method. */
typedef struct PathColumns {
    bool names;
    const char **paths;
    int count;
    TableFormat format;
} PathColumns;

/* One evaluation. */
typedef struct Evaluation {
    int experiment; /* in the order of the series */
    const Series *series;
    const SeriesCell *cell;
    const SeriesSeed *seed;
} Evaluation;

static int by_row(const void *a, const void *b) {
    const Evaluation *one = a, *other = b;
    if (one->experiment != other->experiment) return one->experiment < other->experiment ? -1 : 1;
    return one->seed->row < other->seed->row ? -1 : 1;
}

/* Adds a row with the cells of the run; returns the next one. */
static TableCell *put_run(Table *table, const Evaluation *evaluation) {
    const Series *series = evaluation->series;
    const SeriesSeed *seed = evaluation->seed;
    TableCell *row = TABLE_TEXTS(table_row(table), series->experiment, seed->run_key, series->plain_name,
                                 seed->method_options, series->run_label, series->setting);
    return TABLE_NUMBERS(row, series->train_length, seed->seed);
}

/* Fills the cells of an evaluation; returns the next one. */
static TableCell *put_text_row(TableCell *row, const Evaluation *evaluation) {
    const Series *series = evaluation->series;
    const SeriesSeed *seed = evaluation->seed;
    bool known = seed->evaluation != 0;
    row = TABLE_TEXTS(row, series->split, series->protocol, series->rule);
    row = TABLE_NUMBERS(row, evaluation->cell->stride, evaluation->cell->length, series->requested);
    row = TABLE_TEXTS(row, seed->outcome);
    row = TABLE_NUMBERS(row, seed->nats, known ? (double)seed->tokens : NAN,
                        known ? (double)seed->windows : NAN,
                        strcmp(seed->outcome, "done") ? NAN : exp(seed->loss), seed->bits_per_byte,
                        series->parameters, series->position_parameters);
    return TABLE_TEXTS(row, seed->tokenizer, series->corpus, known ? seed->revision : NULL, series->variant,
                       series->precision);
}

/* As put_text_row. Accuracy is the share of answered examples, with Wilson's 95 % interval. */
static TableCell *put_task_row(TableCell *row, const Evaluation *evaluation) {
    const Series *series = evaluation->series;
    const SeriesSeed *seed = evaluation->seed;
    int64_t size = evaluation->cell->length;
    bool done = !strcmp(seed->outcome, "done");
    double low = NAN, high = NAN;
    if (done) stats_wilson(&low, &high, seed->exact, seed->windows);
    row = TABLE_TEXTS(row, series->task, series_hint(series));
    row = TABLE_NUMBERS(row, size, series_trained_size(series, size));
    row = TABLE_TEXTS(row, seed->outcome);
    if (done)
        TABLE_NUMBERS(row, seed->windows, seed->exact, series_score(seed, SERIES_EXACT), low, high,
                      seed->tokens_right, seed->tokens, seed->nats);
    row = TABLE_NUMBERS(row + 8, series->parameters, series->position_parameters);
    return TABLE_TEXTS(row, series->corpus, done ? seed->revision : NULL, series->variant, series->precision);
}

static void put_row(Table *table, const Evaluation *evaluation, bool task, bool databases,
                    const PathColumns *more) {
    const Series *series = evaluation->series;
    TableCell *row = put_run(table, evaluation);
    row = task ? put_task_row(row, evaluation) : put_text_row(row, evaluation);
    if (databases) row = TABLE_TEXTS(row, series->database);
    if (more->names) row = TABLE_TEXTS(row, series->method);
    for (int i = 0; i < more->count; i++)
        row[i] = series_key_cell(series, more->paths[i], more->format, table->arena);
}

/* A row for each evaluation of the set, in the order of the config. databases: with the column `database`. */
static const Table *list_evaluations(const Results *set, bool databases, const PathColumns *more,
                                     Arena *arena) {
    Evaluation *evaluations = NULL;
    int count = 0, experiment = 0;
    for (int i = 0; i < set->count; i++) {
        const Series *series = &set->items[i], *last = &set->items[i ? i - 1 : 0];
        experiment +=
            strcmp(series->experiment, last->experiment) || strcmp(series->database, last->database);
        for (int k = 0; k < series->count; k++) {
            const SeriesCell *cell = &series->cells[k];
            for (int s = 0; s < cell->seeds_requested; s++)
                *ARENA_PUSH(arena, evaluations, count) =
                    (Evaluation){experiment, series, cell, &cell->seeds[s]};
        }
    }
    if (count) qsort(evaluations, (size_t)count, sizeof *evaluations, by_row);
    int own = (set->task ? COUNT_OF(task_columns) : COUNT_OF(columns)) - !databases;
    TableColumn *all = NEW(arena, own + 1 + more->count, TableColumn);
    memcpy(all, set->task ? task_columns : columns, (size_t)own * sizeof *all);
    if (more->names) all[own++] = (TableColumn)TEXT(method_name);
    for (int i = 0; i < more->count; i++)
        all[own + i] = (TableColumn){more->paths[i], NULL, TABLE_TEXT, .path = true};
    Table *table = table_new(NULL, all, own + more->count, arena);
    for (int i = 0; i < count; i++) put_row(table, &evaluations[i], set->task, databases, more);
    return table;
}

/* --- the command --- */

static const Table *make_table(const CmdTableOptions *options, const Results *set, Arena *arena, Error *err) {
    const PivotOptions pivot = {.rows = options->rows,
                                .columns = options->columns,
                                .ratio = options->ratio,
                                .paper = options->paper,
                                .metric = (SeriesMetric)options->metric,
                                .mark = ARGUMENT_FORMAT_GIVEN(options) != TABLE_AS_TEXT};
    const Table *table = pivot_table(set, &pivot, arena, err);
    if (!table || table->rows) return table;
    return table_new(arena_format(arena, "%s: no evaluations are requested", set->experiment), NULL, 0,
                     arena);
}

typedef struct Sets {
    const Results **items;
    int count;
} Sets;

/* Reads the requested experiments of a database. */
static bool read_sets(Sets *sets, Database *store, const CmdTableOptions *options, Arena *arena, Error *err) {
    const char *const *wanted = options->experiments;
    int count = 0;
    const char **names = database_experiments(store, NULL, &count, arena, err);
    if (!names) return false;
    for (int i = 0; i < count; i++) {
        bool chosen = !wanted;
        for (int k = 0; wanted && wanted[k]; k++) chosen |= !strcmp(wanted[k], names[i]);
        if (!chosen) continue;
        const Results *set = results_read(store, names[i], options->best, arena, err);
        if (!set) return false;
        *ARENA_PUSH(arena, sets->items, sets->count) = set;
    }
    return true;
}

static const char *const metric_names[] = {[SERIES_PERPLEXITY] = "auto",
                                           [SERIES_EXACT] = "exact",
                                           [SERIES_TOKENS] = "tokens",
                                           [SERIES_NLL] = "nll",
                                           [SERIES_BITS] = "bits",
                                           [SERIES_WORDS] = "words",
                                           NULL};

/* Checks that options and formats fit the experiments, on text or on tasks. joined: all rows in one table. */
static bool check_kinds(const CmdTableOptions *options, const Sets *sets, bool joined, Error *err) {
    for (int i = 0; i < sets->count; i++) {
        const Results *set = sets->items[i], *first = sets->items[0];
        bool text = options->metric == SERIES_BITS || options->metric == SERIES_WORDS;
        if (options->metric && text == (set->task != NULL))
            return error_set(err, EXIT_USAGE,
                             "--metric %s is for experiments on %s, but '%s' is on %s; select others with "
                             "--experiment",
                             metric_names[options->metric], text ? "text" : "tasks", set->experiment,
                             set->task ? "tasks" : "text");
        if (text && options->ratio)
            return error_set(err, EXIT_USAGE, "--ratio is of perplexities per token; leave out --metric");
        if ((joined || ARGUMENT_FORMAT_GIVEN(options) == TABLE_AS_CSV) && !set->task != !first->task)
            return error_set(
                err, EXIT_USAGE,
                "experiments on text and on tasks ('%s', '%s') have different columns; select some of one "
                "kind with --experiment",
                first->experiment, set->experiment);
    }
    return true;
}

static bool check_wanted(const Sets *sets, Database *const *stores, int count, const char *const *wanted,
                         Error *err) {
    for (; wanted && *wanted; wanted++) {
        int i = 0;
        while (i < sets->count && strcmp(sets->items[i]->experiment, *wanted) != 0) i++;
        if (i < sets->count) continue;
        return count > 1 ? error_set(err, EXIT_USAGE, "no database has an experiment '%s'", *wanted)
                         : error_set(err, EXIT_USAGE, "database '%s' has no experiment '%s'",
                                     database_path(stores[0]), *wanted);
    }
    return true;
}

bool cmd_table_print(Database *const *stores, int count, const CmdTableOptions *options, FILE *out,
                     Arena *arena, Error *err) {
    bool programs = table_for_programs(ARGUMENT_FORMAT_GIVEN(options));
    bool together = count > 1 || (options->experiments && options->experiments[0] && options->experiments[1]);
    Sets sets = {0};
    if (programs && (options->rows || options->columns || options->ratio || options->paper))
        return error_set(
            err, EXIT_USAGE,
            "--rows, --columns, --ratio and --paper are for text, md and latex; csv and json have a row for "
            "each evaluation");
    if (together && options->paper)
        return error_set(err, EXIT_USAGE, "--paper is for one database, and for at most one --experiment");
    for (int i = 0; i < count; i++)
        if (!read_sets(&sets, stores[i], options, arena, err)) return false;
    if (!check_wanted(&sets, stores, count, options->experiments, err) ||
        !check_kinds(options, &sets, together && !programs, err) ||
        !selection_apply(sets.items, &sets.count, options->where, NULL, arena, err))
        return false;
    PathColumns more = {.format = ARGUMENT_FORMAT_GIVEN(options)};
    if (sets.count) {
        const Results **joined = NEW(arena, 1, const Results *), *all;
        joined[0] = all = selection_join(sets.items, sets.count, arena);
        if (together && sets.count > 1) sets = (Sets){joined, 1};
        more = (PathColumns){results_names_differ(all), all->paths, all->path_count, more.format};
    }
    const Table **tables = NEW(arena, sets.count, const Table *);
    for (int i = 0; i < sets.count; i++) {
        tables[i] = programs ? list_evaluations(sets.items[i], count > 1, &more, arena)
                             : make_table(options, sets.items[i], arena, err);
        if (!tables[i]) return false;
    }
    return table_print(tables, sets.count, ARGUMENT_FORMAT_GIVEN(options), out, err);
}

/* --- its command line --- */

static const OptionField fields[] = {
    {"experiment", OPTION_TEXT, offsetof(CmdTableOptions, experiments), .list = OPTION_COMMAS,
     .argument = "NAME,...", .group = "Selection",
     .help = "only these experiments, all rows in one table (default: all, a table for each)"},
    ARGUMENT_WHERE(CmdTableOptions, where),
    ARGUMENT_BEST(CmdTableOptions, best),
    ARGUMENT_PAPER(CmdTableOptions, paper),
    {"rows", OPTION_TEXT, offsetof(CmdTableOptions, rows), .argument = "FIELD,...", .group = "Layout",
     .help = "fields whose values are the rows"},
    {"columns", OPTION_TEXT, offsetof(CmdTableOptions, columns), .argument = "FIELD", .group = "Layout",
     .help = "field whose values are the columns"},
    {"metric", OPTION_CHOICE, offsetof(CmdTableOptions, metric), .choices = metric_names,
     .argument = "METRIC", .group = "Layout",
     .help =
         "of tasks: share of examples answered completely (exact), share of right targets (tokens), nats per "
         "target (nll); of text: bits per byte (bits), perplexity per word (words), which can be compared "
         "between tokenizers"},
    {"ratio", OPTION_BOOL, offsetof(CmdTableOptions, ratio), .group = "Layout",
     .help = "print perplexity divided by that at the training length"},
    ARGUMENT_FORMAT(CmdTableOptions),
    {"bare", OPTION_BOOL, offsetof(CmdTableOptions, bare), .group = "Output",
     .help = "latex only: the tabular without title, captions, notes and signature"},
};

static ExitCode run(const Arguments *arguments, Error *err) {
    CmdTableOptions options = *(const CmdTableOptions *)arguments->options;
    if (options.bare && ARGUMENT_FORMAT_GIVEN(&options) != TABLE_AS_LATEX)
        return error_set(err, EXIT_USAGE, "--bare needs --format latex"), err->code;
    if (options.bare) options.format = TABLE_AS_TABULAR;
    int count = arguments->word_count;
    Database **stores = NEW(arguments->arena, count, Database *);
    bool fine = true;
    for (int i = 0; fine && i < count; i++) {
        stores[i] = database_open(arguments->words[i], DATABASE_READ, err);
        fine = stores[i] != NULL;
    }
    fine = fine && cmd_table_print(stores, count, &options, stdout, arguments->arena, err);
    for (int i = 0; i < count; i++) database_close(stores[i]);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_table = {
    .name = "table",
    .words = "DB...",
    .summary = "Print perplexities as a table, by default methods by evaluation lengths",
    .text =
        "For experiments on tasks it prints accuracies, by default methods by sizes: the median over\n"
        "seeds of the share of examples that are answered completely (`--metric auto` or `exact`).\n\n"
        "In md and latex the best numbers, and those not significantly worse, are bold. csv and json\n"
        "have one row for each evaluation, with full precision, and a column for each key of the config\n"
        "that varies. The rows of several databases are in one table.\n\n"
        "FIELD is method, evaluated, split, protocol, stride_rule, requested, train_length, eval_length,\n"
        "multiple, size (of tasks), seed, variant, parameters, position_parameters, corpus, source,\n"
        "eval_precision, eval_variant, experiment, database, or a key of the config by its path, as\n"
        "train.optimizer.lr or method.base.",
    .example = "poslab table results/quickstart.db --rows method,seed --where split=valid --format md",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, CmdTableOptions),
    .run = run,
    .paged = true,
};
