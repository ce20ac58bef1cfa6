/* integrity_numbers: checks of numbers that can be recomputed from other columns of a database.
 *
 * A run's config determines its method, length, seed, parameters, number of updates and the learning rate of
 * each; with the corpus it determines the key. The training log determines the final loss. The corpus and an
 * evaluation's protocol determine the number of targets in each window and in each bin of positions.
 */
#ifndef POSLAB_STORE_INTEGRITY_NUMBERS_H
#define POSLAB_STORE_INTEGRITY_NUMBERS_H

#include "store/database.h"

/* Calls `problem` with a line for each difference. Fails only if the database cannot be read. */
bool integrity_numbers(Database *store, void (*problem)(void *user, const char *text), void *user,
                       Arena *arena, Error *err);

/* A method that a run's config names and no file of methods/ has; NULL: all are here. */
const char *integrity_numbers_missing_method(const char *config, Arena *arena);

#endif
