/* folder: see folder.h. */
#include "store/run_folder.h"

#include <libgen.h>
#include <string.h>
#include <unistd.h>

#include "train/train.h"

const char *folder_of_database(const char *database, Arena *arena) {
    return dirname(arena_copy(arena, database));
}

const char *folder_of_run(const char *database, const char *name, const char *key, Arena *arena) {
    return arena_format(arena, "%s/%s/%s", folder_of_database(database, arena), name, key);
}

const char **folder_places(Store *store, const char *name, const char *key, Arena *arena) {
    Err ignored; /* what cannot be read is not there; writing will say why */
    int count = 0, room = 4;
    const char **places = NEW(arena, room + 1, const char *);
    if (name) places[count++] = folder_of_run(store_path(store), name, key, arena);
    Query *query = query_begin(store, "SELECT name FROM experiment ORDER BY id", NULL);
    while (query_next(query)) {
        const char *other = query_text(query, 0);
        if (name && strcmp(other, name) == 0) continue;
        if (count == room) {
            places = arena_grow(arena, places, (size_t)count, 2 * (size_t)room + 1, sizeof *places);
            room *= 2;
        }
        places[count++] = folder_of_run(store_path(store), other, key, arena);
    }
    query_end(query, &ignored);
    return places;
}

/* The first of the places that has one of the files, the first file first; NULL if there is none. */
static const char *find_file(const char *const *places, const char *const *files, Arena *arena) {
    for (; *files; files++)
        for (const char *const *place = places; *place; place++)
            if (access(arena_format(arena, "%s/%s", *place, *files), F_OK) == 0) return *place;
    return NULL;
}

const char *folder_find(Store *store, const char *name, const char *key, Arena *arena) {
    static const char *const files[] = {"model.safetensors", "state.safetensors", "state.safetensors.new",
                                        "state.safetensors.old", NULL};
    const char **places = folder_places(store, name, key, arena), *found = find_file(places, files, arena);
    return found ? found : places[0];
}

void folder_forget(Store *store, const char *key, Arena *arena) {
    for (const char **places = folder_places(store, NULL, key, arena); *places; places++) {
        train_forget(arena_format(arena, "%s/state.safetensors", *places));
        unlink(arena_format(arena, "%s/model.safetensors", *places));
        unlink(arena_format(arena, "%s/result.db", *places));
    }
}

const char *folder_weights(Store *store, const char *key, Arena *arena) {
    static const char *const files[] = {"model.safetensors", NULL};
    const char *found = find_file(folder_places(store, NULL, key, arena), files, arena);
    return found ? arena_format(arena, "%s/%s", found, files[0]) : NULL;
}
