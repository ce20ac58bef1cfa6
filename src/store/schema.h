/* schema: the tables, columns and views of a poslab database, version 6.
 *
 * Each column is one row of a table in store/schema.c, with its name, its valid values and its comment. The
 * CREATE statements, the lists of columns in other statements and the checks of values
 * (database_check_values) are generated from these rows.
 *
 * Times are UTC in ISO 8601. Losses are in nats. A number that is not finite is NULL, because SQLite cannot
 * store NaN, and so is a perplexity beyond the range of a double. Comments are part of the stored SQL, so
 * `.schema` in the sqlite3 shell prints them. They may differ between databases of the same version.
 */
#ifndef POSLAB_STORE_SCHEMA_H
#define POSLAB_STORE_SCHEMA_H

#include "base/arena.h"

enum { SCHEMA_VERSION = 6 };

/* The flags of a column. All but the first divide the columns of a table into parts, by which statements
   select columns (schema_columns). */
enum {
    SCHEMA_OR_NULL = 1,   /* the value can be NULL */
    SCHEMA_ID = 2,        /* a row number, which differs between databases */
    SCHEMA_KEY = 4,       /* identifies the row */
    SCHEMA_STATUS = 8,    /* the status of a run */
    SCHEMA_TRAINING = 16, /* results of the training of a run, and its machine and program */
    SCHEMA_REST = 32,     /* all other columns */
    SCHEMA_ALL = SCHEMA_KEY | SCHEMA_TRAINING | SCHEMA_REST
};

typedef struct SchemaKind SchemaKind;

typedef struct SchemaColumn {
    const char *name;
    const SchemaKind *kind; /* type and valid values */
    int flags;              /* SCHEMA_OR_NULL and a part; without a part, SCHEMA_REST */
    const char *comment;
    const char *more; /* additional SQL of its definition */
} SchemaColumn;

typedef struct SchemaTable {
    const char *name;
    const SchemaColumn *columns;
    int count;
    const char *row; /* an SQL expression that names a row */
    const char *comment;
    const char *constraints; /* SQL of the constraints of the table */
    bool without_rowid;
} SchemaTable;

extern const SchemaTable schema_tables[];
extern const int schema_table_count;

/* All CREATE statements. */
const char *schema_sql(Arena *arena);

/* The statements that migrate `version` to `version` + 1; NULL if there is no such migration. */
const char *schema_migration(int64_t version, Arena *arena);

/* The names of the columns of table `name` in these parts, in order: "PREFIXrun, PREFIXsplit, ...". */
const char *schema_columns(const char *name, int parts, const char *prefix, Arena *arena);

/* The names of the tables whose first column is `evaluation`: parts of evaluations. NULL-terminated. */
const char *const *schema_evaluation_parts(Arena *arena);

/* An SQL condition that is true for the valid values of a column. */
const char *schema_condition(const SchemaColumn *column, Arena *arena);

/* The valid values of a column in words, for errors. */
const char *schema_values(const SchemaColumn *column, Arena *arena);

#endif
