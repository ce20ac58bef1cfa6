/* integrity: `poslab check DB`: whether a database and its run folders are what they should be.
 *
 * The file (SQLite's quick_check), each value (store/integrity_values.h), references between rows, sums: the
 * windows and the bins of an evaluation add up to it, a trained run has a row for each update; what other
 * columns say (integrity_numbers.h). The store is best opened with STORE_CHECK, which refuses none of that.
 * Then each run folder beside the database: weights and saved states are read whole and their checksums
 * computed; weights must be those of a model of the run's config. A run without any folder (merged from
 * elsewhere, or removed) is counted, not a problem; one whose method has no file here is a problem, but no
 * damage. Reads only.
 */
#ifndef POSLAB_STORE_INTEGRITY_H
#define POSLAB_STORE_INTEGRITY_H

#include "store/database.h"

/* A line for each problem and a last one that counts. True if all could be read; *problems: how many. Where
   missing methods are the only ones it is the experiment that does not fit, not the database that is damaged:
   false, with EXIT_USAGE. */
bool integrity_print(Database *store, FILE *out, int64_t *problems, Error *err);

#endif
