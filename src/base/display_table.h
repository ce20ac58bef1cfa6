/* display_table: tables of text cells for people, printed as text, Markdown and LaTeX.
 *
 * A DisplayTable has columns with a head of two lines, and rows of cells. The tables of one DisplayTableSet
 * share a title, notes and a signature that says what the numbers describe. Cells are untrusted text: every
 * format escapes its special characters (base/escape.h). The LaTeX output is a table to \input; its first
 * line names the packages that it needs. A table that is wider than the page is scaled down.
 */
#ifndef POSLAB_BASE_DISPLAY_TABLE_H
#define POSLAB_BASE_DISPLAY_TABLE_H

#include "base/arena.h"

typedef struct DisplayTableColumn {
    const char *head,
        *under;    /* two lines: "trained", "at"; or what is measured, and more about it: "128", "2x" */
    bool left;     /* aligned to the left, else to the right */
    bool measured; /* on one line: "128 (2x)"; else "trained at" */
} DisplayTableColumn;

typedef struct DisplayTableCell {
    const char *text; /* NULL: empty */
    double value;     /* of a number, for sorting; NAN: none */
    bool best;        /* printed bold, where the format can */
} DisplayTableCell;

typedef struct DisplayTable {
    const char *caption; /* what all of this table has in common; "" */
    DisplayTableColumn *columns;
    DisplayTableCell *cells; /* [rows, column_count] */
    int column_count, rows;
} DisplayTable;

typedef struct DisplayTableSet {
    const char *name; /* of the experiment */
    const char *title, *signature;
    DisplayTable *items;
    const char *notes[8];
    int count, note_count;
} DisplayTableSet;

DisplayTable display_table_new(int rows, int columns, Arena *arena);
DisplayTableCell *display_table_cell(const DisplayTable *sheet, int row, int column);

/* A note is there once, however often it is added. At most 8. */
void display_table_note(DisplayTableSet *set, const char *note);

/* "128 (2x)", "trained at" */
const char *display_table_head(const DisplayTableColumn *column, Arena *arena);

void display_table_print_text(const DisplayTableSet *set, FILE *out);
void display_table_print_md(const DisplayTableSet *set, FILE *out);
void display_table_print_latex(const DisplayTableSet *set, FILE *out);

#endif
