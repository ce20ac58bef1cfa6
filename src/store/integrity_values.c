/* integrity_values: one query per table finds whether any value is out of range. Only if there is one, a
 * query per column finds which.
 */
#include "store/integrity_values.h"

#include <string.h>

#include "base/json.h"
#include "store/internal.h"
#include "store/schema.h"

/* Whether all values of the table are in range; also false if the table cannot be read. */
static bool obeys(Database *store, const SchemaTable *table, Arena *arena, Error *err) {
    const char *all = "1";
    for (int i = 0; i < table->count; i++)
        all = arena_format(arena, "%s AND (%s)", all, schema_condition(&table->columns[i], arena));
    Query *query = query_begin(
        store, arena_format(arena, "SELECT 1 FROM %s WHERE (%s) IS NOT 1 LIMIT 1", table->name, all), NULL);
    bool broken = query_next(query);
    err->code = EXIT_DONE;
    return query_end(query, err) && !broken;
}

/* Reports each value of the table that is out of range; without `found`, the first one is the error. */
static bool each_of_table(Database *store, const SchemaTable *table, void (*found)(void *, const char *),
                          void *user, Arena *arena, Error *err) {
    for (int i = 0; i < table->count; i++) {
        const SchemaColumn *column = &table->columns[i];
        const char *sql =
            arena_format(arena, "SELECT %s, quote(substr(\"%s\", 1, 100)) FROM %s WHERE (%s) IS NOT 1",
                         table->row, column->name, table->name, schema_condition(column, arena));
        Query *query = query_begin(store, sql, NULL);
        bool refused = false;
        while (!refused && query_next(query)) {
            ArenaMark mark = arena_mark(arena);
            char key[JSON_EXCERPT_SIZE], value[JSON_EXCERPT_SIZE];
            const char *line =
                arena_format(arena, "table %s, row %s: '%s' must be %s, got %s", table->name,
                             json_excerpt_text(query_text(query, 0), key), column->name,
                             schema_values(column, arena), json_excerpt_text(query_text(query, 1), value));
            refused = !found;
            if (found)
                found(user, line);
            else
                error_set(err, EXIT_DAMAGED,
                          "database '%s' is damaged: %s; `poslab check` lists what else is wrong",
                          store->path, line);
            arena_release(arena, mark);
        }
        if (!query_end(query, refused ? &(Error){0} : err) || refused) return false;
    }
    return true;
}

bool integrity_values_check(Database *store, void (*found)(void *user, const char *line), void *user,
                            Error *err) {
    Arena *arena = arena_new(0);
    bool fine = true;
    for (int i = 0; fine && i < schema_table_count; i++) {
        ArenaMark mark = arena_mark(arena);
        fine = obeys(store, &schema_tables[i], arena, err) ||
               (!err->code && each_of_table(store, &schema_tables[i], found, user, arena, err));
        arena_release(arena, mark);
    }
    arena_free(arena);
    return fine;
}
