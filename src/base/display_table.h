/* sheet: tables for people, and their printing as text, Markdown and LaTeX.
 *
 * A sheet has columns with a head of two lines, and rows of cells. Sheets that belong together share a title,
 * notes and a signature that says what the numbers are of. A cell is a text that nobody trusts: every format
 * escapes what it would take for its own. LaTeX compiles as it stands, and is a table to \input within a
 * document that loads booktabs, graphicx and textcomp; what is wider than the page is scaled down to it.
 */
#ifndef POSLAB_SHEET_H
#define POSLAB_SHEET_H

#include "base/arena.h"

typedef struct SheetColumn {
    const char *head,
        *under;    /* two lines: "trained", "at"; or what is measured, and more about it: "128", "2x" */
    bool left;     /* aligned to the left, else to the right */
    bool measured; /* on one line: "128 (2x)"; else "trained at" */
} SheetColumn;

typedef struct SheetCell {
    const char *text; /* NULL: empty */
    double value;     /* of a number, for sorting; NAN: none */
    bool best;        /* printed bold, where the format can */
} SheetCell;

typedef struct Sheet {
    const char *caption; /* what all of this sheet has in common; "" */
    SheetColumn *columns;
    SheetCell *cells; /* [rows, column_count] */
    int column_count, rows;
} Sheet;

typedef struct SheetSet {
    const char *name; /* of the experiment */
    const char *title, *signature;
    Sheet *items;
    const char *notes[8];
    int count, note_count;
} SheetSet;

Sheet sheet_new(int rows, int columns, Arena *arena);
SheetCell *sheet_cell(const Sheet *sheet, int row, int column);

/* A note is there once, however often it is added. At most 8. */
void sheet_note(SheetSet *set, const char *note);

/* "128 (2x)", "trained at" */
const char *sheet_head(const SheetColumn *column, Arena *arena);

void sheet_print_text(const SheetSet *set, FILE *out);
void sheet_print_md(const SheetSet *set, FILE *out);
void sheet_print_latex(const SheetSet *set, FILE *out);

#endif
