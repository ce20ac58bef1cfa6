/* integrity: `poslab check DB` verifies a database and its run folders. It changes nothing.
 *
 * It checks the file (SQLite's quick_check), each value, references between rows,
 * sums (the windows and bins of an evaluation add up to it, a trained run has a row for each update) and
 * what can be recomputed from other columns (store/integrity_numbers.c). The database should be opened with
 * DATABASE_CHECK, which refuses none of these. Then each run folder is checked: weights and saved states are
 * read whole and their checksums computed; weights must be those of a model of the run's config. A run
 * without a folder (merged from elsewhere, or removed) is counted and is not a problem; a run whose method
 * has no file here is a problem but no damage.
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
