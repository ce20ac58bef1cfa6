/* schema: the tables, columns and views of a poslab database, version 4.
 *
 * Each column is one row of a table in store/schema.c: its name, the values that it can have, and its
 * comment. The CREATE statements, the lists of columns in other statements and the checks of values
 * (store/integrity_values.h) come from these rows.
 *
 * Times are UTC in ISO 8601; losses are in nats; a number that is not finite is NULL (SQLite cannot store
 * NaN), and so is a perplexity beyond the range of a double. The comments are part of the SQL that is stored
 * in the database: `.schema` in the sqlite3 shell shows them.
 */
#ifndef POSLAB_STORE_SCHEMA_H
#define POSLAB_STORE_SCHEMA_H

#include "base/arena.h"

enum { SCHEMA_VERSION = 4 };

/* What a column is for: statements name the columns of a part. */
enum {
    SCHEMA_OR_NULL = 1,
    SCHEMA_ID = 2,        /* a number that is different in each database */
    SCHEMA_KEY = 4,       /* which row it is */
    SCHEMA_STATUS = 8,    /* of a run: its status */
    SCHEMA_TRAINING = 16, /* of a run: what training found, and where */
    SCHEMA_REST = 32,     /* all others */
    SCHEMA_ALL = SCHEMA_KEY | SCHEMA_TRAINING | SCHEMA_REST
};

typedef struct SchemaKind SchemaKind;

typedef struct SchemaColumn {
    const char *name;
    const SchemaKind *kind; /* the values that it can have; the kinds are in store/schema.c */
    int flags;              /* SCHEMA_OR_NULL, and its part; none: SCHEMA_REST */
    const char *comment;
    const char *more; /* further SQL of its definition */
} SchemaColumn;

typedef struct SchemaTable {
    const char *name;
    const SchemaColumn *columns;
    int count;
    const char *row; /* an SQL expression that names a row */
    const char *comment;
    const char *constraints; /* SQL of the whole table */
    bool without_rowid;
} SchemaTable;

extern const SchemaTable schema_tables[];
extern const int schema_table_count;
int schema_objects(void); /* tables and views */

/* All CREATE statements. */
const char *schema_sql(Arena *arena);

/* The statements that make version `version` + 1 out of `version`; NULL if there is no such version. */
const char *schema_migration(int64_t version, Arena *arena);

/* The names of the columns of these parts, in order: "PREFIXrun, PREFIXsplit, ...". */
const char *schema_columns(const char *table, int parts, const char *prefix, Arena *arena);

/* An SQL condition that holds for the values that a column can have, and these values in words. */
const char *schema_condition(const SchemaColumn *column, Arena *arena);
const char *schema_values(const SchemaColumn *column, Arena *arena);

#endif
