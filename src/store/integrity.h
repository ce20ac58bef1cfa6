/* integrity: `poslab check DB`: verifies a database and its run folders. It only reads.
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

/* A row, or a line of text, for each problem; the title, or last line, counts. True if all could be read;
   *problems: how many. Where missing methods are the only ones it is the experiment that does not fit, not
   the database that is damaged: false, with EXIT_USAGE. */
bool integrity_print(Database *store, TableFormat format, FILE *out, int64_t *problems, Error *err);

/* The range of each column. A database can come from anywhere: another program, a bad disk or manual SQL may
   have written values that poslab never writes. The schema gives each column a type and a range: JSON that is
   an object, counts that can be added without overflow, finite numbers. A database that breaks a rule is
   refused when it is opened, so other modules need not check. Calls `found` with a line for each value that
   breaks its rule, and fails only if the database cannot be read. Without `found`, the first such value is
   the error (EXIT_DAMAGED, naming table, row and column). */
bool integrity_check_values(Database *store, void (*found)(void *user, const char *line), void *user,
                            Error *err);

#endif
