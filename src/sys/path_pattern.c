/* path_pattern: a pattern is matched component by component, starting from a folder that exists. */
#include "sys/path_pattern.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Folder {
    dev_t device;
    ino_t inode;
} Folder;

typedef struct Visited {
    Folder *items; /* [count] */
    int count;
} Visited;

typedef struct Search {
    const char *pattern, *place;
    bool recursive; /* the pattern has a component `**` */
    Paths found;
    Visited visited; /* by the innermost `**` */
    Arena *arena;
    Error *err;
} Search;

/* Whether errno means that a path does not exist, which is not an error here. */
static bool is_absent(void) {
    return errno == ENOENT || errno == ENOTDIR;
}

static bool cannot(const Search *search, const char *path) {
    return error_system(search->err, "%s: pattern '%s': cannot read '%s'", search->place, search->pattern,
                        path);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a folder, sorted, without "." and "..". */
static bool list_folder(const Search *search, const char *folder, Paths *names) {
    const char *path = *folder ? folder : ".";
    DIR *stream = opendir(path);
    if (!stream) return is_absent() || cannot(search, path);
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(stream)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            *ARENA_PUSH(search->arena, names->items, names->count) = arena_copy(search->arena, entry->d_name);
        errno = 0;
    }
    bool good = errno == 0 || cannot(search, path);
    closedir(stream);
    if (names->count) qsort(names->items, (size_t)names->count, sizeof(char *), by_text);
    return good;
}

/* Whether a path is a folder; false with *good = false and the error set if it cannot be examined. */
static bool is_folder(const Search *search, const char *path, struct stat *status, bool *good) {
    if (stat(path, status) == 0) return S_ISDIR(status->st_mode);
    *good = is_absent() || errno == ELOOP || cannot(search, path); /* a dangling link is not a folder */
    return false;
}

static bool add(Search *search, const char *path) {
    struct stat status;
    bool good = true;
    if (search->recursive && is_folder(search, path, &status, &good)) return true;
    if (good) *ARENA_PUSH(search->arena, search->found.items, search->found.count) = path;
    return good;
}

static bool first_visit(Search *search, const struct stat *status) {
    Visited *known = &search->visited;
    for (int i = 0; i < known->count; i++)
        if (known->items[i].inode == status->st_ino && known->items[i].device == status->st_dev) return false;
    *ARENA_PUSH(search->arena, known->items, known->count) = (Folder){status->st_dev, status->st_ino};
    return true;
}

static bool follow(Search *search, const char *folder, const char *pattern);

/* Component `**`: applies the rest of the pattern to this folder and to all folders below it. */
static bool walk(Search *search, const char *folder, const char *pattern) {
    struct stat status;
    bool good = true;
    if (!is_folder(search, *folder ? folder : ".", &status, &good) || !first_visit(search, &status))
        return good;
    Visited outer = search->visited;
    Paths names = {0};
    search->visited = (Visited){0}; /* each `**` has its own list */
    good = follow(search, folder, pattern) && list_folder(search, folder, &names);
    search->visited = outer;
    for (int i = 0; good && i < names.count; i++) {
        const char *name = names.items[i];
        if (*name != '.') good = walk(search, arena_format(search->arena, "%s%s/", folder, name), pattern);
    }
    return good;
}

/* Adds what the pattern matches in `folder`, which is "" or ends with a slash. */
static bool follow(Search *search, const char *folder, const char *pattern) {
    size_t size = strcspn(pattern, "/");
    const char *part = arena_format(search->arena, "%.*s", (int)size, pattern);
    const char *rest = pattern + size + strspn(pattern + size, "/");
    if (strcmp(part, "**") == 0) {
        while (strncmp(rest, "**/", 3) == 0) rest += 3;
        return walk(search, folder, *rest && strcmp(rest, "**") != 0 ? rest : "*");
    }
    Paths names = {0};
    bool wild = strpbrk(part, "*?[\\") != NULL, good = true;
    if (wild)
        good = list_folder(search, folder, &names);
    else
        *ARENA_PUSH(search->arena, names.items, names.count) = part;
    for (int i = 0; good && i < names.count; i++) {
        const char *name = names.items[i];
        const char *path = arena_format(search->arena, "%s%s", folder, name);
        struct stat status;
        if (wild && fnmatch(part, name, FNM_PERIOD) != 0) continue;
        if (*rest)
            good = follow(search, arena_format(search->arena, "%s/", path), rest);
        else if (wild || lstat(path, &status) == 0)
            good = add(search, path);
        else
            good = is_absent() || cannot(search, path);
    }
    return good;
}

bool path_pattern_find(Paths *paths, const char *pattern, const char *place, Arena *arena, Error *err) {
    struct stat status;
    Search search = {.pattern = pattern, .place = place, .arena = arena, .err = err};
    size_t root = strspn(pattern, "/");
    const char *from = pattern + root;
    search.recursive = strncmp(from, "**", 2) == 0 ? strchr("/", from[2]) != NULL : false;
    for (const char *at = from; (at = strstr(at, "/**")) != NULL; at++)
        search.recursive |= at[3] == '/' || at[3] == '\0';
    bool itself = stat(pattern, &status) == 0, good = true;
    if (itself)
        *ARENA_PUSH(arena, search.found.items, search.found.count) = arena_copy(arena, pattern);
    else
        good = follow(&search, arena_format(arena, "%.*s", (int)root, pattern), from);
    *paths = search.found;
    paths->wild = !itself && strpbrk(pattern, "*?[\\") != NULL;
    if (paths->count) qsort(paths->items, (size_t)paths->count, sizeof(char *), by_text);
    return good;
}
