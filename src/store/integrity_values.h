/* integrity_values: what the values of a database may be.
 *
 * A database comes from anywhere; another program, a bad disk or somebody's SQL may have put into it what
 * this one would never write. The schema says which type a column has; here, one table of rules says the
 * range of each column: JSON that is an object, counts that can be added up, numbers that are finite. The
 * store refuses a database that breaks a rule when it opens it, so that nobody else has to look.
 */
#ifndef POSLAB_STORE_INTEGRITY_VALUES_H
#define POSLAB_STORE_INTEGRITY_VALUES_H

#include "store/query.h"

/* The first value that breaks its rule is the error (EXIT_DAMAGED, naming table, row and column). */
bool integrity_values_check(Database *store, Error *err);

/* Calls `found` with a line for each such value. Fails only if the database cannot be read. */
bool integrity_values_each(Database *store, void (*found)(void *user, const char *line), void *user,
                           Error *err);

#endif
