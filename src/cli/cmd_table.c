/* cmd_table: tables for people are made by analysis/pivot.h; tables for programs list the evaluations of
 * analysis/results.h, with columns named as in the view `outcome`.
 */
#include "cli/cmd_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/database.h"
#include "store/runs.h"
#include "analysis/observations.h"
#include "analysis/pivot.h"

/* --- tables for programs --- */

#define TEXT(NAME)                                                                                           \
    { #NAME, NULL, TABLE_TEXT, TABLE_FOR_PROGRAMS, 0 }
#define WHOLE(NAME)                                                                                          \
    { #NAME, NULL, TABLE_INT, TABLE_FOR_PROGRAMS, 0 }
#define REAL(NAME)                                                                                           \
    { #NAME, NULL, TABLE_REAL, TABLE_FOR_PROGRAMS, 0 }
/* Named as in the view `outcome`. */
static const TableColumn columns[] = {
    TEXT(experiment),     TEXT(run_key),
    TEXT(method),         TEXT(method_options),
    TEXT(label),          TEXT(variant),
    WHOLE(train_length),  WHOLE(seed),
    TEXT(split),          TEXT(protocol),
    TEXT(stride_rule),    WHOLE(stride),
    WHOLE(eval_length),   WHOLE(requested),
    TEXT(outcome),        REAL(nll),
    WHOLE(tokens),        WHOLE(windows),
    REAL(perplexity),     REAL(bits_per_byte),
    WHOLE(parameters),    WHOLE(position_parameters),
    TEXT(tokenizer),      TEXT(corpus),
    TEXT(revision),       TEXT(eval_variant),
    TEXT(eval_precision),
};

/* Columns for keys of the config. */
typedef struct PathColumns {
    const char **paths;
    int count;
    bool numbers; /* JSON has numbers; in CSV every value is a text: the shortest one that is this number */
} PathColumns;

/* One evaluation. */
typedef struct Evaluation {
    const Series *series;
    const SeriesCell *cell;
    const SeriesSeed *seed;
} Evaluation;

static int by_row(const void *a, const void *b) {
    const Evaluation *one = a, *other = b;
    return one->seed->row < other->seed->row ? -1 : 1;
}

static void put_row(Table *table, const char *experiment, const Evaluation *evaluation,
                    const PathColumns *more) {
    const Series *series = evaluation->series;
    const SeriesSeed *seed = evaluation->seed;
    bool known = seed->evaluation != 0;
    const TableCell cells[COUNT_OF(columns)] = {
        table_text(experiment),
        table_text(seed->run_key),
        table_text(series->method),
        table_text(seed->method_options),
        table_text(series->run_label),
        table_text(series->setting),
        table_number((double)series->train_length),
        table_number((double)seed->seed),
        table_text(series->split),
        table_text(series->protocol),
        table_text(series->rule),
        table_number((double)evaluation->cell->stride),
        table_number((double)evaluation->cell->length),
        table_number((double)series->requested),
        table_text(seed->outcome),
        table_number(seed->nats),
        table_number(known ? (double)seed->tokens : NAN),
        table_number(known ? (double)seed->windows : NAN),
        table_number(strcmp(seed->outcome, "done") ? NAN : exp(seed->loss)),
        table_number(seed->bits_per_byte),
        table_number((double)series->parameters),
        table_number((double)series->position_parameters),
        table_text(seed->tokenizer),
        table_text(series->corpus),
        table_text(known ? seed->revision : NULL),
        table_text(series->variant),
        table_text(series->precision),
    };
    TableCell *row = table_row(table);
    memcpy(row, cells, sizeof cells);
    for (int i = 0; i < more->count; i++) {
        const Json *value = json_at_path(series->config, more->paths[i]);
        row[COUNT_OF(columns) + i] = more->numbers && json_is_number(value)
                                         ? table_number(json_number(value, NAN))
                                     : value ? table_text(json_print_bare(value, table->arena))
                                             : table_number(NAN);
    }
}

/* The keys that vary in any experiment. */
static PathColumns list_paths(const Results *const *sets, int count, TableFormat format, Arena *arena) {
    PathColumns more = {.numbers = format == TABLE_AS_JSON};
    for (int s = 0; s < count; s++)
        for (int p = 0; p < sets[s]->path_count; p++) {
            int known = 0;
            while (known < more.count && strcmp(more.paths[known], sets[s]->paths[p]) != 0) known++;
            if (known == more.count) *ARENA_PUSH(arena, more.paths, more.count) = sets[s]->paths[p];
        }
    return more;
}

/* A row for each evaluation that the conditions allow, in the order of the config. */
static const Table *list_evaluations(const Results *set, const ObservationOptions *options,
                                     const PathColumns *more, Arena *arena, Error *err) {
    const ObservationList *list = observations_list(set, options, arena, err);
    if (!list) return NULL;
    Evaluation *evaluations = NULL;
    int count = 0;
    for (int i = 0; i < list->count; i++) {
        const SeriesCell *cell = list->items[i].cell;
        for (int s = 0; s < cell->seeds_requested; s++)
            *ARENA_PUSH(arena, evaluations, count) =
                (Evaluation){list->items[i].series, cell, &cell->seeds[s]};
    }
    if (count) qsort(evaluations, (size_t)count, sizeof *evaluations, by_row);
    TableColumn *all = NEW(arena, COUNT_OF(columns) + more->count, TableColumn);
    memcpy(all, columns, sizeof columns);
    for (int i = 0; i < more->count; i++)
        all[COUNT_OF(columns) + i] =
            (TableColumn){more->paths[i], NULL, TABLE_TEXT, TABLE_FOR_PROGRAMS | TABLE_PATH, 0};
    Table *table = table_new(NULL, all, COUNT_OF(columns) + more->count, arena);
    for (int i = 0; i < count; i++) put_row(table, set->experiment, &evaluations[i], more);
    return table;
}

/* --- the command --- */

static const Table *make_table(Database *store, const CmdTableOptions *options, const Results *set,
                               Arena *arena, Error *err) {
    const PivotOptions pivot = {.rows = options->rows,
                                .columns = options->columns,
                                .where = options->where,
                                .ratio = options->ratio,
                                .paper = options->paper,
                                .mark = options->format != TABLE_AS_TEXT};
    const Table *table = pivot_table(store, set, &pivot, arena, err);
    if (!table || table->rows) return table;
    return table_new(arena_format(arena, "%s: no evaluations are asked for", set->experiment), NULL, 0,
                     arena);
}

static bool print_all(Database *store, const CmdTableOptions *options, FILE *out, Arena *arena, Error *err) {
    int count = 0;
    const char **names = runs_experiments(store, options->experiment, &count, arena, err);
    if (!names) return false;
    ObservationFilter *where;
    ObservationOptions wanted = {.paper = options->paper};
    wanted.where_count = observations_parse_filters(&where, options->where, arena, err);
    wanted.where = where;
    if (wanted.where_count < 0) return false;
    if (table_for_programs(options->format) &&
        (options->rows || options->columns || options->ratio || options->paper))
        return error_set(
            err, EXIT_USAGE,
            "csv and json give every evaluation as it is: --rows, --columns, --ratio and --paper are for "
            "text, md and latex");
    const Results **sets = NEW(arena, count, const Results *);
    for (int i = 0; i < count; i++) {
        sets[i] = results_read(store, names[i], options->best, arena, err);
        if (!sets[i]) return false;
    }
    if (wanted.where_count > 0 && !observations_choose(sets, &count, &wanted, arena, err)) return false;
    const Table **tables = NEW(arena, count, const Table *);
    const PathColumns more = list_paths(sets, count, options->format, arena);
    for (int i = 0; i < count; i++) {
        tables[i] = table_for_programs(options->format)
                        ? list_evaluations(sets[i], &wanted, &more, arena, err)
                        : make_table(store, options, sets[i], arena, err);
        if (!tables[i]) return false;
    }
    return table_print(tables, count, options->format, out, err);
}

bool cmd_table_print(Database *store, const CmdTableOptions *options, FILE *out, Error *err) {
    Arena *arena = arena_new(0);
    bool fine = print_all(store, options, out, arena, err);
    arena_free(arena);
    return fine;
}

/* --- its command line --- */

typedef struct TableArguments {
    const char *experiment, *best, *rows, *columns;
    const char *const *where;
    int format;
    bool json, ratio, paper;
} TableArguments;

static const OptionField fields[] = {
    ARGUMENT_EXPERIMENT(TableArguments),
    ARGUMENT_WHERE(TableArguments),
    ARGUMENT_BEST(TableArguments),
    ARGUMENT_PAPER(TableArguments),
    {"rows", OPTION_TEXT, offsetof(TableArguments, rows), .argument = "FIELD,...", .group = "Layout",
     .help = "what the rows of the table are"},
    {"columns", OPTION_TEXT, offsetof(TableArguments, columns), .argument = "FIELD", .group = "Layout",
     .help = "what its columns are"},
    {"ratio", OPTION_BOOL, offsetof(TableArguments, ratio), .group = "Layout",
     .help = "print perplexity divided by that at the training length"},
    ARGUMENT_FORMAT(TableArguments),
};

static ExitCode run(const Arguments *arguments, Error *err) {
    const TableArguments *options = arguments->options;
    CmdTableOptions table = {.experiment = options->experiment,
                             .format = ARGUMENT_FORMAT_GIVEN(options),
                             .rows = options->rows,
                             .columns = options->columns,
                             .best = options->best,
                             .where = options->where,
                             .ratio = options->ratio,
                             .paper = options->paper};
    Database *store = database_open(arguments->words[0], DATABASE_READ, err);
    bool fine = store && cmd_table_print(store, &table, stdout, err);
    database_close(store);
    return fine ? EXIT_DONE : err->code;
}

const Command cmd_table = {
    .name = "table",
    .words = "DB",
    .fewest = 1,
    .most = 1,
    .summary = "Print perplexities as a table, by default methods by evaluation lengths",
    .text = "In md and latex the best numbers, and all that are not significantly worse, are bold. csv\n"
            "and json have one row for each evaluation, with full precision. FIELD is one of method,\n"
            "evaluated, split, protocol, stride_rule, requested, train_length, eval_length, multiple,\n"
            "seed, variant, parameters, position_parameters, corpus, source, eval_precision,\n"
            "eval_variant, or a key of the config by its path, as train.optimizer.lr or method.base. csv\n"
            "and json have a column for each key that varies.",
    .example = "poslab table results/quickstart.db --rows method,seed --where split=valid --format md",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, TableArguments),
    .run = run,
};
