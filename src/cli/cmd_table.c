/* cmd_table: tables for people are made by analysis/pivot.h; tables for programs are rows of the view
 * `outcome`.
 */
#include "cli/cmd_table.h"

#include <string.h>

#include "store/database.h"
#include "store/runs.h"
#include "analysis/curves.h"
#include "analysis/observations.h"
#include "analysis/pivot.h"

/* --- tables for programs --- */

/* Columns of the view `outcome`, before those of CURVES_LABEL and CURVES_NAME. */
#define TEXT(NAME)                                                                                           \
    { #NAME, NULL, TABLE_TEXT, TABLE_FOR_PROGRAMS, 0 }
#define WHOLE(NAME)                                                                                          \
    { #NAME, NULL, TABLE_INT, TABLE_FOR_PROGRAMS, 0 }
#define REAL(NAME)                                                                                           \
    { #NAME, NULL, TABLE_REAL, TABLE_FOR_PROGRAMS, 0 }
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

static Query *begin_rows(Database *store, const char *experiment, Arena *arena) {
    const char *list = columns[0].name;
    for (int i = 1; i < COUNT_OF(columns); i++) list = arena_format(arena, "%s, %s", list, columns[i].name);
    const char *sql = arena_format(arena,
                                   "SELECT %s, " CURVES_LABEL ", " CURVES_NAME
                                   " FROM outcome WHERE experiment = ? ORDER BY ordinal,"
                                   " eval_variant, split DESC, protocol, stride_rule, requested,"
                                   " eval_precision DESC, eval_length",
                                   list);
    const char *const parameters[] = {experiment, NULL};
    return query_begin(store, sql, parameters);
}

/* The conditions of --where on rows of the view. */
typedef struct Filter {
    const ObservationFilter *where;
    int count;
    Arena *arena;
} Filter;

static int find_column(const char *name) {
    for (int c = 0; c < COUNT_OF(columns); c++)
        if (!strcmp(columns[c].name, name)) return c;
    return -1;
}

static bool is_accepted(const Filter *filter, Query *query) {
    ArenaMark mark = arena_mark(filter->arena);
    bool accepted = true;
    for (int i = 0; accepted && i < filter->count; i++) {
        const ObservationField *field = filter->where[i].field;
        const char *values[4];
        int count = 1;
        if (field->shows == OBSERVATION_METHOD) {
            const int names[] = {find_column("method"), find_column("label"), COUNT_OF(columns),
                                 COUNT_OF(columns) + 1};
            for (count = 0; count < COUNT_OF(names); count++)
                values[count] = arena_copy(filter->arena, query_text(query, names[count]));
        } else if (find_column(field->name) >= 0)
            values[0] = arena_copy(filter->arena, query_text(query, find_column(field->name)));
        else /* only the multiple is left, see read_filter */
            values[0] = arena_format(filter->arena, "%.17g",
                                     query_real(query, find_column("eval_length")) /
                                         query_real(query, find_column("train_length")));
        accepted = observations_allow(filter->where, filter->count, field, values, count);
    }
    arena_release(filter->arena, mark);
    return accepted;
}

/* Whether csv and json have what the options name. */
static bool check_filter(const Filter *filter, const CmdTableOptions *options, Error *err) {
    for (int i = 0; i < filter->count; i++) {
        const ObservationField *field = filter->where[i].field;
        if (field->shows != OBSERVATION_METHOD && strcmp(field->name, "multiple") &&
            find_column(field->name) < 0)
            return error_set(err, EXIT_USAGE, "the formats csv and json have no field '%s'", field->name);
    }
    if (options->rows || options->columns || options->ratio || options->paper)
        return error_set(
            err, EXIT_USAGE,
            "csv and json give every evaluation as it is: --rows, --columns, --ratio and --paper are for "
            "text, md and latex");
    return true;
}

/* A row for each evaluation. */
static Table *read_rows(Database *store, const char *experiment, const Filter *filter, Error *err) {
    Arena *arena = filter->arena;
    Table *table = table_new(NULL, columns, COUNT_OF(columns), arena);
    Query *query = begin_rows(store, experiment, arena);
    while (query_next(query))
        if (is_accepted(filter, query))
            query_cells(table_row(table), query, columns, COUNT_OF(columns), arena);
    return query_end(query, err) ? table : NULL;
}

/* --- the command --- */

static const Table *make_table(Database *store, const CmdTableOptions *options, const Filter *filter,
                               const char *experiment, Error *err) {
    Arena *arena = filter->arena;
    if (table_for_programs(options->format)) return read_rows(store, experiment, filter, err);
    const PivotOptions pivot = {.rows = options->rows,
                                .columns = options->columns,
                                .where = options->where,
                                .ratio = options->ratio,
                                .paper = options->paper,
                                .mark = options->format != TABLE_AS_TEXT};
    const Table *table = pivot_table(store, experiment, &pivot, arena, err);
    if (!table || table->rows) return table;
    return table_new(arena_format(arena, "%s: no evaluations are asked for", experiment), NULL, 0, arena);
}

static bool print_all(Database *store, const CmdTableOptions *options, FILE *out, Arena *arena, Error *err) {
    ObservationFilter *where;
    int count = 0;
    const char **names = runs_experiments(store, options->experiment, &count, arena, err);
    if (!names) return false;
    Filter filter = {.count = observations_parse_filters(&where, options->where, arena, err), .arena = arena};
    filter.where = where;
    const ObservationOptions facts = {.where = where, .where_count = filter.count, .paper = options->paper};
    if (filter.count < 0 || (table_for_programs(options->format) && !check_filter(&filter, options, err)) ||
        (filter.count > 0 && !facts_choose(store, names, &count, &facts, arena, err)))
        return false;
    const Table **tables = NEW(arena, count, const Table *);
    for (int i = 0; i < count; i++) {
        tables[i] = make_table(store, options, &filter, names[i], err);
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
    const char *experiment, *rows, *columns;
    const char *const *where;
    int format;
    bool json, ratio, paper;
} TableArguments;

static const OptionField fields[] = {
    ARGUMENT_EXPERIMENT(TableArguments),
    {"where", OPTION_TEXT, offsetof(TableArguments, where), .list = OPTION_ITEMS, .argument = "FIELD=VALUE",
     .group = "Selection",
     .help = "only evaluations with this value; repeatable, several values of a field are alternatives"},
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
            "eval_variant.",
    .example = "poslab table results/quickstart.db --rows method,seed --where split=valid --format md",
    .exits = {{EXIT_DAMAGED, NULL}},
    ARGUMENT_OPTIONS(fields, TableArguments),
    .run = run,
};
