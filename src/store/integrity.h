/* integrity: `poslab check DB` verifies a database and its run folders. It changes nothing.
 *
 * It checks the file (SQLite's quick_check), each value (store/integrity_values.h), references between
 * rows, sums (an evaluation is the sum of its windows and of its bins; a trained run has one row for each
 * update) and values that follow from other columns (store/integrity_numbers.h). The caller opens the
 * database with DATABASE_CHECK, because the other modes refuse such defects. In each run folder, the
 * weights and saved states are read whole, their checksums are verified, and the weights are compared with
 * the model of the config. A run without a folder is counted and is not a problem. A run whose method has
 * no file here is a problem, but no damage.
 */
#ifndef POSLAB_STORE_INTEGRITY_H
#define POSLAB_STORE_INTEGRITY_H

#include "base/table.h"
#include "store/database.h"

/* Prints each problem as a row of a table, or as a line of text, with the counts in the title or last line.
   *problems is the number of problems. Returns true if everything was readable. If the only problems are
   missing methods, returns false with EXIT_USAGE: the database is intact. */
bool integrity_print(Database *store, TableFormat format, FILE *out, int64_t *problems, Error *err);

#endif
