/* table: rows under named columns, and their printing.
 *
 * For programs (csv, json) every row and column is written, numbers with full precision; an empty cell is an
 * empty field or a missing member. For people (text, md) only the columns marked for them are shown,
 * rounded. The values of a column marked TABLE_SPREAD become columns of their own, whose cells show the
 * column marked TABLE_SPREAD_VALUE; one line is left for each combination of the other columns. Notes follow
 * the table, and a signature that says what the numbers describe.
 */
#ifndef POSLAB_BASE_TABLE_H
#define POSLAB_BASE_TABLE_H

#include "base/arena.h"

typedef enum TableType { TABLE_TEXT, TABLE_INT, TABLE_REAL } TableType;

enum {
    TABLE_FOR_PEOPLE = 1,   /* column shown to people */
    TABLE_FOR_PROGRAMS = 2, /* column written for programs */
    TABLE_FOR_BOTH = 3,
    TABLE_IF_VARYING = 4,    /* shown to people only where its values differ */
    TABLE_GROUP = 8,         /* for people: a table of its own for each value */
    TABLE_SPREAD = 16,       /* for people: one column per value (a number) */
    TABLE_SPREAD_VALUE = 32, /* for people: shown in the cells of TABLE_SPREAD columns */
};

typedef struct TableColumn {
    const char *name, *head; /* for programs; for people */
    TableType type;
    int flags;
    int decimals; /* of TABLE_REAL for people; -1: so that a perplexity has at least three digits */
} TableColumn;

typedef struct TableCell {
    const char *text; /* NULL: a number */
    double number;    /* NAN: nothing */
} TableCell;

typedef struct Table {
    Arena *arena;
    const TableColumn *columns;
    int column_count, rows, note_count;
    TableCell *cells; /* [rows, column_count] */
    const char *notes[8];
    const char *title, *signature;
} Table;

Table *table_new(const char *title, const TableColumn *columns, int count, Arena *arena);

/* A new row, all cells empty; valid until the next one. Texts must live as long as the arena. */
TableCell *table_row(Table *frame);
TableCell table_text(const char *text);
TableCell table_number(double number);

/* A note is there once, however often it is added. At most 8. */
void table_note(Table *frame, const char *note);

/* 6.25, 123.4, 1234, 1.23e+06 */
const char *table_perplexity(double perplexity, Arena *arena);

extern const char *const table_format_names[]; /* "text", "md", "csv", "json", NULL */

/* All tables have the same columns. format: index into table_format_names. Errors: writing fails. */
bool table_print(const Table *const *frames, int count, int format, FILE *out, Error *err);

#endif
