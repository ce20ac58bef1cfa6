/* config_file: reads a chain of configs, from the given file to the last one that is extended, and merges
 * them.
 */
#include "experiment/config_file.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "sys/atomic_file.h"

enum { MAX_FILES = 16, NAME_SIZE = 64 };

/* ---- extends ---- */

/* The files of a chain; each is extended by the one before it. */
typedef struct Chain {
    const char *paths[MAX_FILES];
    int count;
} Chain;

/* Keys that are not inherited, and keys whose objects are replaced as a whole. */
static const char *const own[] = {"name", "description", "tags", "$schema", "extends", NULL};
static const char *const whole[] = {"method", "sweep", "exclude", NULL};

/* Merges the members of `json` into `base`. `top`: both are the top level of a file, where `whole`
   applies. */
static void complete(Json *base, const Json *json, bool top) {
    for (const Json *member = json_first(json); member; member = json_next(member)) {
        const char *key = json_name(member);
        Json *there = json_get_mutable(base, key);
        bool both = json_is_object(there) && json_is_object(member) && !(top && text_index(key, whole) >= 0);
        if (both)
            complete(there, member, false);
        else
            json_set(base, key, json_copy(member, json_arena(base)));
    }
}

/* The path of file `name`, which the file `path` names: relative to the folder of `path`. */
static const char *beside(const char *path, const char *name, Arena *arena) {
    const char *slash = strrchr(path, '/');
    if (*name == '/' || !slash) return arena_copy(arena, name);
    return arena_format(arena, "%.*s/%s", (int)(slash - path), path, name);
}

static bool add_to_chain(Chain *chain, const char *path, const char *source, Arena *arena, Error *err) {
    char real[PATH_MAX];
    const char *known = arena_copy(arena, realpath(path, real) ? real : path);
    for (int i = 0; i < chain->count; i++)
        if (strcmp(chain->paths[i], known) == 0)
            return error_set(err, EXIT_USAGE, "%s: 'extends': '%s' extends itself; name another config",
                             source, path);
    if (chain->count == MAX_FILES)
        return error_set(err, EXIT_USAGE, "%s: 'extends': more than %d configs in a chain; shorten it",
                         source, MAX_FILES);
    chain->paths[chain->count++] = known;
    return true;
}

/* Refuses a database, which is easily given in place of the config that made it. */
static bool check_no_database(const char *path, const char *source, Error *err) {
    char head[16] = "";
    FILE *file = fopen(path, "re");
    bool database =
        file && fread(head, 1, sizeof head, file) == sizeof head && !memcmp(head, "SQLite format 3", 16);
    if (file) fclose(file);
    return !database ||
           error_set(
               err, EXIT_USAGE,
               "%s: this is a database, not a config (JSON); name the config that made it, as in `poslab run "
               "x.json`, or `poslab status %s` to see what is in it",
               source, path);
}

static Json *read_chain(Chain *chain, const char *path, const char *source, Arena *arena, Error *err) {
    if (!check_no_database(path, source, err)) return NULL;
    Json *json = file_read_json(path, source, arena, err);
    const Json *extends = json_get(json, "extends");
    if (!extends) return json;
    if (!*json_text(extends, "")) {
        json_value_error(extends, source, "extends", "the path of a config", err);
        return NULL;
    }
    const char *base_path = beside(path, json_text(extends, ""), arena);
    const char *base_source = arena_format(arena, "config '%s'", base_path);
    if (!add_to_chain(chain, base_path, source, arena, err)) return NULL;
    Error inner = {0};
    Json *base = access(base_path, R_OK) == 0 ? read_chain(chain, base_path, base_source, arena, err)
                                              : file_read_json(base_path, base_source, arena, &inner);
    if (inner.code) error_set(err, EXIT_USAGE, "%s: 'extends': %s", source, inner.text);
    if (base && !json_is_object(base)) {
        json_value_error(base, base_source, "", "an object", err);
        return NULL;
    }
    if (!base) return NULL;
    for (int i = 0; own[i]; i++) json_remove(base, own[i]);
    json_set_origin(base, base_source);
    complete(base, json, true);
    json_remove(base, "extends");
    return base;
}

Json *config_file_read(const char *path, const char *source, Arena *arena, Error *err) {
    Chain chain = {.count = 0};
    return add_to_chain(&chain, path, source, arena, err) ? read_chain(&chain, path, source, arena, err)
                                                          : NULL;
}

/* ---- names and notes ---- */

const char *config_file_stem(const char *path, Arena *arena) {
    const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    int size = (int)strlen(base);
    bool json = size > 5 && strcmp(base + size - 5, ".json") == 0;
    return arena_format(arena, "%.*s", json ? size - 5 : size, base);
}

bool config_file_check_name(const char *name, const char *source, Error *err) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char word[JSON_EXCERPT_SIZE];
    size_t size = strlen(name);
    if (size > 0 && size <= NAME_SIZE && strspn(name, letters) == size && name[0] != '.' && name[0] != '-')
        return true;
    return error_set(
        err, EXIT_USAGE,
        "%s: 'name' must be 1 to 64 letters, digits, '.', '_' or '-' and not begin with '.' or '-', got '%s'",
        source, json_excerpt_text(name, word));
}

bool config_file_check_notes(const Json *json, const char *source, Error *err) {
    const Json *description = json_get(json, "description"), *tags = json_get(json, "tags");
    if (description && !json_is_text(description))
        return json_value_error(description, source, "description", "text", err);
    if (!json_check_list(tags, source, "tags", CONFIG_FILE_MAX_TAGS, err)) return false;
    for (const Json *tag = json_first(tags); tag; tag = json_next(tag))
        if (!*json_text(tag, ""))
            return json_value_error(tag, source, "tags", "texts that are not empty", err);
    return true;
}
