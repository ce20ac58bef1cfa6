/* cmd_table: `poslab table`: comparison tables of a database's experiments.
 *
 * For people (text, md, latex): methods by evaluation lengths, or rows and columns of one's own choice
 * (analysis/pivot.h). A cell is a perplexity, with several seeds their mean and standard deviation, or what
 * became of the run: diverged, failed, >limit (the method cannot be used at this length), - (not there yet).
 * A mean over fewer seeds than asked for says so: (2/3). In md and latex the best numbers are bold. A
 * signature line says what the numbers are of.
 *
 * For programs (csv, json): one row for each evaluation of each run, numbers with full precision, nothing
 * averaged. A number that is not there is an empty field, or a missing key.
 */
#ifndef POSLAB_CLI_CMD_TABLE_H
#define POSLAB_CLI_CMD_TABLE_H

#include "cli/arguments.h"
#include "store/database.h"

extern const Command cmd_table;

typedef struct CmdTableOptions {
    const char *experiment;     /* NULL: all */
    const char *format;         /* NULL: text */
    const char *rows, *columns; /* fields, separated by commas; NULL: the default */
    const char *const *where;   /* "field=value", NULL-terminated; NULL: everything */
    bool ratio, paper;          /* see analysis/pivot.h */
} CmdTableOptions;

/* Errors: an unknown format, experiment or field, a database without experiments, failure to read or to
 * write. */
bool cmd_table_print(Database *store, const CmdTableOptions *options, FILE *out, Error *err);

#endif
