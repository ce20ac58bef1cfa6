/* dump: rows are printed in the order of their text, because row numbers differ between equal databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dump.h"
#include "samples.h"

#include <sqlite3.h>
#include <string.h>

void dump_change(const char *path, const char *sql) {
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA synchronous = OFF", NULL, NULL, NULL), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK) fail_msg("%s: %s", sql, error);
    sqlite3_close(db);
}

void dump_copy(const char *to, const char *from) {
    size_t size;
    const char *bytes = sample_file(from, &size);
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The content of a column as SQL; references to rows are replaced by the content of these rows. */
static const char *column_sql(const char *table, const char *column) {
    static const struct {
        const char *table, *column, *sql; /* table NULL: any */
    } numbers[] = {
        {NULL, "corpus_id", "(SELECT hash || tokenizer || vocabulary FROM corpus c WHERE c.id = corpus_id)"},
        {"bench_result", "bench", "(SELECT created || host FROM bench b WHERE b.id = bench)"},
        {"point", "experiment", "(SELECT name FROM experiment x WHERE x.id = experiment)"},
        {"request", "experiment", "(SELECT name FROM experiment x WHERE x.id = experiment)"},
        {NULL, "evaluation",
         "(SELECT concat_all FROM (SELECT id, run || split || protocol || length || '/' || stride || '/' || "
         "requested ||"
         " precision || variant || variant_options AS concat_all FROM evaluation) e WHERE e.id = "
         "evaluation)"},
    };
    for (int i = 0; i < COUNT_OF(numbers); i++)
        if (!strcmp(numbers[i].column, column) && (!numbers[i].table || !strcmp(numbers[i].table, table)))
            return numbers[i].sql;
    return arena_format(sample_arena, "quote(%s)", column);
}

const char *dump_of(const char *path) {
    Error err;
    const char *text = "", *sql;
    Database *store = database_open(path, DATABASE_READ, &err);
    if (!store) fail_msg("%s", err.text);
    Query *tables =
        query_begin(store, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1", NULL);
    while (query_next(tables)) {
        const char *table = arena_copy(sample_arena, query_text(tables, 0)), *list = "";
        Query *columns =
            query_begin(store, "SELECT name FROM pragma_table_info(?)", (const char *[]){table, NULL});
        while (query_next(columns)) {
            const char *column = query_text(columns, 0);
            if (strcmp(column, "id") != 0)
                list = arena_format(sample_arena, "%s%s%s", list, *list ? " || '|' || " : "",
                                    column_sql(table, column));
        }
        assert_true(query_end(columns, &err));
        sql = arena_format(sample_arena, "SELECT %s FROM %s ORDER BY 1", list, table);
        Query *rows = query_begin(store, sql, NULL);
        while (query_next(rows))
            text = arena_format(sample_arena, "%s%s: %s\n", text, table, query_text(rows, 0));
        assert_true(query_end(rows, &err));
    }
    assert_true(query_end(tables, &err));
    database_close(store);
    return text;
}

void dump_expect(const char *path, const char *wanted, const char *what) {
    const char *found = dump_of(path);
    if (!strcmp(found, wanted)) return;
    int at = 0, line = 0;
    for (; found[at] == wanted[at]; at++)
        if (found[at] == '\n') line = at + 1;
    fail_msg("%s: %s has '%.*s', expected '%.*s'", what, path, (int)strcspn(found + line, "\n"), found + line,
             (int)strcspn(wanted + line, "\n"), wanted + line);
}
