/* json: JSON as trees: parsing, reading, building and printing.
 *
 * Only json.c includes cJSON; other modules hold a tree as an opaque Json. Parsing accepts strict JSON
 * without duplicate keys and reports the line of an error. Printing writes the shortest digits that read
 * back as the same number, so equal trees give equal text.
 *
 * All nodes and texts of a tree belong to one arena, which must not be a counting one. Nodes are not freed: a
 * value that is removed or replaced stays in the arena.
 */
#ifndef POSLAB_BASE_JSON_H
#define POSLAB_BASE_JSON_H

#include "base/arena.h"
#include "base/error.h"

typedef struct Json Json; /* a cJSON tree under our name */

/* Reading text: strict JSON, at most 64 deep and 16 MiB, no duplicate keys, nothing behind the value.
   `source` names the text in errors ("config 'x.json'"). The tree does not refer to the text. */
Json *json_parse(const char *text, size_t length, const char *source, Arena *arena, Error *err);
Json *json_copy(const Json *json, Arena *arena);
Arena *json_arena(const Json *json); /* the one that owns the tree */

/* The source of values that are from another file ("config 'base.json'"), for errors: it takes the place of
   the source given to functions below. Set for a whole tree, except for values that have one; copies keep it.
   NULL: none. */
void json_set_origin(Json *json, const char *origin);
const char *json_origin(const Json *json);

/* Looking: NULL (or the fallback) where there is nothing of that kind. Text lives as long as the tree. */
bool json_is_object(const Json *json);
bool json_is_array(const Json *json);
bool json_is_text(const Json *json);
bool json_is_number(const Json *json);
bool json_is_bool(const Json *json);
bool json_bool(const Json *json); /* false for everything but true */
const Json *json_get(const Json *object, const char *key);
Json *json_get_mutable(Json *object, const char *key);
const Json *json_at_path(const Json *json, const char *path); /* dotted: "train.optimizer.lr" */
const Json *json_at(const Json *array, int index);
int json_count(const Json *json);         /* of an array or object, else 0 */
const Json *json_first(const Json *json); /* of an array or object; NULL if it is empty */
const Json *json_next(const Json *json);  /* the one after it; NULL if it is the last */
const char *json_name(const Json *json);  /* the key of a member of an object */
const char *json_text(const Json *json, const char *fallback);
double json_number(const Json *json, double fallback);

/* The functions that take an index or a key walk through the list; a loop over many uses json_first and
   json_next. Building: a value becomes part of one tree of the same arena, and keys and texts are copied into
   it; setting an existing key replaces it. json_add is for a key that is not there yet, and does not look. */
Json *json_new_object(Arena *arena);
Json *json_new_array(Arena *arena);
Json *json_new_text(const char *text, Arena *arena);
Json *json_new_number(double number, Arena *arena);
Json *json_new_bool(bool truth, Arena *arena);
Json *json_new_null(Arena *arena);
void json_set(Json *object, const char *key, Json *value);
void json_add(Json *object, const char *key, Json *value);
void json_set_text(Json *object, const char *key, const char *text);
void json_set_number(Json *object, const char *key, double number);
void json_set_bool(Json *object, const char *key, bool truth);
void json_append(Json *array, Json *value);
void json_remove(Json *object, const char *key);

/* Sets the value at a dotted path ("train.optimizer.lr"), making missing objects on the way.
   Fails where something on the way is not an object. A `method` that is a string and is entered
   ("method.base") becomes {"name": string} first. */
bool json_set_path(Json *root, const char *path, Json *value, const char *source, Error *err);

/* The tree as text, owned by the arena. Numbers are written with the fewest digits that read back exactly;
   whole numbers without exponent. Deterministic: equal trees give equal bytes. */
char *json_print(const Json *json, Arena *arena); /* compact, on one line */
char *json_print_bare(const Json *json,
                      Arena *arena); /* the same, a text without its quotes (escapes stay) */
char *json_print_pretty(const Json *json, Arena *arena); /* indented, with a newline at the end */

/* The refusal of a value, EXIT_USAGE: "PLACE: 'PATH' must be WANTED, got VALUE". NULL is "nothing". */
bool json_value_error(const Json *json, const char *source, const char *path, const char *wanted, Error *err);

/* Whether a list, if it is there, is one and has between 1 and `most` items; the same kind of error. */
bool json_check_list(const Json *json, const char *source, const char *path, int most, Error *err);

/* For other error messages: a value in a few words (3, "fast", an object), clipped and on one line; the same
   for text, without quotes; and a number with the fewest digits that read back exactly. All return `out`. */
enum { JSON_EXCERPT_SIZE = 72, JSON_NUMBER_SIZE = 32 };
const char *json_excerpt(const Json *json, char out[JSON_EXCERPT_SIZE]);
const char *json_excerpt_text(const char *text, char out[JSON_EXCERPT_SIZE]);
const char *json_number_text(double number, char out[JSON_NUMBER_SIZE]);

#endif
