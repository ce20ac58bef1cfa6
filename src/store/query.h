/* query: reading an open database (store/database.h), and waiting for other processes that use it. */
#ifndef POSLAB_STORE_QUERY_H
#define POSLAB_STORE_QUERY_H

#include "base/arena.h"

typedef struct Database Database;

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

#endif
