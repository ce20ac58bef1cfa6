#include "store/run_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "train/train_state.h"

const char *const run_folder_files[] = {"model.safetensors",     "state.safetensors", "state.safetensors.new",
                                        "state.safetensors.old", "vocabulary.txt",    NULL};

const char *run_folder_parent(const char *database, Arena *arena) {
    return dirname(arena_copy(arena, database));
}

const char *run_folder_path(const char *database, const char *name, const char *key, Arena *arena) {
    return arena_format(arena, "%s/%s/%s", run_folder_parent(database, arena), name, key);
}

const char **run_folder_candidates(Database *store, const char *name, const char *key, Arena *arena) {
    Error ignored; /* if the query fails, the list is shorter, and a later write reports the error */
    int count = 0;
    const char **candidates = NULL;
    if (name) *ARENA_PUSH(arena, candidates, count) = run_folder_path(database_path(store), name, key, arena);
    Query *query = query_begin(store, "SELECT name FROM experiment ORDER BY id", NULL);
    while (query_next(query)) {
        const char *other = query_text(query, 0);
        if (name && strcmp(other, name) == 0) continue;
        *ARENA_PUSH(arena, candidates, count) = run_folder_path(database_path(store), other, key, arena);
    }
    query_end(query, &ignored);
    *ARENA_PUSH(arena, candidates, count) = NULL;
    return candidates;
}

/* The first folder that has the first file, else the first that has the second file, and so on; NULL if no
   folder has one of the files. */
static const char *find_file(const char *const *candidates, const char *const *files, Arena *arena) {
    for (; *files; files++)
        for (const char *const *candidate = candidates; *candidate; candidate++)
            if (access(arena_format(arena, "%s/%s", *candidate, *files), F_OK) == 0) return *candidate;
    return NULL;
}

const char *run_folder_find(Database *store, const char *name, const char *key, Arena *arena) {
    const char **candidates = run_folder_candidates(store, name, key, arena),
               *found = find_file(candidates, run_folder_files, arena);
    return found ? found : candidates[0];
}

bool run_folder_in_use(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool idle = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0; /* a worker that starts now waits for it */
    if (fd >= 0) close(fd);
    return !idle;
}

const char *run_folder_log(const char *folder, Arena *arena) {
    return arena_format(arena, "%s/train.jsonl", folder);
}

void run_folder_delete_files(Database *store, const char *key, Arena *arena) {
    for (const char **candidates = run_folder_candidates(store, NULL, key, arena); *candidates;
         candidates++) {
        train_state_remove(arena_format(arena, "%s/state.safetensors", *candidates));
        unlink(arena_format(arena, "%s/model.safetensors", *candidates));
        unlink(arena_format(arena, "%s/" RUN_FOLDER_PRUNED, *candidates));
        unlink(arena_format(arena, "%s/result.db", *candidates));
        unlink(run_folder_log(*candidates, arena));
    }
}

const char *run_folder_weights(Database *store, const char *key, Arena *arena) {
    const char *const files[] = {run_folder_files[0], NULL};
    const char *found = find_file(run_folder_candidates(store, NULL, key, arena), files, arena);
    return found ? arena_format(arena, "%s/%s", found, files[0]) : NULL;
}

bool run_folder_is_key(const char *name) {
    return strlen(name) == 16 && strspn(name, "0123456789abcdef") == 16;
}

/* Whether poslab writes a file of this name for a run, or leaves it after an interruption: NAME, NAME.tmp,
   NAME-journal, NAME.old. */
static bool is_run_file(const char *name) {
    static const char *const files[] = {"config.json",       "requests.json",  "model.safetensors",
                                        "state.safetensors", "train.jsonl",    "result.db",
                                        "log.txt",           "vocabulary.txt", NULL};
    for (int i = 0; files[i]; i++) {
        size_t size = strlen(files[i]);
        if (!strncmp(name, files[i], size) && (!name[size] || strchr(".-", name[size]))) return true;
    }
    return false;
}

const char *run_folder_other_file(const char *folder, int64_t *bytes, Arena *arena) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    const char *other = "";
    *bytes = 0;
    if (!directory) return NULL;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat file;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        bool regular = fstatat(fd, entry->d_name, &file, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(file.st_mode);
        if (regular) *bytes += file.st_size;
        if (!*other && !(regular && is_run_file(entry->d_name))) other = arena_copy(arena, entry->d_name);
    }
    closedir(directory);
    return other;
}

void run_folder_empty(int folder) {
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    if (!directory) return;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (is_run_file(entry->d_name)) unlinkat(folder, entry->d_name, 0);
    closedir(directory);
}

int64_t run_folder_bytes(Database *store, const char *key, Arena *arena) {
    int64_t sum = 0, bytes;
    for (const char **folder = run_folder_candidates(store, NULL, key, arena); *folder; folder++)
        if (run_folder_other_file(*folder, &bytes, arena)) sum += bytes;
    return sum;
}
