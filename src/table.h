/* table: comparison tables of a database's experiments.
 *
 * For people (text, md): methods by evaluation lengths. A cell is a perplexity, with several seeds their mean
 * and standard deviation, or what became of the run: diverged, failed, >limit (the method cannot be used at
 * this length), - (not there yet). A mean over fewer seeds than asked for says so: (2/3). Methods of which
 * the experiment asks for the same lengths share a table. A signature line says what the numbers are of.
 *
 * For programs (csv, json): one row for each evaluation of each run, numbers with full precision, nothing
 * averaged. A number that is not there is an empty field, or a missing key.
 */
#ifndef POSLAB_TABLE_H
#define POSLAB_TABLE_H

#include "store.h"

typedef struct TableOptions {
    const char *experiment; /* NULL: all */
    const char *format;     /* NULL: text */
} TableOptions;

/* Errors: an unknown format or experiment, a database without experiments, failure to read or to write. */
bool table_print(Store *store, const TableOptions *options, FILE *out, Err *err);

#endif
