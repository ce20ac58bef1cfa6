/* cmd_table: tables for people are made by analysis/pivot.h; tables for programs are rows of the view
 * `outcome`.
 */
#include "cli/cmd_table.h"

#include <string.h>

#include "base/display_table.h"
#include "base/escape.h"
#include "base/json.h"
#include "store/database.h"
#include "store/runs.h"
#include "analysis/curves.h"
#include "analysis/observations.h"
#include "analysis/pivot.h"

/* --- formats for programs --- */

typedef enum TidyType { TIDY_TEXT, TIDY_WHOLE, TIDY_REAL } TidyType;

/* Columns of the view `outcome`, before those of `names`. */
static const struct {
    const char *name;
    TidyType type;
} tidy[] = {
    {"experiment", TIDY_TEXT},     {"run_key", TIDY_TEXT},
    {"method", TIDY_TEXT},         {"method_options", TIDY_TEXT},
    {"label", TIDY_TEXT},          {"variant", TIDY_TEXT},
    {"train_length", TIDY_WHOLE},  {"seed", TIDY_WHOLE},
    {"split", TIDY_TEXT},          {"protocol", TIDY_TEXT},
    {"stride_rule", TIDY_TEXT},    {"stride", TIDY_WHOLE},
    {"eval_length", TIDY_WHOLE},   {"requested", TIDY_WHOLE},
    {"outcome", TIDY_TEXT},        {"nll", TIDY_REAL},
    {"tokens", TIDY_WHOLE},        {"windows", TIDY_WHOLE},
    {"perplexity", TIDY_REAL},     {"bits_per_byte", TIDY_REAL},
    {"parameters", TIDY_WHOLE},    {"position_parameters", TIDY_WHOLE},
    {"tokenizer", TIDY_TEXT},      {"corpus", TIDY_TEXT},
    {"revision", TIDY_TEXT},       {"eval_variant", TIDY_TEXT},
    {"eval_precision", TIDY_TEXT},
};

static Query *begin_tidy(Database *store, const char *experiment, Arena *arena) {
    const char *list = tidy[0].name;
    for (int i = 1; i < COUNT_OF(tidy); i++) list = arena_format(arena, "%s, %s", list, tidy[i].name);
    const char *sql = arena_format(arena,
                                   "SELECT %s, " CURVES_LABEL ", " CURVES_NAME
                                   " FROM outcome WHERE experiment = ? ORDER BY ordinal,"
                                   " eval_variant, split DESC, protocol, stride_rule, requested,"
                                   " eval_precision DESC, eval_length",
                                   list);
    const char *const parameters[] = {experiment, NULL};
    return query_begin(store, sql, parameters);
}

static void put_csv_field(Query *query, int column, FILE *out) {
    if (query_is_null(query, column)) return;
    if (tidy[column].type == TIDY_REAL)
        fprintf(out, "%.17g", query_real(query, column));
    else
        escape_put(ESCAPE_CSV, query_text(query, column), out);
}

/* The conditions of --where on rows of the view. */
typedef struct Filter {
    const ObservationFilter *where;
    int count;
    Arena *arena;
} Filter;

static int tidy_column(const char *name) {
    for (int c = 0; c < COUNT_OF(tidy); c++)
        if (!strcmp(tidy[c].name, name)) return c;
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
            const int columns[] = {tidy_column("method"), tidy_column("label"), COUNT_OF(tidy),
                                   COUNT_OF(tidy) + 1};
            for (count = 0; count < COUNT_OF(columns); count++)
                values[count] = arena_copy(filter->arena, query_text(query, columns[count]));
        } else if (tidy_column(field->name) >= 0)
            values[0] = arena_copy(filter->arena, query_text(query, tidy_column(field->name)));
        else /* only the multiple is left, see read_filter */
            values[0] = arena_format(filter->arena, "%.17g",
                                     query_real(query, tidy_column("eval_length")) /
                                         query_real(query, tidy_column("train_length")));
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
            tidy_column(field->name) < 0)
            return error_set(err, EXIT_USAGE, "the formats csv and json have no field '%s'", field->name);
    }
    if (options->rows || options->columns || options->ratio || options->paper)
        return error_set(
            err, EXIT_USAGE,
            "csv and json give every evaluation as it is: --rows, --columns, --ratio and --paper are for "
            "text, md and latex");
    return true;
}

static bool print_csv(Database *store, const char *const *names, int count, const Filter *filter, FILE *out,
                      Error *err) {
    for (int c = 0; c < COUNT_OF(tidy); c++) fprintf(out, "%s%s", c ? "," : "", tidy[c].name);
    putc('\n', out);
    for (int i = 0; i < count; i++) {
        Query *query = begin_tidy(store, names[i], filter->arena);
        while (query_next(query)) {
            if (!is_accepted(filter, query)) continue;
            for (int c = 0; c < COUNT_OF(tidy); c++) {
                if (c) putc(',', out);
                put_csv_field(query, c, out);
            }
            putc('\n', out);
        }
        if (!query_end(query, err)) return false;
    }
    return true;
}

static bool print_json(Database *store, const char *const *names, int count, const Filter *filter, FILE *out,
                       Error *err) {
    Json *rows = json_new_array(filter->arena);
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        Query *query = begin_tidy(store, names[i], filter->arena);
        while (query_next(query)) {
            if (!is_accepted(filter, query)) continue;
            Json *row = json_new_object(filter->arena);
            for (int c = 0; c < COUNT_OF(tidy); c++) {
                if (query_is_null(query, c)) continue;
                if (tidy[c].type == TIDY_TEXT)
                    json_set_text(row, tidy[c].name, query_text(query, c));
                else
                    json_set_number(row, tidy[c].name, query_real(query, c));
            }
            json_append(rows, row);
        }
        ok = query_end(query, err);
    }
    if (ok) fputs(json_print_pretty(rows, filter->arena), out);
    return ok;
}

/* --- the command --- */

static const struct {
    const char *name;
    bool mark;                                            /* it can show which numbers are best */
    Escape escape;                                        /* of a text that is no table */
    void (*print)(const DisplayTableSet *set, FILE *out); /* one experiment; or */
    bool (*print_tidy)(Database *store, const char *const *names, int count, const Filter *filter, FILE *out,
                       Error *err);
} formats[] = {
    {"text", .print = display_table_print_text, .escape = ESCAPE_LINE},
    {"md", .print = display_table_print_md, .mark = true, .escape = ESCAPE_MARKDOWN},
    {"latex", .print = display_table_print_latex, .mark = true, .escape = ESCAPE_LATEX},
    {"csv", .print_tidy = print_csv},
    {"json", .print_tidy = print_json},
};

static bool print_each(Database *store, const CmdTableOptions *options, int format, const char *const *names,
                       int count, FILE *out, Arena *arena, Error *err) {
    const PivotOptions pivot = {.rows = options->rows,
                                .columns = options->columns,
                                .where = options->where,
                                .ratio = options->ratio,
                                .paper = options->paper,
                                .mark = formats[format].mark};
    for (int i = 0; i < count; i++) {
        const DisplayTableSet *set = pivot_tables(store, names[i], &pivot, arena, err);
        if (!set) return false;
        if (i) putc('\n', out);
        if (set->count)
            formats[format].print(set, out);
        else {
            escape_put(formats[format].escape, set->name, out);
            fputs(": no evaluations are asked for\n", out);
        }
    }
    return true;
}

static bool print_all(Database *store, const CmdTableOptions *options, int format, const char **names,
                      int count, FILE *out, Arena *arena, Error *err) {
    ObservationFilter *where;
    Filter filter = {.count = observations_parse_filters(&where, options->where, arena, err), .arena = arena};
    filter.where = where;
    const ObservationOptions facts = {.where = where, .where_count = filter.count, .paper = options->paper};
    bool tidied = !formats[format].print;
    if (filter.count < 0 || (tidied && !check_filter(&filter, options, err)) ||
        (filter.count > 0 && !facts_choose(store, names, &count, &facts, arena, err)))
        return false;
    return tidied ? formats[format].print_tidy(store, names, count, &filter, out, err)
                  : print_each(store, options, format, names, count, out, arena, err);
}

bool cmd_table_print(Database *store, const CmdTableOptions *options, FILE *out, Error *err) {
    int format = 0, count = 0;
    while (options->format && format < COUNT_OF(formats) && strcmp(formats[format].name, options->format))
        format++;
    if (format == COUNT_OF(formats))
        return error_set(err, EXIT_USAGE,
                         "unknown table format '%s'; there are text, md, latex, csv and json",
                         options->format);
    Arena *arena = arena_new(0);
    const char **names = runs_experiments(store, options->experiment, &count, arena, err);
    bool ok = names && print_all(store, options, format, names, count, out, arena, err);
    arena_free(arena);
    if (ok && (fflush(out) != 0 || ferror(out))) return error_system(err, "cannot write the table");
    return ok;
}
