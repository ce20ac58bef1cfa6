#include "base/table_grid.h"

#include <string.h>

#include "base/escape.h"
#include "base/text.h"

enum { GAP = 2 }; /* spaces between columns */

const char *table_grid_text(const TableGrid *grid, int row, int column) {
    if (row < 0) return grid->heads[column].lines[row - TABLE_HEAD];
    return grid->cells[row * grid->columns + column].text;
}

const char *table_grid_head(const TableHead *head, Arena *arena) {
    if (!*head->lines[1]) return head->lines[0];
    return arena_format(arena, head->spread ? "%s (%s)" : "%s %s", head->lines[0], head->lines[1]);
}

/* --- widths --- */

static int column_width(const TableGrid *grid, int column) {
    int most = 0;
    for (int r = TABLE_HEAD; r < grid->rows; r++) {
        int width = escape_width(table_grid_text(grid, r, column));
        if (width > most) most = width;
    }
    return most;
}

/* The width of columns first .. end - 1. */
static int range_width(const int *widths, int first, int end) {
    int total = 0;
    for (int c = first; c < end; c++) total += widths[c] + (c > first ? GAP : 0);
    return total;
}

static int *column_widths(const TableGrid *grid, Arena *arena) {
    int *widths = NEW(arena, grid->columns, int);
    for (int c = 0; c < grid->columns; c++) widths[c] = column_width(grid, c);
    return widths;
}

/* --- constant columns --- */

static bool is_constant(const TableGrid *grid, int column) {
    if (!column || grid->heads[column].spread || grid->rows < 2) return false;
    for (int r = 1; r < grid->rows; r++)
        if (strcmp(table_grid_text(grid, 0, column), table_grid_text(grid, r, column)) != 0) return false;
    return true;
}

void table_grid_fit(TableGrid *grid, int width, Arena *arena) {
    const TableGrid all = *grid;
    if (!width || range_width(column_widths(grid, arena), 0, grid->columns) <= width) return;
    int *kept = NEW(arena, all.columns, int);
    grid->columns = 0;
    grid->two_lines = false;
    for (int c = 0; c < all.columns; c++) {
        const char *text = all.rows ? table_grid_text(&all, 0, c) : "";
        if (!is_constant(&all, c))
            kept[grid->columns++] = c;
        else if (*text)
            grid->caption = arena_format(arena, "%s%s%s: %s", grid->caption, *grid->caption ? "; " : "",
                                         table_grid_head(&all.heads[c], arena), text);
    }
    grid->heads = NEW(arena, grid->columns, TableHead);
    grid->cells = NEW(arena, (size_t)grid->rows * (size_t)grid->columns, TableCell);
    for (int c = 0; c < grid->columns; c++) {
        grid->heads[c] = all.heads[kept[c]];
        grid->two_lines |= *grid->heads[c].lines[1] != '\0';
        for (int r = 0; r < grid->rows; r++)
            grid->cells[r * grid->columns + c] = all.cells[r * all.columns + kept[c]];
    }
}

/* --- printing --- */

/* The columns of a block: the first `repeated` columns, then from .. end - 1. */
typedef struct Block {
    int repeated, from, end;
} Block;

static void put_row(const TableGrid *grid, int row, const Block *block, const int *widths, FILE *out) {
    int spaces = 0; /* not yet printed, so that no line ends with spaces */
    for (int c = 0; c < block->end; c++) {
        if (c == block->repeated) c = block->from;
        const char *text = table_grid_text(grid, row, c);
        int padding = widths[c] - escape_width(text);
        spaces += (c ? GAP : 0) + (grid->heads[c].left ? 0 : padding);
        if (*text) {
            for (; spaces > 0; spaces--) putc(' ', out);
            escape_put(ESCAPE_LINE, text, out);
        }
        spaces += grid->heads[c].left ? padding : 0;
    }
    putc('\n', out);
}

static void put_block(const TableGrid *grid, const Block *block, const int *widths, FILE *out) {
    int before = range_width(widths, 0, block->repeated),
        after = range_width(widths, block->from, block->end);
    int total = before + (before && after ? GAP : 0) + after;
    for (int r = TABLE_HEAD; r < grid->rows; r++) {
        if (r != TABLE_UNDER || grid->two_lines) put_row(grid, r, block, widths, out);
        for (int i = 0; r == TABLE_UNDER && i <= total; i++) putc(i < total ? '-' : '\n', out);
    }
}

/* Whether the first `count` columns distinguish all rows. */
static bool distinguish(const TableGrid *grid, int count) {
    for (int a = 0; a < grid->rows; a++)
        for (int b = 0, c; b < a; b++) {
            for (c = 0; c < count; c++)
                if (strcmp(table_grid_text(grid, a, c), table_grid_text(grid, b, c)) != 0) break;
            if (c == count) return false;
        }
    return true;
}

/* The number of first columns that each block repeats. */
static int count_repeated(const TableGrid *grid, const int *widths, int width) {
    int count = 1, widest = 0;
    while (count < grid->columns - 1 && !distinguish(grid, count)) count++;
    for (int c = count; c < grid->columns; c++)
        if (widths[c] > widest) widest = widths[c];
    while (count > 1 && range_width(widths, 0, count) + GAP + widest > width) {
        count--;
        if (widths[count] > widest) widest = widths[count];
    }
    return count;
}

void table_grid_put(const TableGrid *grid, FILE *out, Arena *arena) {
    int *widths = column_widths(grid, arena), width = text_screen(out).width;
    bool wraps = width && grid->columns > 1 && range_width(widths, 0, grid->columns) > width;
    Block block = {.repeated = wraps ? count_repeated(grid, widths, width) : 0};
    for (block.from = block.repeated; block.from < grid->columns; block.from = block.end) {
        int used = range_width(widths, 0, block.repeated);
        for (block.end = block.from; block.end < grid->columns; block.end++) {
            used += GAP + widths[block.end];
            if (wraps && used > width && block.end > block.from) break;
        }
        fputs(block.from > block.repeated ? "\n" : "", out);
        put_block(grid, &block, widths, out);
    }
}

void table_grid_put_words(const char *text, int column, int indent, int width, FILE *out, Arena *arena) {
    char *rest = arena_copy(arena, text), *word = strsep(&rest, " ");
    for (int space = 0; word; space = 1, word = strsep(&rest, " ")) {
        int size = escape_width(word);
        bool breaks = column && column + space + size > width;
        if (breaks)
            fprintf(out, "\n%*s", indent, "");
        else if (space)
            putc(' ', out);
        escape_put(ESCAPE_LINE, word, out);
        column = (breaks ? indent : column + space) + size;
    }
}
