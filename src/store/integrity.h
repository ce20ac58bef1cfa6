/* integrity: `poslab check DB` verifies a database and its run folders, and changes nothing.
 *
 * In the database, it checks the file (SQLite's quick_check), every value, references between rows, sums, and
 * numbers that can be recomputed from other columns (store/integrity_numbers.c). In run folders, it verifies
 * the checksums of weights and saved states, and that the weights fit the run's config.
 *
 * A trained run without a folder is counted, but is not a problem: its database may have been merged from
 * another machine. A run whose method has no file in methods/ is a problem, but the database is intact.
 */
#ifndef POSLAB_STORE_INTEGRITY_H
#define POSLAB_STORE_INTEGRITY_H

#include "base/table.h"
#include "store/database.h"

/* Checks a database that was opened with DATABASE_CHECK. Prints each problem as a row of a table, or in text
   format as a line, with the counts in the title or in the last line. *problems is the number of problems.
   Fails if something could not be read, and with EXIT_USAGE if the only problems are missing methods. */
bool integrity_print(Database *store, TableFormat format, FILE *out, int64_t *problems, Error *err);

#endif
