/* table: for people a table is first converted to grids of strings, which the formats text and md print. */
#include "base/table.h"

#include <math.h>
#include <string.h>

#include "base/escape.h"
#include "base/json.h"

const char *const table_format_names[] = {"text", "md", "csv", "json", NULL};

Table *table_new(const char *title, const TableColumn *columns, int count, Arena *arena) {
    Table *frame = NEW(arena, 1, Table);
    *frame = (Table){.arena = arena, .columns = columns, .column_count = count, .title = title};
    return frame;
}

TableCell *table_row(Table *frame) {
    size_t columns = (size_t)frame->column_count, rows = (size_t)frame->rows++;
    frame->cells = arena_extend(frame->arena, frame->cells, rows, columns * sizeof(TableCell));
    TableCell *row = frame->cells + rows * columns;
    for (size_t c = 0; c < columns; c++) row[c] = table_number(NAN);
    return row;
}

TableCell table_text(const char *text) {
    return (TableCell){.text = text, .number = NAN};
}

TableCell table_number(double number) {
    return (TableCell){.number = number};
}

void table_note(Table *frame, const char *note) {
    for (int i = 0; i < frame->note_count; i++)
        if (!strcmp(frame->notes[i], note)) return;
    if (frame->note_count == COUNT_OF(frame->notes)) BUG("more than %d notes", frame->note_count);
    frame->notes[frame->note_count++] = note;
}

const char *table_perplexity(double perplexity, Arena *arena) {
    if (isnan(perplexity)) return "";
    if (perplexity >= 1e6) return arena_format(arena, "%.2e", perplexity);
    return arena_format(arena, "%.*f", perplexity < 100 ? 2 : perplexity < 1000 ? 1 : 0, perplexity);
}

static const TableCell *cell_of(const Table *frame, int row, int column) {
    return &frame->cells[(size_t)row * (size_t)frame->column_count + (size_t)column];
}

static bool same_cell(const TableCell *a, const TableCell *b) {
    if (a->text && b->text) return !strcmp(a->text, b->text);
    if (a->text || b->text) return false;
    return a->number == b->number || (isnan(a->number) && isnan(b->number));
}

/* --- grids --- */

typedef struct TextGrid {
    int rows, columns;  /* the head is row 0 */
    const char **cells; /* [rows, columns] */
    bool *left;         /* [columns] aligned to the left */
    Arena *arena;
} TextGrid;

static const char **grid_at(const TextGrid *grid, int row, int column) {
    return &grid->cells[row * grid->columns + column];
}

static const char *people_text(const TableColumn *column, const TableCell *cell, Arena *arena) {
    if (cell->text) return cell->text;
    if (isnan(cell->number)) return "";
    if (column->type == TABLE_INT) return arena_format(arena, "%.0f", cell->number);
    if (column->decimals < 0) return table_perplexity(cell->number, arena);
    return arena_format(arena, "%.*f", column->decimals, cell->number);
}

/* The column with this flag, -1 if there is none. */
static int flagged(const Table *frame, int flag) {
    for (int c = 0; c < frame->column_count; c++)
        if (frame->columns[c].flags & flag) return c;
    return -1;
}

static bool is_key(const Table *frame, int column) {
    int flags = frame->columns[column].flags;
    if (!(flags & TABLE_FOR_PEOPLE) || flags & (TABLE_SPREAD | TABLE_SPREAD_VALUE)) return false;
    for (int r = 1; flags & TABLE_IF_VARYING && r < frame->rows; r++)
        if (!same_cell(cell_of(frame, 0, column), cell_of(frame, r, column))) return true;
    return !(flags & TABLE_IF_VARYING);
}

static bool same_cells(const Table *frame, int a, int b, bool (*which)(const Table *, int)) {
    for (int c = 0; c < frame->column_count; c++)
        if (which(frame, c) && !same_cell(cell_of(frame, a, c), cell_of(frame, b, c))) return false;
    return true;
}

static bool is_group(const Table *frame, int column) {
    return frame->columns[column].flags & TABLE_GROUP;
}

/* The different numbers of the TABLE_SPREAD column among the rows of a group, ascending. */
static int spread_values(double *values, const Table *frame, int first, int spread) {
    int count = 0;
    for (int r = first; spread >= 0 && r < frame->rows; r++) {
        double value = cell_of(frame, r, spread)->number;
        int index = 0;
        if (!same_cells(frame, first, r, is_group) || isnan(value)) continue;
        while (index < count && values[index] < value) index++;
        if (index < count && values[index] == value) continue;
        memmove(values + index + 1, values + index, (size_t)(count - index) * sizeof *values);
        values[index] = value;
        count++;
    }
    return count;
}

static int find_value(const double *values, int count, double value) {
    int index = 0;
    while (index < count && values[index] != value) index++;
    return index;
}

/* The grid of the group that begins with row `first`; NULL if that row belongs to an earlier one. */
static TextGrid *make_grid(const Table *frame, int first, Arena *arena) {
    for (int r = 0; r < first; r++)
        if (same_cells(frame, r, first, is_group)) return NULL;
    int spread = flagged(frame, TABLE_SPREAD), shown = flagged(frame, TABLE_SPREAD_VALUE), keys = 0,
        lines = 1;
    double *values = NEW(arena, frame->rows + 1, double);
    int value_count = spread_values(values, frame, first, spread);
    for (int c = 0; c < frame->column_count; c++) keys += is_key(frame, c);

    TextGrid *grid = NEW(arena, 1, TextGrid);
    *grid = (TextGrid){.columns = keys + value_count, .arena = arena};
    grid->left = NEW(arena, grid->columns, bool);
    grid->cells = NEW(arena, (frame->rows + 1) * grid->columns, const char *);
    for (int i = 0; i < (frame->rows + 1) * grid->columns; i++) grid->cells[i] = "";
    int *line_row = NEW(arena, frame->rows + 1, int); /* a row of the table in this line */
    for (int r = first; r < frame->rows; r++) {
        if (!same_cells(frame, first, r, is_group)) continue;
        int line = 1;
        while (line < lines && (spread < 0 || !same_cells(frame, line_row[line], r, is_key))) line++;
        if (line == lines) line_row[lines++] = r;
        if (spread < 0 || isnan(cell_of(frame, r, spread)->number)) continue;
        int index = find_value(values, value_count, cell_of(frame, r, spread)->number);
        *grid_at(grid, line, keys + index) =
            people_text(&frame->columns[shown], cell_of(frame, r, shown), arena);
    }
    grid->rows = lines;
    for (int c = 0, k = 0; c < frame->column_count; c++) {
        if (!is_key(frame, c)) continue;
        grid->left[k] = frame->columns[c].type == TABLE_TEXT;
        *grid_at(grid, 0, k) = frame->columns[c].head;
        for (int line = 1; line < lines; line++)
            *grid_at(grid, line, k) =
                people_text(&frame->columns[c], cell_of(frame, line_row[line], c), arena);
        k++;
    }
    for (int v = 0; v < value_count; v++)
        *grid_at(grid, 0, keys + v) = arena_format(arena, "%.10g", values[v]);
    return grid;
}

/* --- formats for people --- */

static void put_text_grid(const TextGrid *grid, FILE *out) {
    int *widths = NEW(grid->arena, grid->columns, int), total = -2;
    for (int c = 0; c < grid->columns; c++) {
        for (int r = 0; r < grid->rows; r++) {
            int width = escape_width(*grid_at(grid, r, c));
            if (width > widths[c]) widths[c] = width;
        }
        total += widths[c] + 2;
    }
    for (int r = 0; r < grid->rows; r++) {
        int spaces = 0; /* held back, so that no line ends in them */
        for (int c = 0; c < grid->columns; c++) {
            const char *text = *grid_at(grid, r, c);
            int padding = widths[c] - escape_width(text);
            spaces += (c ? 2 : 0) + (grid->left[c] ? 0 : padding);
            if (*text) {
                for (; spaces > 0; spaces--) putc(' ', out);
                escape_put(ESCAPE_LINE, text, out);
            }
            spaces += grid->left[c] ? padding : 0;
        }
        putc('\n', out);
        for (int i = 0; r == 0 && i <= total; i++) putc(i < total ? '-' : '\n', out);
    }
}

static void put_md_grid(const TextGrid *grid, FILE *out) {
    for (int r = 0; r < grid->rows; r++) {
        for (int c = 0; c < grid->columns; c++) {
            fputs(c ? " | " : "| ", out);
            escape_put(ESCAPE_MARKDOWN, *grid_at(grid, r, c), out);
        }
        fputs(" |\n", out);
        for (int c = 0; r == 0 && c < grid->columns; c++) fputs(grid->left[c] ? "|:--" : "|--:", out);
        if (r == 0) fputs("|\n", out);
    }
}

static void print_people(const Table *frame, bool md, FILE *out) {
    Escape format = md ? ESCAPE_MARKDOWN : ESCAPE_LINE;
    fputs(md ? "**" : "", out);
    escape_put(format, frame->title, out);
    fputs(md ? "**\n" : "\n", out);
    Arena *arena = arena_new(0);
    for (int r = 0; r < frame->rows; r++) {
        ArenaMark mark = arena_mark(arena);
        TextGrid *grid = make_grid(frame, r, arena);
        if (grid) putc('\n', out);
        if (grid) (md ? put_md_grid : put_text_grid)(grid, out);
        arena_release(arena, mark);
    }
    arena_free(arena);
    if (!frame->rows) fputs("\nThere is nothing to show.\n", out);
    if (frame->note_count) putc('\n', out);
    for (int i = 0; i < frame->note_count; i++) {
        fputs(md ? "- " : "", out);
        escape_put(format, frame->notes[i], out);
        putc('\n', out);
    }
    fputs(md ? "\nsignature: `" : "\nsignature: ", out);
    escape_put(md ? ESCAPE_CODE : ESCAPE_LINE, frame->signature, out);
    fputs(md ? "`\n" : "\n", out);
}

/* --- formats for programs --- */

static void print_csv(const Table *const *frames, int count, FILE *out) {
    const char *comma = "";
    for (int c = 0; count && c < frames[0]->column_count; c++) {
        const TableColumn *column = &frames[0]->columns[c];
        if (!(column->flags & TABLE_FOR_PROGRAMS)) continue;
        fprintf(out, "%s%s", comma, column->name);
        comma = ",";
    }
    putc('\n', out);
    for (int f = 0; f < count; f++)
        for (int r = 0; r < frames[f]->rows; r++) {
            comma = "";
            for (int c = 0; c < frames[f]->column_count; c++) {
                const TableCell *cell = cell_of(frames[f], r, c);
                if (!(frames[f]->columns[c].flags & TABLE_FOR_PROGRAMS)) continue;
                fputs(comma, out);
                comma = ",";
                if (cell->text)
                    escape_put(ESCAPE_CSV, cell->text, out);
                else if (isfinite(cell->number))
                    fprintf(out, "%.17g", cell->number);
            }
            putc('\n', out);
        }
}

static void print_json(const Table *const *frames, int count, FILE *out) {
    Arena *arena = arena_new(0);
    Json *rows = json_new_array(arena);
    for (int f = 0; f < count; f++)
        for (int r = 0; r < frames[f]->rows; r++) {
            Json *row = json_new_object(arena);
            for (int c = 0; c < frames[f]->column_count; c++) {
                const TableColumn *column = &frames[f]->columns[c];
                const TableCell *cell = cell_of(frames[f], r, c);
                if (!(column->flags & TABLE_FOR_PROGRAMS)) continue;
                if (cell->text)
                    json_set_text(row, column->name, cell->text);
                else if (isfinite(cell->number))
                    json_set_number(row, column->name, cell->number);
            }
            json_append(rows, row);
        }
    fputs(json_print_pretty(rows, arena), out);
    arena_free(arena);
}

bool table_print(const Table *const *frames, int count, int format, FILE *out, Error *err) {
    const char *name = table_format_names[format];
    if (!strcmp(name, "csv"))
        print_csv(frames, count, out);
    else if (!strcmp(name, "json"))
        print_json(frames, count, out);
    else
        for (int f = 0; f < count; f++) {
            if (f) putc('\n', out);
            print_people(frames[f], !strcmp(name, "md"), out);
        }
    return (fflush(out) == 0 && !ferror(out)) || error_system(err, "cannot write the analysis");
}
