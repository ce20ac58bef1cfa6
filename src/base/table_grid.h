/* table_grid: a grid of texts, which is a table as people see it (base/table.h), and its output as plain
 * text.
 *
 * If a grid is wider than the terminal, its constant columns first move to the caption: "trained at: 64;
 * position params: 0". If it is still too wide, its columns are printed in blocks, one below the other.
 * Each block repeats the first columns that distinguish the rows, or fewer if the widest other column does
 * not fit next to them.
 */
#ifndef POSLAB_BASE_TABLE_GRID_H
#define POSLAB_BASE_TABLE_GRID_H

#include "base/arena.h"

typedef struct TableCell {
    const char *text; /* the value of TABLE_TEXT; for numbers the text that people see, or NULL */
    double number;    /* NAN: no number */
    bool best;        /* bold, if the format can */
} TableCell;

typedef struct TableHead {
    const char *lines[2]; /* the second may be "" */
    bool left, code;
    bool spread; /* how two lines are joined: "128 (2x)" if set, otherwise "trained at" */
} TableHead;

typedef struct TableGrid {
    const char *caption; /* "": none */
    TableHead *heads;    /* [columns] */
    TableCell *cells;    /* [rows, columns]; texts are final and never NULL */
    int rows, columns;
    bool two_lines; /* some heads have two lines */
} TableGrid;

enum { TABLE_HEAD = -2, TABLE_UNDER = -1 }; /* row numbers of the two lines of the head */

/* The text of a cell or of a row of the head. */
const char *table_grid_text(const TableGrid *grid, int row, int column);

/* The two lines of a head as one line. */
const char *table_grid_head(const TableHead *head, Arena *arena);

/* Moves constant columns to the caption if the grid is wider than `width` characters; 0: no limit. */
void table_grid_fit(TableGrid *grid, int width, Arena *arena);

/* Prints the grid, in blocks if it is wider than the terminal of `out`. */
void table_grid_put(const TableGrid *grid, FILE *out, Arena *arena);

/* Prints a text whose first character is in this column, broken at spaces into lines of at most `width`;
   further lines begin in column `indent`. */
void table_grid_put_words(const char *text, int column, int indent, int width, FILE *out, Arena *arena);

#endif
