/* query: queries of an open database (store/database.h), and how statements wait for its locks.
 *
 * A query reads all its rows at once, so no lock is held while the caller processes them.
 */
#ifndef POSLAB_STORE_QUERY_H
#define POSLAB_STORE_QUERY_H

#include "base/table.h"

typedef struct Database Database;

/* How a statement waits while another process, such as a database viewer, locks the file. It retries for
   `seconds` (default QUERY_PATIENCE), then fails with EXIT_SYSTEM, and its transaction is rolled back. go_on
   is called several times a second, with NULL or a message to show; if it returns false, the wait ends with
   EXIT_STOPPED. If go_on is NULL, messages are printed to stderr. */
enum { QUERY_PATIENCE = 600 };
typedef struct QueryWait {
    double seconds;
    bool (*go_on)(void *user, const char *message);
    void *user;
} QueryWait;
void query_set_wait(Database *store, QueryWait wait);

/* SQL: the runs r of the points p of the experiments x. */
#define QUERY_RUNS " FROM experiment x JOIN point p ON p.experiment = x.id JOIN run r ON r.key = p.run"

/* A query. query_begin reads all rows; `parameters` (NULL-terminated, or NULL) are bound in order as text.
   query_next moves to the next row. A query that cannot be prepared is a bug; any other error ends the rows
   and is returned by query_end, which frees the query. */
typedef struct Query Query;
Query *query_begin(Database *store, const char *sql, const char *const *parameters);
bool query_next(Query *query);
const char *query_text(Query *query, int column); /* valid until query_end; "" for NULL */
double query_real(Query *query, int column);      /* NAN for NULL */
int64_t query_int(Query *query, int column);
bool query_is_null(Query *query, int column);

/* Values by the name of the column, for rows with many columns. A missing name is a bug. */
int query_column(const Query *query, const char *name); /* the index of a column */
const char *query_text_of(Query *query, const char *column);
double query_real_of(Query *query, const char *column);
int64_t query_int_of(Query *query, const char *column);

/* Converts the first `count` columns of the row to cells of a table with the types of `columns`. NULL becomes
   an empty cell. Texts are owned by the arena. */
void query_cells(TableCell *row, Query *query, const TableColumn *columns, int count, Arena *arena);

bool query_end(Query *query, Error *err);

/* The first column of all rows, NULL-terminated and owned by the arena; NULL if reading fails. */
const char **query_texts(Database *store, const char *sql, const char *const *parameters, Arena *arena,
                         Error *err);

/* The first column of the first row, owned by the arena. NULL if there is no row (err->code is then
   EXIT_DONE) or reading fails. */
const char *query_first(Database *store, const char *sql, const char *const *parameters, Arena *arena,
                        Error *err);

#endif
