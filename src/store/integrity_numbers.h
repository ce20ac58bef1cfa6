/* integrity_numbers: what can be computed again from other columns of a database, and compared.
 *
 * A run's config says its method, length, seed, parameters, number of updates and the learning rate of each;
 * with the corpus it makes the key. The log of training makes the final loss. The corpus and an evaluation's
 * protocol say how many targets each window and each bin of positions has.
 */
#ifndef POSLAB_STORE_INTEGRITY_NUMBERS_H
#define POSLAB_STORE_INTEGRITY_NUMBERS_H

#include "store/database.h"

/* Calls `problem` with a line for each difference. Fails only if the database cannot be read. */
bool integrity_numbers(Database *store, void (*problem)(void *user, const char *text), void *user,
                       Arena *arena, Error *err);

/* A method that a run's config names and no file of methods/ has; NULL: all are here. */
const char *check_missing_method(const char *config, Arena *arena);

#endif
