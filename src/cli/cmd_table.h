/* cmd_table: `poslab table`: comparison tables of the experiments of one or more databases.
 *
 * For people (text, md, latex): methods by evaluation lengths, or chosen rows and columns (analysis/pivot.h).
 * A cell is a perplexity, with several seeds its mean and standard deviation; for tasks, the median over
 * seeds of a metric; or the reason why there is no number. For programs (csv, json): one row for each
 * evaluation of each run, with full precision; a missing number is an empty field or a missing key. After the
 * columns of the view `outcome` there is one column, named by its path, for each key of the config that
 * varies.
 */
#ifndef POSLAB_CLI_CMD_TABLE_H
#define POSLAB_CLI_CMD_TABLE_H

#include "base/table.h"
#include "store/database.h"
#include "analysis/series.h"
#include "cli/arguments.h"

typedef struct CmdTableOptions {
    const char *const
        *experiments;           /* NULL-terminated; NULL: all, a table each. The rows of several are in one */
    int format;                 /* TableFormat */
    bool json;                  /* overrides the format */
    bool bare;                  /* set by the command line only: TABLE_AS_TABULAR instead of TABLE_AS_LATEX */
    const char *rows, *columns; /* fields, separated by commas; NULL: the default */
    const char *best;           /* paths whose best values are chosen (analysis/results.h); NULL: none */
    const char *const *where;   /* "field=value", NULL-terminated; NULL: everything */
    bool ratio, paper;          /* see analysis/pivot.h */
    int metric;                 /* SeriesMetric of tasks; SERIES_PERPLEXITY: the default of each experiment */
} CmdTableOptions;

/* The rows of several databases are in one table; csv and json then have the column `database`. Errors: an
   unknown experiment or field, a database without experiments, failure to read or to write. */
bool cmd_table_print(Database *const *stores, int count, const CmdTableOptions *options, FILE *out,
                     Arena *arena, Error *err);

#endif
