/* integrity_numbers: checks of stored numbers that follow from other columns of the database.
 *
 * The config of a run determines its method, length, seed, parameters, number of updates and learning
 * rates; config and corpus determine the key. The training log determines the final loss. The corpus and
 * the protocol of an evaluation determine the number of targets in each window and in each bin of
 * positions.
 */
#ifndef POSLAB_STORE_INTEGRITY_NUMBERS_H
#define POSLAB_STORE_INTEGRITY_NUMBERS_H

#include "store/database.h"

/* Calls `problem` with one line for each difference. Fails only if the database cannot be read. */
bool integrity_numbers(Database *store, void (*problem)(void *user, const char *text), void *user,
                       Arena *arena, Error *err);

/* The name of a method in the config of a run that has no file in methods/; NULL if no method is
   missing. */
const char *integrity_numbers_missing_method(const char *config, Arena *arena);

#endif
