/* cmd_table: `poslab table`: comparison tables of a database's experiments.
 *
 * For people (text, md, latex): methods by evaluation lengths, or chosen rows and columns
 * (analysis/pivot.h). A cell is a perplexity, for several seeds the mean and standard deviation, or the
 * reason why there is none: diverged, failed, >limit (the method cannot be used at this length), -
 * (missing). A mean over fewer seeds than requested is marked: (2/3). In md and latex the best numbers are
 * bold. A signature line says what the numbers describe.
 *
 * Of experiments on tasks, a cell is the median over seeds of a metric.
 *
 * For programs (csv, json): one row for each evaluation of each run, numbers with full precision, nothing
 * averaged. A missing number is an empty field or a missing key. Behind the columns of the view `outcome`
 * there is one for each key of the config that varies, named by its path.
 */
#ifndef POSLAB_CLI_CMD_TABLE_H
#define POSLAB_CLI_CMD_TABLE_H

#include "base/table.h"
#include "store/database.h"
#include "analysis/series.h"
#include "cli/arguments.h"

typedef struct CmdTableOptions {
    const char *const *experiments; /* NULL-terminated; NULL: all. Of several, all rows are in one table */
    int format;                     /* TableFormat */
    bool json;                      /* in place of the format */
    bool bare;                  /* only of the command line: TABLE_AS_TABULAR in place of TABLE_AS_LATEX */
    const char *rows, *columns; /* fields, separated by commas; NULL: the default */
    const char *best;           /* paths whose best values are chosen (analysis/results.h); NULL: none */
    const char *const *where;   /* "field=value", NULL-terminated; NULL: everything */
    bool ratio, paper;          /* see analysis/pivot.h */
    bool no_pager;              /* only of the command line */
    int metric;                 /* SeriesMetric of tasks; SERIES_PERPLEXITY: the default of each experiment */
} CmdTableOptions;

/* The rows of several databases are in one table; csv and json have the column `database`, then.
   Errors: an unknown experiment or field, a database without experiments, failure to read or to
 * write. */
bool cmd_table_print(Database *const *stores, int count, const CmdTableOptions *options, FILE *out,
                     Error *err);

#endif
