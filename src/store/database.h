/* store: the SQLite file that holds every number. The only module that sees sqlite3.h.
 *
 * One schema for databases and for the result files of workers. Perplexity is never stored; the view `curve`
 * derives it. Rollback journal, synchronous=EXTRA, STRICT tables, foreign keys on, one writing process.
 * application_id is 0x706F736C ("posl"), user_version the schema's version.
 */
#ifndef POSLAB_STORE_H
#define POSLAB_STORE_H

#include "base/arena.h"

typedef struct Store Store;

typedef enum StoreMode {
    STORE_READ,
    STORE_WRITE,
    STORE_CREATE, /* write, made if missing */
    STORE_CHECK, /* read, whatever the pages and values are: for those who look for what is wrong with them */
} StoreMode;

/* Checks application_id, user_version, quick_check and all values (contents.h); an older schema is brought up
   to date, in one transaction and whatever the mode. A file that is no poslab database, is damaged or newer,
   is refused and left untouched (EXIT_DAMAGED); a missing file in STORE_READ/WRITE/CHECK is EXIT_USAGE, a
   library SQLite that is too old EXIT_SYSTEM. */
Store *store_open(const char *path, StoreMode mode, Err *err);
void store_close(Store *store); /* NULL is allowed */
const char *store_path(const Store *store);

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
void store_set_wait(Store *store, StoreWait wait);

/* Queries, for tables, figures and status. Parameters are bound in order as text: NULL-terminated list, or
   NULL. query_begin reads all rows, so that no lock is held while they are printed. A query that cannot be
   prepared is a bug; any other error ends the rows and is kept for query_end. */
typedef struct Query Query;
Query *query_begin(Store *store, const char *sql, const char *const *parameters);
bool query_next(Query *query);
const char *query_text(Query *query, int column); /* valid until query_end; "" for NULL */
double query_real(Query *query, int column);      /* NAN for NULL */
int64_t query_int(Query *query, int column);
bool query_is_null(Query *query, int column);
bool query_end(Query *query, Err *err);

/* Names of the experiments: all, or `wanted` alone. Errors: none there, or none of that name. */
const char **curves_experiments(Store *store, const char *wanted, int *count, Arena *arena, Err *err);

#endif
