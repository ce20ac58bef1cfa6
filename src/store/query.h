/* query: reading an open database (store/database.h), and waiting for other processes that use it. */
#ifndef POSLAB_STORE_QUERY_H
#define POSLAB_STORE_QUERY_H

#include "base/table.h"

typedef struct Database Database;

/* What a store does while another process has the file locked, as a viewer or a shell may for long: it tries
   again, for `seconds` (by default QUERY_PATIENCE; then EXIT_SYSTEM), and says so after some seconds. A
   transaction that waited in vain is taken back. go_on is called several times a second, with a message when
   there is one to show, else NULL; it returns false to stop waiting (EXIT_STOPPED). NULL: messages go to
   stderr. */
enum { QUERY_PATIENCE = 600 };
typedef struct QueryWait {
    double seconds;
    bool (*go_on)(void *user, const char *message);
    void *user;
} QueryWait;
void query_set_wait(Database *store, QueryWait wait);

/* Queries, for tables, figures and status. Parameters are bound in order as text: NULL-terminated list, or
   NULL. query_begin reads all rows, so that no lock is held while they are printed. A query that
   cannot be prepared is a bug; any other error ends the rows and is kept for query_end. */
typedef struct Query Query;
Query *query_begin(Database *store, const char *sql, const char *const *parameters);
bool query_next(Query *query);
int query_column(const Query *query, const char *name); /* of a query that could be prepared */
const char *query_text(Query *query, int column);       /* valid until query_end; "" for NULL */
double query_real(Query *query, int column);            /* NAN for NULL */
int64_t query_int(Query *query, int column);
bool query_is_null(Query *query, int column);

/* The first columns as cells of a table, by their types; NULL is an empty cell. */
void query_cells(TableCell *row, Query *query, const TableColumn *columns, int count, Arena *arena);

bool query_end(Query *query, Error *err);

#endif
