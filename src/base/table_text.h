/* table_text: grids of tables (base/table.h) as plain text, and how they fit a narrow terminal.
 *
 * A grid that is wider than the terminal first loses its constant columns: "trained at: 64; position params:
 * 0" becomes part of its caption. If it is still too wide, its columns are printed in blocks, one below the
 * other, each with the first columns again. These are all that precede the TABLE_SPREAD columns, or else
 * those of text; fewer if they take more than half of the width.
 */
#ifndef POSLAB_BASE_TABLE_TEXT_H
#define POSLAB_BASE_TABLE_TEXT_H

#include "base/table.h"

/* Moves constant columns into the caption if the grid is wider than `width` characters; 0: no limit. */
void table_text_fit(TableGrid *grid, int width, Arena *arena);

/* Prints the grid, in blocks if it is wider than the terminal that `out` is. */
void table_text_put_grid(const TableGrid *grid, FILE *out, Arena *arena);

#endif
