/* integrity_values: checks that each value of a database is in the range of its column.
 *
 * Values that poslab never writes can come from another program, a faulty disk or manual SQL. The schema
 * rows (store/schema.h) give the range of each column, for example a JSON object, a finite number, or a
 * count whose sums do not overflow. A database with a value out of range is refused when it is opened, so
 * other modules do not check values.
 */
#ifndef POSLAB_STORE_INTEGRITY_VALUES_H
#define POSLAB_STORE_INTEGRITY_VALUES_H

#include "store/query.h"

/* Calls `found` with one line for each value that is out of range, and then fails only if the database
   cannot be read. If `found` is NULL, the first such value is the error (EXIT_DAMAGED) and names table, row
   and column. */
bool integrity_values_check(Database *store, void (*found)(void *user, const char *line), void *user,
                            Error *err);

#endif
