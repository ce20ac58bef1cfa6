/* table_grid: a grid of texts, which is what people see of a table (base/table.h), and its printing as plain
 * text.
 *
 * A grid that is wider than the terminal first loses its constant columns: "trained at: 64; position params:
 * 0" becomes part of its caption. If it is still too wide, its columns are printed in blocks, one below the
 * other, each with the first columns again: those that distinguish the rows, or fewer if the widest of the
 * others does not fit next to them.
 */
#ifndef POSLAB_BASE_TABLE_GRID_H
#define POSLAB_BASE_TABLE_GRID_H

#include "base/arena.h"

typedef struct TableCell {
    const char
        *text;     /* of TABLE_TEXT; of numbers: what people see instead of the number; NULL: nothing else */
    double number; /* NAN: nothing */
    bool best;     /* bold, where the format can */
} TableCell;

typedef struct TableHead {
    const char *lines[2]; /* the second may be "" */
    bool left, code;
    bool spread; /* on one line: "128 (2x)"; else "trained at" */
} TableHead;

typedef struct TableGrid {
    const char *caption; /* "": none */
    TableHead *heads;    /* [columns] */
    TableCell *cells;    /* [rows, columns]; text is what to print, never NULL */
    int rows, columns;
    bool two_lines; /* some head has a second one */
} TableGrid;

enum { TABLE_HEAD = -2, TABLE_UNDER = -1 }; /* the rows of a grid's head */

/* The text of a cell or of a row of the head. */
const char *table_grid_text(const TableGrid *grid, int row, int column);

/* The head on one line. */
const char *table_grid_head(const TableHead *head, Arena *arena);

/* Moves constant columns into the caption if the grid is wider than `width` characters; 0: no limit. */
void table_grid_fit(TableGrid *grid, int width, Arena *arena);

/* Prints the grid, in blocks if it is wider than the terminal that `out` is. */
void table_grid_put(const TableGrid *grid, FILE *out, Arena *arena);

#endif
