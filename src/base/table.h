/* table: rows with named columns, and their output. Every table that the program prints is a Table.
 *
 * Formats for programs (csv, json) have every row, and every column that has a name, with full precision;
 * an empty cell is an empty field or a missing member. Formats for people (text, md, latex, and HTML by
 * report/html.h) have the columns that have a head, rounded, as one grid for each value of the TABLE_GROUP
 * columns. The values of a TABLE_SPREAD column become columns of the grid, whose cells have the values of
 * the TABLE_SPREAD_VALUE column; rows that are equal in all other columns share a line. A title precedes
 * the grids; notes and a signature, which says what the numbers describe, follow them.
 *
 * Texts are untrusted: every format escapes its special characters (base/escape.h). LaTeX output is a table
 * to \input; its first line names the required packages, and a table that is too wide is scaled down. Text
 * output is fitted to the width of the terminal (base/table_grid.h).
 */
#ifndef POSLAB_BASE_TABLE_H
#define POSLAB_BASE_TABLE_H

#include "base/json.h"
#include "base/table_grid.h"

/* text is aligned to the left, numbers to the right */
typedef enum TableType { TABLE_TEXT, TABLE_INT, TABLE_REAL } TableType;

/* What a column is in formats for people; formats for programs have every column that has a name. */
typedef enum TableRole {
    TABLE_SHOWN,        /* a column of the grid */
    TABLE_GROUP,        /* likewise; one grid for each value */
    TABLE_CAPTION,      /* a text before the grid; equal in all rows of a grid */
    TABLE_KEY,          /* not shown; rows with different values do not share a line */
    TABLE_SPREAD,       /* one column for each value, in the order of their numbers */
    TABLE_SPREAD_HEAD,  /* second line of the heads of the TABLE_SPREAD columns */
    TABLE_SPREAD_VALUE, /* the cells of the TABLE_SPREAD columns */
} TableRole;

typedef struct TableColumn {
    const char *name; /* NULL: not for programs; "a.b" is member b of object a in JSON, and a_b in CSV */
    const char *head; /* NULL: not shown to people; "\n" separates two lines */
    TableType type;
    int decimals; /* of TABLE_REAL for people; -1: at least three digits, as for perplexities */
    TableRole role;
    bool if_varying; /* shown to people only if its values differ */
    bool code;       /* words of a command line, printed as code if the format can */
    bool dashed;     /* of TABLE_SPREAD_VALUE: "-" for a missing value; otherwise an empty cell */
    bool path;       /* dots are part of the name; the cells of TABLE_TEXT can be numbers */
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

/* Adds a row of empty cells; the pointer is valid until the next call. Texts must live as long as the
   arena. */
TableCell *table_row(Table *table);
TableCell table_text(const char *text);
TableCell table_number(double number);
TableCell table_shown(double number, const char *text); /* `text` is printed for people */

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
    TABLE_AS_TABULAR, /* LaTeX without title, captions, notes and signature: only the tabular */
} TableFormat;

extern const char *const table_format_names[]; /* without TABLE_AS_TABULAR; the first is the default */

/* True for csv and json; the other formats are for people. */
bool table_for_programs(TableFormat format);

/* The rows as an array of objects, as in JSON output. */
Json *table_rows(const Table *table, Arena *arena);

/* Prints several tables. For people they follow one another; for programs their rows are one table, so all
   must have the same columns. Fails if writing fails. */
bool table_print(const Table *const *tables, int count, TableFormat format, FILE *out, Error *err);
bool table_print_one(const Table *table, TableFormat format, FILE *out, Error *err);

/* For other output of commands: prints a JSON document; checks that everything was written to `out`. */
bool table_print_json(const Json *document, FILE *out, Error *err);
bool table_written(FILE *out, Error *err);

#endif
