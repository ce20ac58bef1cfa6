/* database: opens and closes the SQLite file that holds all results.
 *
 * Only store/ includes sqlite3.h. Databases and the result files of workers have the same schema
 * (store/schema.h). Perplexity is not stored; the views `curve` and `outcome` compute it. The file uses a
 * rollback journal, synchronous=EXTRA, STRICT tables and foreign keys, and has one writing process.
 * application_id is 0x706F736C ("posl"); user_version is the version of the schema. An open database has
 * passed the checks of its identity, its schema and the range of every value (store/integrity_values.h).
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

/* Checks application_id, user_version, SQLite's quick_check and all values. An older schema is migrated in
   one transaction, in every mode; if the file is read-only, a copy in memory is migrated. A file that is
   not a poslab database, is damaged, or has a newer schema is refused and not changed (EXIT_DAMAGED). A
   missing file in DATABASE_READ, WRITE or CHECK and a file with several hard links in DATABASE_WRITE or
   CREATE are EXIT_USAGE. An SQLite library that is too old is EXIT_SYSTEM. */
Database *database_open(const char *path, DatabaseMode mode, Error *err);
void database_close(Database *store); /* NULL is allowed */
const char *database_path(const Database *store);

#endif
