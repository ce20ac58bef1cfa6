/* integrity_values: the range of each column of a database.
 *
 * A database can come from anywhere: another program, a bad disk or manual SQL may have written values that
 * poslab never writes. The schema gives each column a type; here a table of rules gives it a range: JSON
 * that is an object, counts that can be added without overflow, finite numbers. A database that breaks a
 * rule is refused when it is opened, so other modules need not check.
 */
#ifndef POSLAB_STORE_INTEGRITY_VALUES_H
#define POSLAB_STORE_INTEGRITY_VALUES_H

#include "store/query.h"

/* Calls `found` with a line for each value that breaks its rule, and fails only if the database cannot be
   read. Without `found`, the first such value is the error (EXIT_DAMAGED, naming table, row and column). */
bool integrity_values_check(Database *store, void (*found)(void *user, const char *line), void *user,
                            Error *err);

#endif
