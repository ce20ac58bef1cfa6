/* database: the SQLite file that holds every number. Only store/ includes sqlite3.h.
 *
 * Databases and the result files of workers have the same schema (store/schema.h). Perplexity is never
 * stored; the views `curve` and `outcome` compute it. Rollback journal, synchronous=EXTRA, STRICT tables,
 * foreign keys on, one writing process. application_id is 0x706F736C ("posl"), user_version the version of
 * the schema. Opening checks the identity, the schema and the range of every value
 * (store/integrity_values.h).
 */
#ifndef POSLAB_STORE_DATABASE_H
#define POSLAB_STORE_DATABASE_H

#include "base/arena.h"

typedef struct Database Database;

typedef enum DatabaseMode {
    DATABASE_READ,
    DATABASE_WRITE,
    DATABASE_CREATE, /* write, made if missing */
    STORE_CHECK, /* read, whatever the pages and values are: for those who look for what is wrong with them */
} DatabaseMode;

/* Checks application_id, user_version, quick_check and all values (store/integrity_values.h); an older schema
   is brought up to date, in one transaction and whatever the mode. A file that is no poslab database, is
   damaged or newer, is refused and left untouched (EXIT_DAMAGED); a missing file in DATABASE_READ/WRITE/CHECK
   is EXIT_USAGE, a library SQLite that is too old EXIT_SYSTEM. */
Database *database_open(const char *path, DatabaseMode mode, Error *err);
void database_close(Database *store); /* NULL is allowed */
const char *database_path(const Database *store);

/* What a store does while another process has the file locked, as a viewer or a shell may for long: it tries
   again, for `seconds` (by default STORE_PATIENCE; then EXIT_SYSTEM), and says so after some seconds. A
   transaction that waited in vain is taken back. go_on is called several times a second, with a message when
   there is one to show, else NULL; it returns false to stop waiting (EXIT_STOPPED). NULL: messages go to
   stderr. */
enum { STORE_PATIENCE = 600 };
typedef struct StoreWait {
    double seconds;
    bool (*go_on)(void *user, const char *message);
    void *user;
} StoreWait;
void store_set_wait(Database *store, StoreWait wait);

/* Queries, for tables, figures and status. Parameters are bound in order as text: NULL-terminated list, or
   NULL. database_query_begin reads all rows, so that no lock is held while they are printed. A query that
   cannot be prepared is a bug; any other error ends the rows and is kept for database_query_end. */
typedef struct DatabaseQuery DatabaseQuery;
DatabaseQuery *database_query_begin(Database *store, const char *sql, const char *const *parameters);
bool database_query_next(DatabaseQuery *query);
const char *database_query_text(DatabaseQuery *query,
                                int column); /* valid until database_query_end; "" for NULL */
double database_query_real(DatabaseQuery *query, int column); /* NAN for NULL */
int64_t database_query_int(DatabaseQuery *query, int column);
bool database_query_is_null(DatabaseQuery *query, int column);
bool database_query_end(DatabaseQuery *query, Error *err);

/* Names of the experiments: all, or `wanted` alone. Errors: none there, or none of that name. */
const char **database_experiments(Database *store, const char *wanted, int *count, Arena *arena, Error *err);

#endif
