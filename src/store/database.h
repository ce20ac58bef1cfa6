/* database: opens and closes the SQLite file that holds all results.
 *
 * Databases and the result files of workers have the same schema (store/schema.h). The application_id is
 * 0x706F736C ("posl"), the user_version is the version of the schema. The connection has a rollback journal,
 * synchronous=EXTRA and foreign keys. Opening a file checks its identity, its schema and the range of every
 * value, so other modules need not check them. Perplexity is never stored; views compute it.
 */
#ifndef POSLAB_STORE_DATABASE_H
#define POSLAB_STORE_DATABASE_H

#include "store/query.h"

typedef enum DatabaseMode {
    DATABASE_READ,
    DATABASE_WRITE,
    DATABASE_CREATE, /* as DATABASE_WRITE; creates a missing file */
    DATABASE_CHECK,  /* as DATABASE_READ, without the checks of pages and values, for `poslab check` */
} DatabaseMode;

/* Opens a database and checks it. Every mode migrates an older schema, in one transaction; if the file cannot
   be written, DATABASE_READ and DATABASE_CHECK migrate a copy in memory. Returns NULL with
     EXIT_DAMAGED  if the file is not a poslab database, is damaged, or has a newer schema; it is unchanged;
     EXIT_USAGE    if the file is missing, except in DATABASE_CREATE, or if it has several hard links and the
                   mode is DATABASE_WRITE or DATABASE_CREATE;
     EXIT_SYSTEM   if the SQLite library is too old, or the file cannot be opened or written. */
Database *database_open(const char *path, DatabaseMode mode, Error *err);
void database_close(Database *store); /* NULL is allowed */

/* Takes DATABASE.lock (sys/lock.h), then opens the database. database_close releases the lock. No lock file
   is created for a missing database, except in DATABASE_CREATE. */
Database *database_open_locked(const char *path, DatabaseMode mode, Error *err);

const char *database_path(const Database *store);

/* Checks that every value is in the range of its column (store/schema.h): another program or a bad disk may
   have written values that poslab never writes. Calls `found` with a line for each value out of range, and
   fails only if the database cannot be read. If `found` is NULL, the first such value is the error
   (EXIT_DAMAGED, naming table, row and column). */
bool database_check_values(Database *store, void (*found)(void *user, const char *line), void *user,
                           Error *err);

/* The names of all experiments, or only `wanted` if it is not NULL. Returns NULL with EXIT_USAGE if there is
   no such experiment. */
const char **database_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err);

#endif
