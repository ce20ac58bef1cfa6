/* table: rows under named columns, and their printing. Every table of the program is a Table.
 *
 * Programs (csv, json) get every row and every column that is marked for them, numbers with full precision;
 * an empty cell is an empty field or a missing member. People (text, md, latex, and HTML by report/html.h)
 * get the columns that are marked for them, rounded, as one or several grids: one for each value of the
 * TABLE_GROUP columns. The values of a TABLE_SPREAD column become columns of the grid, whose cells show the
 * TABLE_SPREAD_VALUE column; rows that agree in all other columns then share a line. The title precedes the
 * grids; notes and a signature, which says what the numbers describe, follow them.
 *
 * Texts are untrusted: every format escapes its special characters (base/escape.h). LaTeX output is a table
 * to \input; its first line names the packages that it needs, and a table that is too wide is scaled down.
 * Text on a terminal that is too narrow is made to fit (base/table_grid.h).
 */
#ifndef POSLAB_BASE_TABLE_H
#define POSLAB_BASE_TABLE_H

#include "base/json.h"
#include "base/table_grid.h"

typedef enum TableType { TABLE_TEXT, TABLE_INT, TABLE_REAL } TableType; /* text is aligned to the left */

enum {
    TABLE_FOR_PEOPLE = 1,   /* column shown to people */
    TABLE_FOR_PROGRAMS = 2, /* column written for programs */
    TABLE_FOR_BOTH = 3,
    TABLE_IF_VARYING = 4, /* shown to people only where its values differ */
    TABLE_GROUP = 8,      /* for people: a grid of its own for each value */
    TABLE_CAPTION = 16,   /* for people: precedes the grid; the same text in all of its rows */
    TABLE_SPREAD = 32,    /* for people: a column of its own for each value, in the order of their numbers */
    TABLE_SPREAD_HEAD = 64,   /* for people: the second line of the heads of TABLE_SPREAD columns */
    TABLE_SPREAD_VALUE = 128, /* for people: what the cells of TABLE_SPREAD columns show */
    TABLE_KEY = 256,          /* not shown; rows that differ in it do not share a line */
    TABLE_CODE = 512,         /* words of a command line: printed as code where the format can */
    TABLE_DASHED = 1024,      /* of TABLE_SPREAD_VALUE: "-" where no row has a value; else nothing */
    TABLE_PATH = 2048,        /* dots are part of the name; the cells of TABLE_TEXT may be numbers */
};

typedef struct TableColumn {
    const char *name; /* for programs; "a.b" is the member b of an object a in JSON, and a_b in CSV */
    const char *head; /* for people; "\n" between two lines */
    TableType type;
    int flags;
    int decimals; /* of TABLE_REAL for people; -1: so that a perplexity has at least three digits */
} TableColumn;

typedef struct Table {
    Arena *arena;
    const TableColumn *columns;
    int column_count, rows, note_count;
    TableCell *cells; /* [rows, column_count] */
    const char **notes;
    const char *title, *signature; /* NULL: none */
} Table;

Table *table_new(const char *title, const TableColumn *columns, int count, Arena *arena);

/* A new row, all cells empty; valid until the next one. Texts must live as long as the arena. */
TableCell *table_row(Table *table);
TableCell table_text(const char *text);
TableCell table_number(double number);
TableCell table_shown(double number, const char *text); /* the text for people */

/* Fill the next cells of a row, in the order of the columns; return the cell behind them. */
TableCell *table_texts(TableCell *cell, const char *const *texts, int count);
TableCell *table_numbers(TableCell *cell, const double *numbers, int count);
#define TABLE_TEXTS(cell, ...)                                                                               \
    table_texts(cell, (const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))
#define TABLE_NUMBERS(cell, ...)                                                                             \
    table_numbers(cell, (const double[]){__VA_ARGS__}, COUNT_OF(((const double[]){__VA_ARGS__})))

/* A note is there once, however often it is added. */
void table_note(Table *table, const char *note);

/* 6.25, 123.4, 1234, 1.23e+06 */
const char *table_perplexity(double perplexity, Arena *arena);

/* --- for people --- */

const TableGrid *table_grids(const Table *table, int *count, Arena *arena);

/* --- formats --- */

typedef enum TableFormat {
    TABLE_AS_TEXT,
    TABLE_AS_MD,
    TABLE_AS_LATEX,
    TABLE_AS_CSV,
    TABLE_AS_JSON,
    TABLE_AS_TABULAR, /* LaTeX that is only the tabular: without title, captions, notes and signature */
} TableFormat;

extern const char
    *const table_format_names[]; /* without that of TABLE_AS_TABULAR; the first is the default */

/* csv and json, the others are for people */
bool table_for_programs(TableFormat format);

/* An object for each row: the array that JSON output consists of. */
Json *table_rows(const Table *table, Arena *arena);

/* For people all tables, one after the other. For programs the rows of all, which then have the same columns.
   Errors: writing fails. */
bool table_print(const Table *const *tables, int count, TableFormat format, FILE *out, Error *err);
bool table_print_one(const Table *table, TableFormat format, FILE *out, Error *err);

/* For commands that print something else, too: a JSON document, and whether all of `out` could be written. */
bool table_print_json(const Json *document, FILE *out, Error *err);
bool table_written(FILE *out, Error *err);

#endif
