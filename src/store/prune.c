#include "store/prune.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "experiment/config_file.h"
#include "store/internal.h"
#include "store/run_folder.h"
#include "store/runs.h"

const char *const prune_kind_names[] = {"run", "folder", "weights", NULL};

#define RUN_NAME "label || ' L=' || train_length || ' seed=' || seed"

/* --- finding --- */

static PruneItem *add(PruneList *list, PruneKind kind, const char *key, const char *name, Arena *arena) {
    PruneItem *item = ARENA_PUSH(arena, list->items, list->count);
    *item = (PruneItem){kind, arena_copy(arena, key), arena_copy(arena, name), "", 0, ""};
    return item;
}

static bool find_runs(PruneList *list, Database *store, Arena *arena, Error *err) {
    Query *query = query_begin(store,
                               "SELECT key, " RUN_NAME " FROM run WHERE key NOT IN (" RUNS_POINTS ")"
                               " ORDER BY key",
                               NULL);
    while (query_next(query)) add(list, PRUNE_RUN, query_text(query, 0), query_text(query, 1), arena);
    return query_end(query, err);
}

/* Lists the folders of one experiment whose keys are those of no point. */
static bool find_folders(PruneList *list, Database *store, const char *experiment, Arena *arena, Error *err) {
    const char *home =
        arena_format(arena, "%s/%s", run_folder_parent(database_path(store), arena), experiment);
    DIR *directory = opendir(home);
    if (!directory) return true;
    err->code = EXIT_DONE;
    for (const struct dirent *entry; !err->code && (entry = readdir(directory)) != NULL;) {
        const char *const key[] = {entry->d_name, NULL};
        if (!run_folder_is_key(*key) ||
            query_first(store, "SELECT 1 WHERE ? IN (" RUNS_POINTS ")", key, arena, err) || err->code)
            continue;
        const char *name = query_first(store, "SELECT " RUN_NAME " FROM run WHERE key = ?", key, arena, err);
        PruneItem *item = add(list, PRUNE_FOLDER, *key, name ? name : "", arena);
        item->path = arena_format(arena, "%s/%s", home, *key);
        const char *other = run_folder_other_file(item->path, &item->bytes, arena);
        if (!other)
            item->kept = arena_format(arena, "it cannot be read: %s", strerror(errno));
        else if (*other)
            item->kept = arena_format(arena, "it contains another file: %s", other);
    }
    closedir(directory);
    return !err->code;
}

/* The names of all experiments. Names that a config cannot have are skipped: in a hostile database they could
   be paths to other folders. */
static const char **experiments(Database *store, Arena *arena, Error *err) {
    Error ignored;
    const char **names = query_texts(store, "SELECT name FROM experiment ORDER BY id", NULL, arena, err);
    const char **kept = names;
    for (const char **name = names; name && *name; name++)
        if (config_file_check_name(*name, "", &ignored)) *kept++ = *name;
    if (names) *kept = NULL;
    return names;
}

static bool find_weights(PruneList *list, Database *store, const char *const *names, Arena *arena,
                         Error *err) {
    Query *query = query_begin(store,
                               "SELECT key, " RUN_NAME " FROM run WHERE status = 'done' AND steps IS NOT NULL"
                               " AND key NOT IN (SELECT run_key FROM outcome WHERE outcome = 'missing')"
                               " AND key NOT IN (SELECT " RUNS_FROM " FROM run r WHERE steps IS NULL AND"
                               " key IN (SELECT run FROM point) AND " RUNS_FROM " IS NOT NULL)"
                               " ORDER BY key",
                               NULL);
    while (query_next(query))
        for (int i = 0; names[i] && run_folder_is_key(query_text(query, 0)); i++) {
            struct stat file;
            const char *key = query_text(query, 0);
            const char *path = arena_format(arena, "%s/model.safetensors",
                                            run_folder_path(database_path(store), names[i], key, arena));
            if (lstat(path, &file) != 0 || !S_ISREG(file.st_mode)) continue;
            PruneItem *item = add(list, PRUNE_WEIGHTS, key, query_text(query, 1), arena);
            item->path = path;
            item->bytes = file.st_size;
        }
    return query_end(query, err);
}

/* --- other databases --- */

/* Whether a file is a poslab database other than this one. */
static bool is_neighbour(const char *path, const struct stat *own) {
    struct stat file;
    uint32_t version;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode) &&
           (file.st_dev != own->st_dev || file.st_ino != own->st_ino) &&
           database_identity(path, &version) == DATABASE_APPLICATION;
}

/* Keeps the folders whose runs are in the database at `path`. An experiment that was run with another --db
   uses the same folders. */
static bool keep_runs_of(PruneList *list, Database *store, const char *path, Arena *arena, Error *err) {
    Error why;
    bool fine = DATABASE_RUN(store, &why, "ATTACH ? AS neighbour", database_text(database_file(path, arena)));
    bool attached = fine;
    for (int i = 0; fine && i < list->count; i++) {
        PruneItem *item = &list->items[i];
        int64_t known = 0;
        if (item->kind == PRUNE_RUN || *item->kept) continue;
        fine = database_step(store, &why, &known, "SELECT count(*) FROM neighbour.run WHERE key = ?",
                             DATABASE_VALUES(database_text(item->key)));
        if (known) item->kept = arena_format(arena, "'%s' has its run", path);
    }
    if (attached && !database_execute(store, fine ? err : &(Error){0}, "DETACH neighbour") && fine)
        return false;
    return fine ||
           error_set(err, EXIT_SYSTEM, "cannot read '%s', whose runs may be in the same folders: %.700s",
                     path, why.text);
}

static bool needs_neighbours(const PruneList *list) {
    for (int i = 0; i < list->count; i++)
        if (list->items[i].kind != PRUNE_RUN && !*list->items[i].kept) return true;
    return false;
}

/* Must be called after the folders are listed, because a run is stored before its folder is created. */
static bool keep_runs_of_neighbours(PruneList *list, Database *store, Arena *arena, Error *err) {
    const char *home = run_folder_parent(database_path(store), arena);
    struct stat own;
    if (!needs_neighbours(list)) return true;
    DIR *directory = opendir(home);
    if (!directory || stat(database_path(store), &own) != 0) {
        if (directory) closedir(directory);
        return error_system(err, "cannot read the folder '%s'", home);
    }
    bool fine = true;
    for (const struct dirent *entry; fine && (entry = readdir(directory)) != NULL;) {
        const char *path = arena_format(arena, "%s/%s", home, entry->d_name);
        fine = !is_neighbour(path, &own) || keep_runs_of(list, store, path, arena, err);
    }
    closedir(directory);
    return fine;
}

bool prune_find(PruneList *list, Database *store, bool weights, Arena *arena, Error *err) {
    *list = (PruneList){0};
    const char **names = experiments(store, arena, err);
    if (!names ||
        !(weights ? find_weights(list, store, names, arena, err) : find_runs(list, store, arena, err)))
        return false;
    for (int i = 0; !weights && names[i]; i++)
        if (!find_folders(list, store, names[i], arena, err)) return false;
    return keep_runs_of_neighbours(list, store, arena, err);
}

/* --- deleting --- */

/* Opens and locks a run folder as a worker does. On failure returns -1 and sets *kept to the reason. */
static int lock_folder(const char *folder, const char **kept, Arena *arena) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    *kept = fd >= 0 && errno == EWOULDBLOCK ? "a worker is using it" : arena_copy(arena, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

static void delete_files(PruneItem *item, Arena *arena) {
    const bool weights = item->kind == PRUNE_WEIGHTS;
    size_t size = strlen(item->path);
    const char *folder =
        weights ? arena_format(arena, "%.*s", (int)(size - strlen("/model.safetensors")), item->path)
                : item->path;
    int64_t bytes;
    int fd = lock_folder(folder, &item->kept, arena);
    if (fd < 0) return;
    const char *other = weights ? "" : run_folder_other_file(folder, &bytes, arena);
    if (weights) {
        int mark = openat(fd, RUN_FOLDER_PRUNED, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (mark < 0 || close(mark) != 0 || unlinkat(fd, "model.safetensors", 0) != 0)
            item->kept = arena_copy(arena, strerror(errno));
    } else if (!other || *other)
        item->kept = "it contains another file";
    else
        run_folder_empty(fd);
    if (!*item->kept && !weights && rmdir(folder) != 0) item->kept = arena_copy(arena, strerror(errno));
    close(fd);
}

bool prune_delete(PruneList *list, Database *store, Arena *arena, Error *err) {
    for (int i = 0; i < list->count; i++) {
        PruneItem *item = &list->items[i];
        int64_t points = 0;
        bool deleted = false;
        if (*item->kept) continue;
        if (!database_step(store, err, &points, "SELECT ? IN (" RUNS_POINTS ")",
                           DATABASE_VALUES(database_text(item->key))) ||
            (item->kind == PRUNE_RUN && !runs_delete_unused(store, item->key, &deleted, err)))
            return false;
        if (item->kind == PRUNE_RUN ? !deleted : item->kind == PRUNE_FOLDER && points)
            item->kept = "it is now a point of an experiment, or one continues it";
        else if (item->kind != PRUNE_RUN)
            delete_files(item, arena);
    }
    return true;
}
