/* query: reads an open database (store/database.h), and waits while other processes lock it.
 *
 * A query reads all its rows at once, so no lock is held while they are processed.
 */
#ifndef POSLAB_STORE_QUERY_H
#define POSLAB_STORE_QUERY_H

#include "base/table.h"

typedef struct Database Database;

/* How a statement waits while another process, such as a database viewer, locks the file. It retries for
   `seconds` (default QUERY_PATIENCE), then fails with EXIT_SYSTEM; its transaction is rolled back. go_on is
   called several times a second, with a message to show or NULL; if it returns false, the wait ends with
   EXIT_STOPPED. If go_on is NULL, messages go to stderr. */
enum { QUERY_PATIENCE = 600 };
typedef struct QueryWait {
    double seconds;
    bool (*go_on)(void *user, const char *message);
    void *user;
} QueryWait;
void query_set_wait(Database *store, QueryWait wait);

/* SQL for the runs r of the points p of experiments x. */
#define QUERY_RUNS " FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run"

/* A query with parameters that are bound in order as text (NULL-terminated list, or NULL). query_begin
   reads all rows. A query that cannot be prepared is a bug; any other error ends the rows and is returned
   by query_end. */
typedef struct Query Query;
Query *query_begin(Database *store, const char *sql, const char *const *parameters);
bool query_next(Query *query);
const char *query_text(Query *query, int column); /* valid until query_end; "" for NULL */
double query_real(Query *query, int column);      /* NAN for NULL */
int64_t query_int(Query *query, int column);
bool query_is_null(Query *query, int column);

/* The same by the name of the column, for rows with many of them. A missing name is a bug. */
int query_column(const Query *query, const char *name); /* the index of a column */
const char *query_text_of(Query *query, const char *column);
double query_real_of(Query *query, const char *column);
int64_t query_int_of(Query *query, const char *column);

/* Converts the first columns of the row to cells of a table, by the types of `columns`. NULL becomes an
   empty cell. */
void query_cells(TableCell *row, Query *query, const TableColumn *columns, int count, Arena *arena);

bool query_end(Query *query, Error *err);

/* The first column of all rows of a query, NULL-terminated and owned by the arena; NULL if reading fails. */
const char **query_texts(Database *store, const char *sql, const char *const *parameters, Arena *arena,
                         Error *err);

/* That of the first row; NULL if there is none (err->code is then EXIT_DONE) or reading fails. */
const char *query_first(Database *store, const char *sql, const char *const *parameters, Arena *arena,
                        Error *err);

#endif
