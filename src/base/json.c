/* json: a Json is a cJSON node.
 *
 * base/json_syntax.c checks a text before cJSON parses it, and duplicate keys are refused afterwards, so
 * the leniency of cJSON has no effect. Printing is implemented here, because cJSON writes numbers with up
 * to 17 digits.
 */
#include "base/json.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include "base/escape.h"
#include "base/json_syntax.h"

enum { PATH_SIZE = 256, KEY_SIZE = 64 };

static const double whole_limit = 9007199254740992.0; /* 2^53: doubles hold all whole numbers up to it */

static cJSON *node(const Json *json) {
    return (cJSON *)json;
}

/* ---- memory ---- */

/* Precedes each block that cJSON allocates: a node or a text. */
typedef struct Header {
    _Alignas(max_align_t) Arena *arena;
    const char *origin; /* of a node, see json_set_origin */
} Header;

static _Thread_local Arena *current; /* the arena that cJSON allocates from */

static void *take_memory(size_t size) {
    Header *header = arena_alloc(current, 1, sizeof *header + size);
    if (!header) BUG("JSON in a counting arena");
    *header = (Header){.arena = current};
    return header + 1;
}

static void keep_memory(void *memory) {
    (void)memory;
}

static void set_hooks(void) {
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = take_memory, .free_fn = keep_memory});
}

/* Must be called before each call of cJSON that allocates. */
static void take_from(Arena *arena) {
    static once_flag hooks = ONCE_FLAG_INIT;
    call_once(&hooks, set_hooks);
    current = arena;
}

Arena *json_arena(const Json *json) {
    return ((const Header *)json)[-1].arena;
}

/* Must be called before a value becomes part of a tree. */
static void join_tree(const Json *tree, const Json *value) {
    if (json_arena(tree) != json_arena(value)) BUG("a JSON value is in another arena than its tree");
    take_from(json_arena(tree));
}

/* ---- numbers ---- */

const char *json_number_text(double number, char out[JSON_NUMBER_SIZE]) {
    number += 0; /* -0 becomes 0 */
    bool whole = number == floor(number) && fabs(number) <= whole_limit;
    snprintf(out, JSON_NUMBER_SIZE, isfinite(number) ? "%.0f" : "null", number);
    for (int digits = 1; !whole && isfinite(number) && digits <= DBL_DECIMAL_DIG; digits++) {
        snprintf(out, JSON_NUMBER_SIZE, "%.*g", digits, number);
        if (strtod(out, NULL) == number) break;
    }
    return out;
}

/* ---- reading text ---- */

/* The path of member `key` of the object at `path`. */
static const char *path_join(char out[PATH_SIZE], const char *path, const char *key) {
    char word[JSON_EXCERPT_SIZE];
    snprintf(out, PATH_SIZE, "%.180s%s%s", path, *path ? "." : "", json_excerpt_text(key, word));
    return out;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Checks that no object of the tree has a key twice. */
static bool keys_unique(const cJSON *json, const char *path, Arena *scratch, const char *source, Error *err) {
    char inner[PATH_SIZE], number[JSON_NUMBER_SIZE];
    ArenaMark mark = arena_mark(scratch);
    int count = cJSON_IsObject(json) ? cJSON_GetArraySize(json) : 0, index = 0;
    const char **sorted = count ? NEW(scratch, count, const char *) : NULL;
    const cJSON *child;
    cJSON_ArrayForEach(child, json) {
        if (count) sorted[index] = child->string;
        index++;
        if (!child->child) continue;
        snprintf(number, sizeof number, "%d", index);
        if (!keys_unique(child, path_join(inner, path, count ? child->string : number), scratch, source, err))
            return false;
    }
    if (count) qsort(sorted, (size_t)count, sizeof *sorted, by_name);
    for (int i = 1; i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            return error_set(err, EXIT_USAGE, "%s: duplicate key '%s'; remove one of them", source,
                             path_join(inner, path, sorted[i]));
    arena_release(scratch, mark);
    return true;
}

Json *json_parse(const char *text, size_t length, const char *source, Arena *arena, Error *err) {
    if (!json_syntax_check(text, length, source, err)) return NULL;
    size_t mark = scan_mark(text, length);
    ArenaMark before = arena_mark(arena);
    take_from(arena);
    cJSON *json = cJSON_ParseWithLengthOpts(text + mark, length - mark, NULL, false);
    if (!json) BUG("%s: cJSON refuses what is valid JSON", source);
    if (keys_unique(json, "", arena, source, err)) return (Json *)json;
    return arena_release(arena, before), NULL;
}

Json *json_parse_own(const char *text, Arena *arena) {
    Error err;
    Json *json = json_parse(text, strlen(text), "the program's own JSON", arena, &err);
    if (!json) BUG("%s", err.text);
    return json;
}

/* Copies the origins from `model`, the original of a copy; nodes without one get `origin`. */
static Json *set_origins(Json *json, const Json *model, const char *origin) {
    Header *header = (Header *)json - 1;
    if (!header->origin) header->origin = model ? json_origin(model) : origin;
    const Json *from = json_first(model);
    for (const Json *child = json_first(json); child;
         child = json_next(child), from = from ? json_next(from) : NULL)
        set_origins((Json *)child, from, origin);
    return json;
}

Json *json_copy(const Json *json, Arena *arena) {
    take_from(arena);
    return set_origins((Json *)cJSON_Duplicate(node(json), true), json, NULL);
}

void json_set_origin(Json *json, const char *origin) {
    set_origins(json, NULL, origin);
}

const char *json_origin(const Json *json) {
    return ((const Header *)json)[-1].origin;
}

/* ---- looking ---- */

bool json_is_object(const Json *json) {
    return cJSON_IsObject(node(json));
}

bool json_is_array(const Json *json) {
    return cJSON_IsArray(node(json));
}

bool json_is_text(const Json *json) {
    return cJSON_IsString(node(json));
}

bool json_is_number(const Json *json) {
    return cJSON_IsNumber(node(json));
}

bool json_is_bool(const Json *json) {
    return cJSON_IsBool(node(json));
}

bool json_bool(const Json *json) {
    return cJSON_IsTrue(node(json));
}

const Json *json_get(const Json *object, const char *key) {
    return json_is_object(object) ? (const Json *)cJSON_GetObjectItemCaseSensitive(node(object), key) : NULL;
}

Json *json_get_mutable(Json *object, const char *key) {
    return (Json *)node(json_get(object, key));
}

const Json *json_at_path(const Json *json, const char *path) {
    char key[KEY_SIZE];
    size_t size = strcspn(path, ".");
    if (snprintf(key, sizeof key, "%.*s", (int)size, path) >= KEY_SIZE) return NULL;
    const Json *member = json_get(json, key);
    return path[size] ? json_at_path(member, path + size + 1) : member;
}

const Json *json_at(const Json *array, int index) {
    return json_is_array(array) ? (const Json *)cJSON_GetArrayItem(node(array), index) : NULL;
}

int json_count(const Json *json) {
    return json_is_array(json) || json_is_object(json) ? cJSON_GetArraySize(node(json)) : 0;
}

const Json *json_first(const Json *json) {
    return json ? (const Json *)node(json)->child : NULL;
}

const Json *json_next(const Json *json) {
    return (const Json *)node(json)->next;
}

const char *json_name(const Json *json) {
    return node(json)->string;
}

const char *json_text(const Json *json, const char *fallback) {
    return json_is_text(json) ? node(json)->valuestring : fallback;
}

double json_number(const Json *json, double fallback) {
    return json_is_number(json) ? node(json)->valuedouble : fallback;
}

const char *json_excerpt_text(const char *text, char out[JSON_EXCERPT_SIZE]) {
    size_t size = strlen(text), keep = size < 60 ? size : 60;
    while (keep < size && keep > 0 && (text[keep] & 0xC0) == 0x80) keep--; /* not inside a character */
    for (size_t i = 0; i < keep; i++) out[i] = iscntrl((unsigned char)text[i]) ? '?' : text[i];
    snprintf(out + keep, JSON_EXCERPT_SIZE - keep, "%s", keep < size ? "..." : "");
    return out;
}

const char *json_excerpt(const Json *json, char out[JSON_EXCERPT_SIZE]) {
    char word[JSON_EXCERPT_SIZE];
    const char *kind = json_is_object(json)  ? "an object"
                       : json_is_array(json) ? "a list"
                       : json_is_bool(json)  ? (json_bool(json) ? "true" : "false")
                       : json                ? "null"
                                             : "nothing";
    bool text = json_is_text(json);
    if (json_is_number(json)) return json_number_text(node(json)->valuedouble, out);
    if (text) kind = json_excerpt_text(node(json)->valuestring, word);
    snprintf(out, JSON_EXCERPT_SIZE, text ? "\"%.66s\"" : "%s", kind);
    return out;
}

bool json_value_error(const Json *json, const char *source, const char *path, const char *wanted,
                      Error *err) {
    char value[JSON_EXCERPT_SIZE];
    if (json && json_origin(json)) source = json_origin(json);
    return error_set(err, EXIT_USAGE, "%s: %s%s%smust be %s, got %s", source, *path ? "'" : "", path,
                     *path ? "' " : "", wanted, json_excerpt(json, value));
}

bool json_check_list(const Json *json, const char *source, const char *path, int most, Error *err) {
    if (json && !json_is_array(json)) return json_value_error(json, source, path, "a list", err);
    int count = json_count(json);
    if (!json || (count > 0 && count <= most)) return true;
    return error_set(err, EXIT_USAGE, "%s: '%s' must have between 1 and %d items, got %d", source, path, most,
                     count);
}

/* ---- building ---- */

Json *json_new_object(Arena *arena) {
    take_from(arena);
    return (Json *)cJSON_CreateObject();
}

Json *json_new_array(Arena *arena) {
    take_from(arena);
    return (Json *)cJSON_CreateArray();
}

Json *json_new_text(const char *text, Arena *arena) {
    take_from(arena);
    return (Json *)cJSON_CreateString(text);
}

Json *json_new_number(double number, Arena *arena) {
    take_from(arena);
    return (Json *)cJSON_CreateNumber(number);
}

Json *json_new_bool(bool truth, Arena *arena) {
    take_from(arena);
    return (Json *)cJSON_CreateBool(truth);
}

Json *json_new_null(Arena *arena) {
    take_from(arena);
    return (Json *)cJSON_CreateNull();
}

Json *json_new_texts(const char *const *texts, Arena *arena) {
    Json *list = json_new_array(arena);
    for (; *texts; texts++) json_append(list, json_new_text(*texts, arena));
    return list;
}

Json *json_new_integers(const int64_t *numbers, int count, Arena *arena) {
    Json *list = json_new_array(arena);
    for (int i = 0; i < count; i++) json_append(list, json_new_number((double)numbers[i], arena));
    return list;
}

void json_add(Json *object, const char *key, Json *value) {
    join_tree(object, value);
    cJSON_AddItemToObject(node(object), key, node(value));
}

void json_set(Json *object, const char *key, Json *value) {
    join_tree(object, value);
    if (!cJSON_ReplaceItemInObjectCaseSensitive(node(object), key, node(value)))
        cJSON_AddItemToObject(node(object), key, node(value));
}

void json_set_text(Json *object, const char *key, const char *text) {
    json_set(object, key, json_new_text(text, json_arena(object)));
}

void json_set_number(Json *object, const char *key, double number) {
    json_set(object, key, json_new_number(number, json_arena(object)));
}

void json_set_bool(Json *object, const char *key, bool truth) {
    json_set(object, key, json_new_bool(truth, json_arena(object)));
}

void json_append(Json *array, Json *value) {
    join_tree(array, value);
    cJSON_AddItemToArray(node(array), node(value));
}

void json_remove(Json *object, const char *key) {
    cJSON_DetachItemFromObjectCaseSensitive(node(object), key);
}

bool json_set_path(Json *root, const char *path, Json *value, const char *source, Error *err) {
    char key[KEY_SIZE], word[JSON_EXCERPT_SIZE];
    cJSON *object = node(root);
    const char *from = path;
    for (int depth = 0; depth < JSON_SYNTAX_MAX_DEPTH; depth++) {
        size_t size = strcspn(from, ".");
        if (size == 0 || size >= sizeof key) break;
        memcpy(key, from, size);
        key[size] = '\0';
        if (!from[size]) {
            json_set((Json *)object, key, value);
            return true;
        }
        cJSON *next = cJSON_GetObjectItemCaseSensitive(object, key);
        if (!next || (cJSON_IsString(next) && strcmp(key, "method") == 0)) {
            Json *fresh = json_new_object(json_arena(root));
            if (next) json_set_text(fresh, "name", next->valuestring);
            json_set((Json *)object, key, fresh);
            next = node(fresh);
        }
        from += size + 1;
        if (!cJSON_IsObject(next))
            return error_set(err, EXIT_USAGE, "%s: '%s' cannot be set: '%s' is not an object", source,
                             json_excerpt_text(path, word), key);
        object = next;
    }
    return error_set(err, EXIT_USAGE, "%s: '%s' is not a path; separate keys by dots, as in 'train.length'",
                     source, json_excerpt_text(path, word));
}

/* ---- printing ---- */

typedef struct Writer {
    char *out; /* NULL: only count */
    size_t length;
    bool pretty;
} Writer;

static void put(Writer *writer, const char *text, size_t size) {
    if (writer->out) memcpy(writer->out + writer->length, text, size);
    writer->length += size;
}

static void put_text(Writer *writer, const char *text) {
    writer->length += escape_into(ESCAPE_JSON, text, writer->out ? writer->out + writer->length : NULL);
}

static void put_line(Writer *writer, int depth) {
    if (!writer->pretty) return;
    put(writer, "\n", 1);
    for (int i = 0; i < depth; i++) put(writer, "  ", 2);
}

static void put_value(Writer *writer, const cJSON *json, int depth) {
    char number[JSON_NUMBER_SIZE];
    if (cJSON_IsString(json)) {
        put_text(writer, json->valuestring);
    } else if (cJSON_IsObject(json) || cJSON_IsArray(json)) {
        bool keyed = cJSON_IsObject(json);
        const cJSON *child;
        put(writer, keyed ? "{" : "[", 1);
        cJSON_ArrayForEach(child, json) {
            if (child != json->child) put(writer, ",", 1);
            put_line(writer, depth + 1);
            if (keyed) {
                put_text(writer, child->string);
                put(writer, ": ", writer->pretty ? 2 : 1);
            }
            put_value(writer, child, depth + 1);
        }
        if (json->child) put_line(writer, depth);
        put(writer, keyed ? "}" : "]", 1);
    } else {
        const char *word = cJSON_IsBool(json) ? (cJSON_IsTrue(json) ? "true" : "false") : "null";
        if (cJSON_IsNumber(json)) word = json_number_text(json->valuedouble, number);
        put(writer, word, strlen(word));
    }
}

static char *print(const Json *json, bool pretty, Arena *arena) {
    Writer writer = {.pretty = pretty};
    for (int pass = 0; pass < 2; pass++) {
        writer.length = 0;
        put_value(&writer, node(json), 0);
        if (pretty) put(&writer, "\n", 1);
        if (!writer.out) writer.out = arena_alloc(arena, writer.length + 1, 1); /* zeroed, so terminated */
    }
    return writer.out;
}

char *json_print(const Json *json, Arena *arena) {
    return print(json, false, arena);
}

char *json_print_bare(const Json *json, Arena *arena) {
    char *text = print(json, false, arena);
    if (!json_is_text(json)) return text;
    text[strlen(text) - 1] = '\0';
    return text + 1;
}

char *json_print_pretty(const Json *json, Arena *arena) {
    return print(json, true, arena);
}
