/* database: opens and closes the SQLite file that holds all results.
 *
 * Databases and the result files of workers have the same schema (store/schema.h). Perplexity is never
 * stored; the views `curve` and `outcome` compute it. Rollback journal, synchronous=EXTRA, STRICT tables,
 * foreign keys on, one writing process. application_id is 0x706F736C ("posl"), user_version the version of
 * the schema. Opening checks the identity, the schema and the range of every value.
 */
#ifndef POSLAB_STORE_DATABASE_H
#define POSLAB_STORE_DATABASE_H

#include "store/query.h"

typedef enum DatabaseMode {
    DATABASE_READ,
    DATABASE_WRITE,
    DATABASE_CREATE, /* as DATABASE_WRITE; creates a missing file */
    DATABASE_CHECK,  /* read without the checks of pages and values, for code that reports these problems */
} DatabaseMode;

/* Checks application_id, user_version, quick_check and all values; an older schema is brought up to date, in
   one transaction and whatever the mode (in memory, if the file can only be read). A file that is not a
   poslab database, is damaged or newer, is refused and left unchanged (EXIT_DAMAGED); a missing file in
   DATABASE_READ/WRITE/CHECK and one with several hard links in DATABASE_WRITE/CREATE are EXIT_USAGE, a
   library SQLite that is too old EXIT_SYSTEM. */
Database *database_open(const char *path, DatabaseMode mode, Error *err);
void database_close(Database *store); /* NULL is allowed */

/* The same with DATABASE.lock (sys/lock.h), which database_close releases. No lock file is made for a
   database that does not exist, except in DATABASE_CREATE. */
Database *database_open_locked(const char *path, DatabaseMode mode, Error *err);

const char *database_path(const Database *store);

/* The range of each column. A database can come from anywhere: another program, a bad disk or manual SQL may
   have written values that poslab never writes. The schema gives each column a type and a range: JSON that is
   an object, counts that can be added without overflow, finite numbers. A database that breaks a rule is
   refused when it is opened, so other modules need not check. Calls `found` with a line for each value that
   breaks its rule, and fails only if the database cannot be read. Without `found`, the first such value is
   the error (EXIT_DAMAGED, naming table, row and column). */
bool database_check_values(Database *store, void (*found)(void *user, const char *line), void *user,
                           Error *err);

/* The names of all experiments, or only `wanted`. It is an error if there is none, or none of that name. */
const char **database_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err);

#endif
