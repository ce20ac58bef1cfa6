/* table: for people, a table is converted to grids, and each format prints grids. */
#include "base/table.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/text.h"

const char *const table_format_names[] = {
    [TABLE_AS_TEXT] = "text", [TABLE_AS_MD] = "md",     [TABLE_AS_LATEX] = "latex",
    [TABLE_AS_CSV] = "csv",   [TABLE_AS_JSON] = "json", NULL};

Table *table_new(const char *title, const TableColumn *columns, int count, Arena *arena) {
    Table *table = NEW(arena, 1, Table);
    *table = (Table){.arena = arena, .columns = columns, .column_count = count, .title = title};
    return table;
}

TableCell *table_row(Table *table) {
    size_t columns = (size_t)table->column_count, rows = (size_t)table->rows++;
    table->cells = arena_extend(table->arena, table->cells, rows, columns * sizeof(TableCell));
    TableCell *row = table->cells + rows * columns;
    for (size_t c = 0; c < columns; c++) row[c] = table_number(NAN);
    return row;
}

TableCell table_text(const char *text) {
    return table_shown(NAN, text);
}

TableCell table_number(double number) {
    return table_shown(number, NULL);
}

TableCell table_shown(double number, const char *text) {
    return (TableCell){.text = text, .number = number};
}

TableCell *table_texts(TableCell *cell, const char *const *texts, int count) {
    for (int i = 0; i < count; i++) *cell++ = table_text(texts[i]);
    return cell;
}

TableCell *table_numbers(TableCell *cell, const double *numbers, int count) {
    for (int i = 0; i < count; i++) *cell++ = table_number(numbers[i]);
    return cell;
}

void table_note(Table *table, const char *note) {
    for (int i = 0; i < table->note_count; i++)
        if (!strcmp(table->notes[i], note)) return;
    *ARENA_PUSH(table->arena, table->notes, table->note_count) = note;
}

const char *table_perplexity(double perplexity, Arena *arena) {
    if (isnan(perplexity)) return "";
    if (perplexity >= 1e6) return arena_format(arena, "%.2e", perplexity);
    return arena_format(arena, "%.*f", perplexity < 100 ? 2 : perplexity < 1000 ? 1 : 0, perplexity);
}

static const TableCell *cell_of(const Table *table, int row, int column) {
    return &table->cells[(size_t)row * (size_t)table->column_count + (size_t)column];
}

/* --- grids --- */

/* The columns of a table by their function in its grids. */
typedef struct Layout {
    const Table *table;
    int *keys, key_count;     /* columns whose values distinguish lines */
    int *groups, group_count; /* columns whose values distinguish grids */
    int *shown, shown_count;  /* columns that are printed as columns */
    int spread, under, value; /* -1: none */
    int caption;              /* -1: none */
    Arena *arena;
} Layout;

static bool same_cell(const TableCell *a, const TableCell *b) {
    if (a->text && b->text) return !strcmp(a->text, b->text);
    if (a->text || b->text) return false;
    return a->number == b->number || (isnan(a->number) && isnan(b->number));
}

static bool same_cells(const Table *table, int a, int b, const int *columns, int count) {
    for (int i = 0; i < count; i++)
        if (!same_cell(cell_of(table, a, columns[i]), cell_of(table, b, columns[i]))) return false;
    return true;
}

static bool varies(const Table *table, int column) {
    for (int r = 1; r < table->rows; r++)
        if (!same_cell(cell_of(table, 0, column), cell_of(table, r, column))) return true;
    return false;
}

static Layout make_layout(const Table *table, Arena *arena) {
    Layout layout = {.table = table, .spread = -1, .under = -1, .value = -1, .caption = -1, .arena = arena};
    layout.keys = NEW(arena, table->column_count, int);
    layout.groups = NEW(arena, table->column_count, int);
    layout.shown = NEW(arena, table->column_count, int);
    for (int c = 0; c < table->column_count; c++) {
        const TableColumn *column = &table->columns[c];
        TableRole role = column->role;
        bool shown = column->head && (role == TABLE_SHOWN || role == TABLE_GROUP) &&
                     (!column->if_varying || varies(table, c));
        if (shown) layout.shown[layout.shown_count++] = c;
        if (shown || role == TABLE_KEY) layout.keys[layout.key_count++] = c;
        if (role == TABLE_GROUP) layout.groups[layout.group_count++] = c;
        if (role == TABLE_SPREAD) layout.spread = c;
        if (role == TABLE_SPREAD_HEAD) layout.under = c;
        if (role == TABLE_SPREAD_VALUE) layout.value = c;
        if (role == TABLE_CAPTION) layout.caption = c;
    }
    return layout;
}

static const char *people_text(const Table *table, int row, int column, Arena *arena) {
    const TableColumn *type = &table->columns[column];
    const TableCell *cell = cell_of(table, row, column);
    if (cell->text || isnan(cell->number)) return cell->text ? cell->text : "";
    if (type->type == TABLE_INT) return arena_format(arena, "%.0f", cell->number);
    if (type->decimals < 0) return table_perplexity(cell->number, arena);
    return arena_format(arena, "%.*f", type->decimals, cell->number);
}

/* The index in `places` of a row with the same values in `columns`; adds `row` if there is none. */
static int find_place(int *places, int *count, const Table *table, int row, const int *columns,
                      int column_count) {
    int place = 0;
    while (place < *count && !same_cells(table, places[place], row, columns, column_count)) place++;
    if (place == *count) places[(*count)++] = row;
    return place;
}

/* One row for each value of the spread column, in the order of their numbers; texts without a number stay
   in the order of the rows. */
static int find_spread(int *values, const Layout *layout, const int *rows, int count) {
    const Table *table = layout->table;
    int found = 0;
    for (int i = 0; layout->spread >= 0 && i < count; i++) {
        const TableCell *cell = cell_of(table, rows[i], layout->spread);
        if (isnan(cell->number) && !cell->text) continue;
        int known = found, place = find_place(values, &found, table, rows[i], &layout->spread, 1);
        for (; found > known && place > 0; place--) {
            if (!(cell->number < cell_of(table, values[place - 1], layout->spread)->number)) break;
            values[place] = values[place - 1];
            values[place - 1] = rows[i];
        }
    }
    return found;
}

static TableHead split_head(const char *head, const TableColumn *column, Arena *arena) {
    const char *end = strchrnul(head, '\n');
    return (TableHead){.lines = {arena_format(arena, "%.*s", (int)(end - head), head), *end ? end + 1 : ""},
                       .left = column->type == TABLE_TEXT,
                       .code = column->code};
}

static TableCell shown_cell(const Table *table, int row, int column, Arena *arena) {
    TableCell cell = *cell_of(table, row, column);
    cell.text = people_text(table, row, column, arena);
    return cell;
}

/* Makes the grid of these rows. */
static TableGrid make_grid(const Layout *layout, const int *rows, int count) {
    const Table *table = layout->table;
    Arena *arena = layout->arena;
    int *values = NEW(arena, count, int), *lines = NEW(arena, count, int), *line_of = NEW(arena, count, int);
    int spread = find_spread(values, layout, rows, count), shown = layout->shown_count;
    const char *hole = layout->value >= 0 && table->columns[layout->value].dashed ? "-" : "";
    TableGrid grid = {.caption = "", .columns = shown + spread};
    for (int i = 0; i < count; i++)
        if (layout->spread < 0)
            lines[line_of[i] = grid.rows++] = rows[i];
        else
            line_of[i] = find_place(lines, &grid.rows, table, rows[i], layout->keys, layout->key_count);
    grid.heads = NEW(arena, grid.columns, TableHead);
    grid.cells = NEW(arena, (size_t)grid.rows * (size_t)grid.columns, TableCell);
    if (layout->caption >= 0) grid.caption = people_text(table, rows[0], layout->caption, arena);
    for (int c = 0; c < shown; c++) {
        const TableColumn *column = &table->columns[layout->shown[c]];
        grid.heads[c] = split_head(column->head, column, arena);
        grid.two_lines |= *grid.heads[c].lines[1] != '\0';
        for (int line = 0; line < grid.rows; line++)
            grid.cells[line * grid.columns + c] = shown_cell(table, lines[line], layout->shown[c], arena);
    }
    for (int v = 0; v < spread; v++) {
        TableHead *head = &grid.heads[shown + v];
        *head = (TableHead){{people_text(table, values[v], layout->spread, arena), ""}, .spread = true};
        if (layout->under >= 0) head->lines[1] = people_text(table, values[v], layout->under, arena);
        grid.two_lines |= *head->lines[1] != '\0';
        for (int line = 0; line < grid.rows; line++)
            grid.cells[line * grid.columns + shown + v] = table_text(hole);
        for (int i = count - 1; i >= 0; i--) /* of several rows for one cell, the first one is shown */
            if (same_cell(cell_of(table, rows[i], layout->spread), cell_of(table, values[v], layout->spread)))
                grid.cells[line_of[i] * grid.columns + shown + v] =
                    shown_cell(table, rows[i], layout->value, arena);
    }
    return grid;
}

const TableGrid *table_grids(const Table *table, int *count, Arena *arena) {
    Layout layout = make_layout(table, arena);
    int *first = NEW(arena, table->rows, int), *grid_of = NEW(arena, table->rows, int);
    int *rows = NEW(arena, table->rows, int);
    *count = 0;
    for (int r = 0; r < table->rows; r++)
        grid_of[r] = find_place(first, count, table, r, layout.groups, layout.group_count);
    TableGrid *grids = NEW(arena, *count, TableGrid);
    for (int g = 0; g < *count; g++) {
        int size = 0;
        for (int r = 0; r < table->rows; r++)
            if (grid_of[r] == g) rows[size++] = r;
        grids[g] = make_grid(&layout, rows, size);
    }
    return grids;
}

/* Whether a text can be printed as code: a cell of Markdown cannot quote a bar or a backtick. */
static bool is_code(const TableHead *head, const char *text) {
    return head->code && *text && !strpbrk(text, "|`\\");
}

/* --- Markdown --- */

static void put_md_grid(const TableGrid *grid, FILE *out, Arena *arena) {
    for (int c = 0; c < grid->columns; c++) {
        fputs(c ? " | " : "| ", out);
        escape_put(ESCAPE_MARKDOWN, table_grid_head(&grid->heads[c], arena), out);
    }
    fputs(" |\n", out);
    for (int c = 0; c < grid->columns; c++) fputs(grid->heads[c].left ? "|:--" : "|--:", out);
    fputs("|\n", out);
    for (int i = 0; i < grid->rows * grid->columns; i++) {
        int c = i % grid->columns;
        bool code = is_code(&grid->heads[c], grid->cells[i].text);
        const char *mark = code ? "`" : grid->cells[i].best ? "**" : "";
        fprintf(out, "%s%s", c ? " | " : "| ", mark);
        escape_put(code ? ESCAPE_CODE : ESCAPE_MARKDOWN, grid->cells[i].text, out);
        fprintf(out, "%s%s", mark, c == grid->columns - 1 ? " |\n" : "");
    }
}

/* --- LaTeX --- */

static void put_tabular(const TableGrid *grid, FILE *out) {
    fputs("\\begin{tabular}{", out);
    for (int c = 0; c < grid->columns; c++) putc(grid->heads[c].left ? 'l' : 'r', out);
    fputs("}\n\\toprule\n", out);
    for (int r = TABLE_HEAD; r < grid->rows; r++) {
        for (int c = 0; c < grid->columns && (r != TABLE_UNDER || grid->two_lines); c++) {
            const char *text = table_grid_text(grid, r, c);
            bool best = r >= 0 && grid->cells[r * grid->columns + c].best;
            bool code = r >= 0 && is_code(&grid->heads[c], text);
            const char *mark = best ? "\\textbf{" : code ? "\\texttt{" : "";
            fputs(c ? " & " : "", out);
            /* {} prevents a row that begins with "[" from becoming an option of \\ */
            fputs(*mark ? mark : "{}", out);
            escape_put(ESCAPE_LATEX, text, out);
            fputs(*mark ? "}" : "", out);
            fputs(c == grid->columns - 1 ? " \\\\\n" : "", out);
        }
        fputs(r == TABLE_UNDER ? "\\midrule\n" : "", out);
    }
    fputs("\\bottomrule\n\\end{tabular}", out);
}

static void put_latex_grid(const TableGrid *grid, FILE *out, Arena *arena) {
    (void)arena;
    fputs("\\setbox0\\hbox{", out);
    put_tabular(grid, out);
    fputs("}\n\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\box0}"
          "\\else\\leavevmode\\box0\\fi\\par\\medskip\n",
          out);
}

/* --- formats for people --- */

typedef struct PeopleFormat { /* the text before and the text after, as "before|after" */
    Escape escape, code;
    const char *title, *caption, *note, *last_note, *signature;
    const char *gap; /* printed before grids, notes and signature */
    void (*put_grid)(const TableGrid *grid, FILE *out, Arena *arena);
} PeopleFormat;

static const PeopleFormat people[] = {
    [TABLE_AS_TEXT] = {ESCAPE_LINE, ESCAPE_LINE, "|\n", "|\n", "|\n", "|\n", "signature: |\n", "\n",
                       table_grid_put},
    [TABLE_AS_MD] = {ESCAPE_MARKDOWN, ESCAPE_CODE, "**|**\n", "|\n\n", "|\\\n", "|\n", "signature: `|`\n",
                     "\n", put_md_grid},
    [TABLE_AS_LATEX] = {ESCAPE_LATEX, ESCAPE_LATEX, "\\caption{|}\n", "|\\par\\smallskip\n", "|\\par\n",
                        "|\\par\n", "signature: \\texttt{|}\n", "", put_latex_grid},
};

/* width: of the screen, for plain text; 0: lines are not broken. */
static void put_text(Escape escape, const char *around, const char *text, int width, FILE *out,
                     Arena *arena) {
    const char *bar = strchr(around, '|');
    fwrite(around, 1, (size_t)(bar - around), out);
    if (width)
        table_grid_put_words(text, (int)(bar - around), 0, width, out, arena);
    else
        escape_put(escape, text, out);
    fputs(bar + 1, out);
}

static void print_people(const Table *table, const PeopleFormat *format, FILE *out) {
    Arena *arena = arena_new(0);
    int count, columns = 0, width = format == &people[TABLE_AS_TEXT] ? text_screen(out).width : 0;
    const TableGrid *grids = table_grids(table, &count, arena);
    bool latex = format->escape == ESCAPE_LATEX;
    const char *gap = table->title ? format->gap : ""; /* no gap before the first part */
    for (int g = 0; g < count; g++)
        if (grids[g].columns > columns) columns = grids[g].columns;
    if (latex)
        fprintf(out,
                "%% needs \\usepackage{booktabs,graphicx,textcomp}\n\\begin{table}[htbp]\n\\centering%s\n",
                columns > 8 ? "\\footnotesize\\setlength{\\tabcolsep}{2.5pt}" : "\\small");
    if (table->title) put_text(format->escape, format->title, table->title, width, out, arena);
    for (int g = 0; g < count; g++, gap = format->gap) {
        TableGrid grid = grids[g];
        table_grid_fit(&grid, width, arena);
        fputs(gap, out);
        if (*grid.caption) put_text(format->escape, format->caption, grid.caption, width, out, arena);
        format->put_grid(&grid, out, arena);
    }
    if (!count && table->column_count) fprintf(out, "%sNo rows.\n", gap);
    if (latex) fputs("\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\\sloppy\n", out);
    for (int i = 0; i < table->note_count; i++) {
        bool last = i == table->note_count - 1;
        fputs(i ? "" : format->gap, out);
        put_text(format->escape, last ? format->last_note : format->note, table->notes[i], width, out, arena);
    }
    if (table->signature) {
        fputs(format->gap, out);
        put_text(format->code, format->signature, table->signature, width, out, arena);
    }
    if (latex) fputs("\\end{minipage}\n\\end{table}\n", out);
    arena_free(arena);
}

/* Prints each grid as a LaTeX tabular. */
static void print_tabulars(const Table *table, FILE *out) {
    Arena *arena = arena_new(0);
    int count;
    const TableGrid *grids = table_grids(table, &count, arena);
    for (int g = 0; g < count; g++) {
        fputs(g ? "\n" : "", out);
        put_tabular(&grids[g], out);
        putc('\n', out);
    }
    arena_free(arena);
}

/* --- formats for programs --- */

static const char *program_text(const Table *table, int row, int column) {
    return table->columns[column].type == TABLE_TEXT ? cell_of(table, row, column)->text : NULL;
}

/* Row -1 is the header line. */
static void print_csv_row(const Table *table, int row, FILE *out) {
    const char *comma = "";
    for (int c = 0; c < table->column_count; c++) {
        const TableColumn *column = &table->columns[c];
        if (!column->name) continue;
        fputs(comma, out);
        comma = ",";
        for (const char *at = row < 0 ? column->name : ""; *at; at++)
            putc(*at == '.' && !column->path ? '_' : *at, out);
        if (row < 0) continue;
        if (program_text(table, row, c))
            escape_put(ESCAPE_CSV, program_text(table, row, c), out);
        else if (isfinite(cell_of(table, row, c)->number))
            fprintf(out, "%.17g", cell_of(table, row, c)->number);
    }
    putc('\n', out);
}

static Json *add_rows(Json *rows, const Table *table) {
    Arena *arena = json_arena(rows);
    for (int r = 0; r < table->rows; r++) {
        Json *row = json_new_object(arena);
        for (int c = 0; c < table->column_count; c++) {
            const TableColumn *column = &table->columns[c];
            const char *text = program_text(table, r, c);
            double number = cell_of(table, r, c)->number;
            if (!column->name || (!text && !isfinite(number))) continue;
            Json *value = text ? json_new_text(text, arena) : json_new_number(number, arena);
            if (strchr(column->name, '.') && !column->path)
                json_set_path(row, column->name, value, "table", &(Error){0});
            else
                json_add(row, column->name, value);
        }
        json_append(rows, row);
    }
    return rows;
}

Json *table_rows(const Table *table, Arena *arena) {
    return add_rows(json_new_array(arena), table);
}

bool table_for_programs(TableFormat format) {
    return format == TABLE_AS_CSV || format == TABLE_AS_JSON;
}

bool table_written(FILE *out, Error *err) {
    return (fflush(out) == 0 && !ferror(out)) || error_system(err, "cannot write the table");
}

bool table_print_json(const Json *document, FILE *out, Error *err) {
    fputs(json_print_pretty(document, json_arena(document)), out);
    return table_written(out, err);
}

bool table_print(const Table *const *tables, int count, TableFormat format, FILE *out, Error *err) {
    Arena *arena = arena_new(0);
    Json *rows = json_new_array(arena);
    if (count && format == TABLE_AS_CSV) print_csv_row(tables[0], -1, out);
    for (int t = 0; t < count; t++) {
        if (format == TABLE_AS_JSON)
            add_rows(rows, tables[t]);
        else if (format == TABLE_AS_CSV)
            for (int r = 0; r < tables[t]->rows; r++) print_csv_row(tables[t], r, out);
        else {
            fputs(t ? "\n" : "", out);
            format == TABLE_AS_TABULAR ? print_tabulars(tables[t], out)
                                       : print_people(tables[t], &people[format], out);
        }
    }
    bool fine = format == TABLE_AS_JSON ? table_print_json(rows, out, err) : table_written(out, err);
    arena_free(arena);
    return fine;
}

bool table_print_one(const Table *table, TableFormat format, FILE *out, Error *err) {
    return table_print(&table, 1, format, out, err);
}
