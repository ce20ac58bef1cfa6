/* table: see table.h. Text and Markdown are two ways to print the same grid of strings. */
#include "table.h"

#include <math.h>
#include <string.h>

#include "curves.h"

/* --- the grid --- */

enum { HEAD_ROWS = 2 }; /* names, and below the lengths their multiples of the training length */

typedef struct Grid {
    int rows, columns; /* head rows included */
    int left;          /* so many columns are aligned to the left, the others to the right */
    int before;        /* so many columns come before those of the evaluation lengths */
    const char **cells;
} Grid;

static const char **cell_at(const Grid *grid, int row, int column) {
    return &grid->cells[row * grid->columns + column];
}

/* Terminal columns of a text: code points, control characters shown as one. */
static int text_width(const char *text) {
    int width = 0;
    for (; *text; text++) width += (*text & 0xC0) != 0x80;
    return width;
}

/* Text as it may be printed on a terminal or in a table: names in a database could hold anything. */
static void put_text(const char *text, const char *escaped, FILE *out) {
    for (; *text; text++) {
        bool control = (unsigned char)*text < 0x20 || *text == 0x7F;
        if (strchr(escaped, *text)) putc('\\', out);
        putc(control ? '?' : *text, out);
    }
}

/* --- what stands in it --- */

/* Decimals that show a perplexity with at least three digits. */
static int decimals(double perplexity) {
    return perplexity < 100 ? 2 : perplexity < 1000 ? 1 : 0;
}

static const char *number_text(const CurveCell *cell, Arena *arena) {
    int digits = decimals(cell->mean);
    bool several = cell->seeds[OUTCOME_DONE] > 1;
    if (cell->mean >= 1e6)
        return several ? arena_format(arena, "%.2e ± %.1e", cell->mean, cell->deviation)
                       : arena_format(arena, "%.2e", cell->mean);
    return several ? arena_format(arena, "%.*f ± %.*f", digits, cell->mean, digits, cell->deviation)
                   : arena_format(arena, "%.*f", digits, cell->mean);
}

static const char *cell_text(const CurveCell *cell, Arena *arena) {
    static const char *const words[] = {"", "diverged", "failed", ">limit", "-"};
    if (!curves_asked(cell)) return "";
    Outcome outcome = curves_outcome(cell);
    if (outcome != OUTCOME_DONE) return words[outcome];
    int done = cell->seeds[OUTCOME_DONE], asked = curves_asked(cell);
    const char *number = number_text(cell, arena);
    return done < asked ? arena_format(arena, "%s (%d/%d)", number, done, asked) : number;
}

/* Explains "(2/3)" where it occurs; "" else. */
static const char *note_text(const Curves *curves) {
    for (int i = 0; i < curves->count; i++)
        for (int k = 0; k < curves->length_count; k++) {
            const CurveCell *cell = &curves->items[i].cells[k];
            int done = cell->seeds[OUTCOME_DONE];
            if (done && done < curves_asked(cell))
                return "\n(n/m): mean over n of m seeds; the others diverged, failed or are missing, see "
                       "`poslab "
                       "status`\n";
        }
    return "";
}

static const char *whole_text(int64_t number, Arena *arena) {
    return arena_format(arena, "%lld", (long long)number);
}

static const char *name_text(const Curve *curve, Arena *arena) {
    (void)arena;
    return curve->name;
}

static const char *train_length_text(const Curve *curve, Arena *arena) {
    return whole_text(curve->train_length, arena);
}

static const char *parameters_text(const Curve *curve, Arena *arena) {
    return whole_text(curve->position_parameters, arena);
}

/* The columns before the perplexities. */
static const struct {
    const char *heads[HEAD_ROWS];
    const char *(*text)(const Curve *curve, Arena *arena);
    bool left, only_if_several_protocols;
} columns[] = {
    {.heads = {"method", ""}, .text = name_text, .left = true},
    {.heads = {"evaluated on", ""}, .text = curves_protocol, .left = true, .only_if_several_protocols = true},
    {.heads = {"trained", "at"}, .text = train_length_text},
    {.heads = {"position", "params"}, .text = parameters_text},
};

/* Whether a curve belongs in the same table as another: the experiment asks for the same lengths of both. */
static bool same_table(const Curves *curves, const Curve *a, const Curve *b) {
    for (int k = 0; k < curves->length_count; k++)
        if (!curves_asked(&a->cells[k]) != !curves_asked(&b->cells[k])) return false;
    return true;
}

/* One evaluation length; its multiple of the training length stands above if all rows have the same. */
static void fill_column(Grid *grid, const Curve *const *rows, int column, int length_index,
                        const Curves *curves, Arena *arena) {
    bool one_length = true;
    for (int i = 0; i < grid->rows - HEAD_ROWS; i++) {
        *cell_at(grid, HEAD_ROWS + i, column) = cell_text(&rows[i]->cells[length_index], arena);
        one_length &= rows[i]->train_length == rows[0]->train_length;
    }
    double multiple = (double)curves->lengths[length_index] / (double)rows[0]->train_length;
    *cell_at(grid, 0, column) = whole_text(curves->lengths[length_index], arena);
    *cell_at(grid, 1, column) = one_length ? arena_format(arena, "%.4gx", multiple) : "";
}

/* The table that begins with the curve `first`; NULL if that one stands in an earlier table. */
static const Grid *make_grid(const Curves *curves, int first, Arena *arena) {
    const Curve *opener = &curves->items[first];
    for (int i = 0; i < first; i++)
        if (same_table(curves, &curves->items[i], opener)) return NULL;
    const Curve **rows = NEW(arena, curves->count, const Curve *);
    Grid *grid = NEW(arena, 1, Grid);
    grid->rows = HEAD_ROWS;
    for (int i = first; i < curves->count; i++)
        if (same_table(curves, &curves->items[i], opener)) rows[grid->rows++ - HEAD_ROWS] = &curves->items[i];
    grid->before = COUNT_OF(columns) - (curves->protocols < 2);
    grid->columns = grid->before;
    for (int k = 0; k < curves->length_count; k++) grid->columns += curves_asked(&opener->cells[k]) > 0;
    grid->cells = NEW(arena, grid->rows * grid->columns, const char *);

    int column = 0;
    for (int c = 0; c < COUNT_OF(columns); c++) {
        if (columns[c].only_if_several_protocols && curves->protocols < 2) continue;
        for (int i = 0; i < HEAD_ROWS; i++) *cell_at(grid, i, column) = columns[c].heads[i];
        for (int i = HEAD_ROWS; i < grid->rows; i++)
            *cell_at(grid, i, column) = columns[c].text(rows[i - HEAD_ROWS], arena);
        grid->left += columns[c].left;
        column++;
    }
    for (int k = 0; k < curves->length_count; k++)
        if (curves_asked(&opener->cells[k])) fill_column(grid, rows, column++, k, curves, arena);
    return grid;
}

static const char *title_text(const Curves *curves, Arena *arena) {
    const char *spread = curves->seeds > 1
                             ? arena_format(arena, ", mean ± standard deviation over %d seeds", curves->seeds)
                             : "";
    return arena_format(arena, "%s: perplexity by evaluation length%s", curves->experiment, spread);
}

/* --- formats for people --- */

static void print_text_row(const Grid *grid, int row, const int *widths, FILE *out) {
    int spaces = 0; /* held back, so that no line ends in them */
    for (int c = 0; c < grid->columns; c++) {
        const char *text = *cell_at(grid, row, c);
        int padding = widths[c] - text_width(text);
        spaces += (c ? 2 : 0) + (c < grid->left ? 0 : padding);
        if (*text) {
            for (; spaces > 0; spaces--) putc(' ', out);
            put_text(text, "", out);
        }
        spaces += c < grid->left ? padding : 0;
    }
    putc('\n', out);
}

static void print_text_grid(const Grid *grid, FILE *out, Arena *arena) {
    int *widths = NEW(arena, grid->columns, int), total = 0;
    for (int c = 0; c < grid->columns; c++) {
        for (int r = 0; r < grid->rows; r++) {
            int width = text_width(*cell_at(grid, r, c));
            if (width > widths[c]) widths[c] = width;
        }
        total += widths[c] + (c ? 2 : 0);
    }
    for (int r = 0; r < grid->rows; r++) {
        print_text_row(grid, r, widths, out);
        for (int i = 0; r == HEAD_ROWS - 1 && i <= total; i++) putc(i < total ? '-' : '\n', out);
    }
}

static void print_text(const Curves *curves, FILE *out, Arena *arena) {
    put_text(title_text(curves, arena), "", out);
    putc('\n', out);
    for (int first = 0; first < curves->count; first++) {
        const Grid *grid = make_grid(curves, first, arena);
        if (grid) putc('\n', out);
        if (grid) print_text_grid(grid, out, arena);
    }
    fputs(note_text(curves), out);
    fputs("\nsignature: ", out);
    put_text(curves->signature, "", out);
    putc('\n', out);
}

/* Characters that Markdown would take for its own. */
#define MARKDOWN "*_`|\\<[]"

/* Markdown has one head row: "128 (1x)". */
static void print_md_grid(const Grid *grid, FILE *out) {
    for (int c = 0; c < grid->columns; c++) {
        const char *above = *cell_at(grid, 0, c), *below = *cell_at(grid, 1, c);
        fprintf(out, "%s%s", c ? " | " : "| ", above);
        if (*below) fprintf(out, c < grid->before ? " %s" : " (%s)", below);
    }
    fputs(" |\n", out);
    for (int c = 0; c < grid->columns; c++) fputs(c < grid->left ? "|:--" : "|--:", out);
    fputs("|\n", out);
    for (int r = HEAD_ROWS; r < grid->rows; r++) {
        for (int c = 0; c < grid->columns; c++) {
            fputs(c ? " | " : "| ", out);
            put_text(*cell_at(grid, r, c), MARKDOWN, out);
        }
        fputs(" |\n", out);
    }
}

static void print_md(const Curves *curves, FILE *out, Arena *arena) {
    fputs("**", out);
    put_text(title_text(curves, arena), MARKDOWN, out);
    fputs("**\n", out);
    for (int first = 0; first < curves->count; first++) {
        const Grid *grid = make_grid(curves, first, arena);
        if (grid) putc('\n', out);
        if (grid) print_md_grid(grid, out);
    }
    fputs(note_text(curves), out);
    fputs("\nsignature: `", out);
    put_text(curves->signature, "", out);
    fputs("`\n", out);
}

/* --- formats for programs --- */

typedef enum TidyType { TIDY_TEXT, TIDY_WHOLE, TIDY_REAL } TidyType;

/* Columns of the view `outcome`. */
static const struct {
    const char *name;
    TidyType type;
} tidy[] = {
    {"experiment", TIDY_TEXT},    {"run_key", TIDY_TEXT},
    {"method", TIDY_TEXT},        {"method_options", TIDY_TEXT},
    {"label", TIDY_TEXT},         {"variant", TIDY_TEXT},
    {"train_length", TIDY_WHOLE}, {"seed", TIDY_WHOLE},
    {"split", TIDY_TEXT},         {"protocol", TIDY_TEXT},
    {"stride_rule", TIDY_TEXT},   {"stride", TIDY_WHOLE},
    {"eval_length", TIDY_WHOLE},  {"requested", TIDY_WHOLE},
    {"outcome", TIDY_TEXT},       {"nll", TIDY_REAL},
    {"tokens", TIDY_WHOLE},       {"windows", TIDY_WHOLE},
    {"perplexity", TIDY_REAL},    {"bits_per_byte", TIDY_REAL},
    {"parameters", TIDY_WHOLE},   {"position_parameters", TIDY_WHOLE},
    {"tokenizer", TIDY_TEXT},     {"corpus", TIDY_TEXT},
    {"revision", TIDY_TEXT},
};

static Query *begin_tidy(Store *store, const char *experiment, Arena *arena) {
    const char *list = tidy[0].name;
    for (int i = 1; i < COUNT_OF(tidy); i++) list = arena_format(arena, "%s, %s", list, tidy[i].name);
    const char *sql = arena_format(arena,
                                   "SELECT %s FROM outcome WHERE experiment = ? ORDER BY ordinal, split DESC,"
                                   " protocol, stride_rule, requested, eval_length",
                                   list);
    const char *const parameters[] = {experiment, NULL};
    return query_begin(store, sql, parameters);
}

/* A field after RFC 4180: quoted where it holds a comma, a quote or a line break. */
static void put_csv(const char *text, FILE *out) {
    bool quoted = text[strcspn(text, ",\"\r\n")] != '\0';
    if (quoted) putc('"', out);
    for (; *text; text++) {
        if (*text == '"') putc('"', out);
        putc(*text, out);
    }
    if (quoted) putc('"', out);
}

static void put_csv_field(Query *query, int column, FILE *out) {
    if (query_is_null(query, column)) return;
    if (tidy[column].type == TIDY_REAL)
        fprintf(out, "%.17g", query_real(query, column));
    else
        put_csv(query_text(query, column), out);
}

static bool print_csv(Store *store, const char *const *names, int count, FILE *out, Arena *arena, Err *err) {
    for (int c = 0; c < COUNT_OF(tidy); c++) fprintf(out, "%s%s", c ? "," : "", tidy[c].name);
    putc('\n', out);
    for (int i = 0; i < count; i++) {
        Query *query = begin_tidy(store, names[i], arena);
        while (query_next(query)) {
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

static bool print_json(Store *store, const char *const *names, int count, FILE *out, Arena *arena, Err *err) {
    Json *rows = json_new_array();
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        Query *query = begin_tidy(store, names[i], arena);
        while (query_next(query)) {
            Json *row = json_new_object();
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
    if (ok) fputs(json_print_pretty(rows, arena), out);
    json_free(rows);
    return ok;
}

/* --- the command --- */

static const struct {
    const char *name;
    void (*print)(const Curves *curves, FILE *out, Arena *arena); /* one experiment, gathered; or */
    bool (*print_tidy)(Store *store, const char *const *names, int count, FILE *out, Arena *arena, Err *err);
} formats[] = {
    {"text", .print = print_text},
    {"md", .print = print_md},
    {"csv", .print_tidy = print_csv},
    {"json", .print_tidy = print_json},
};

static bool print_each(Store *store, int format, const char *const *names, int count, FILE *out, Arena *arena,
                       Err *err) {
    for (int i = 0; i < count; i++) {
        const Curves *curves = curves_read(store, names[i], arena, err);
        if (!curves) return false;
        if (i) putc('\n', out);
        if (curves->count)
            formats[format].print(curves, out, arena);
        else
            fprintf(out, "%s: no evaluations are asked for\n", curves->experiment);
    }
    return true;
}

bool table_print(Store *store, const TableOptions *options, FILE *out, Err *err) {
    int format = 0, count = 0;
    while (options->format && format < COUNT_OF(formats) && strcmp(formats[format].name, options->format))
        format++;
    if (format == COUNT_OF(formats))
        return err_set(err, EXIT_USAGE, "unknown table format '%s'; there are text, md, csv and json",
                       options->format);
    Arena *arena = arena_new(0);
    const char **names = curves_experiments(store, options->experiment, &count, arena, err);
    bool ok =
        names && (formats[format].print ? print_each(store, format, names, count, out, arena, err)
                                        : formats[format].print_tidy(store, names, count, out, arena, err));
    arena_free(arena);
    if (ok && (fflush(out) != 0 || ferror(out))) return err_system(err, "cannot write the table");
    return ok;
}
