/* json: parses, reads, builds and prints JSON trees.
 *
 * Only json.c includes cJSON; other modules hold a tree as an opaque Json. Parsing accepts strict JSON
 * without duplicate keys and reports the line of an error. A number is printed with the fewest digits that
 * read back as the same number, so equal trees give equal text.
 *
 * All nodes and texts of a tree belong to one arena, which must not be a counting arena. A node that is
 * removed or replaced stays in the arena.
 */
#ifndef POSLAB_BASE_JSON_H
#define POSLAB_BASE_JSON_H

#include "base/arena.h"
#include "base/error.h"

typedef struct Json Json; /* a node of cJSON */

/* Parses strict JSON: at most 64 levels and 32 MiB, no duplicate keys, no text after the value. `source`
   names the text in errors ("config 'x.json'"). The tree does not refer to the text. */
Json *json_parse(const char *text, size_t length, const char *source, Arena *arena, Error *err);
Json *json_parse_own(const char *text, Arena *arena); /* of this program: a mistake in it is a BUG */
Json *json_copy(const Json *json, Arena *arena);
Arena *json_arena(const Json *json); /* the arena that owns the tree */

/* The origin of values from another file ("config 'base.json'"). Errors about such a value name its origin
   instead of the `source` that is given to the functions below. json_set_origin sets it for all nodes of a
   tree that have none; copies keep it. NULL: no origin. */
void json_set_origin(Json *json, const char *origin);
const char *json_origin(const Json *json);

/* Reading: NULL (or the fallback) if the value is missing or has another type. Texts live as long as the
   tree. Functions with an index or a key search the list; loops use json_first and json_next. */
bool json_is_object(const Json *json);
bool json_is_array(const Json *json);
bool json_is_text(const Json *json);
bool json_is_number(const Json *json);
bool json_is_bool(const Json *json);
bool json_bool(const Json *json); /* false for all values except true */
const Json *json_get(const Json *object, const char *key);
Json *json_get_mutable(Json *object, const char *key);
const Json *json_at_path(const Json *json, const char *path); /* dotted path: "train.optimizer.lr" */
const Json *json_at(const Json *array, int index);
int json_count(const Json *json);         /* of an array or object, else 0 */
const Json *json_first(const Json *json); /* of an array or object; NULL if it is empty */
const Json *json_next(const Json *json);  /* the one after it; NULL if it is the last */
const char *json_name(const Json *json);  /* the key of a member of an object */
const char *json_text(const Json *json, const char *fallback);
double json_number(const Json *json, double fallback);

/* Building: a value becomes part of one tree of the same arena; keys and texts are copied to the arena.
   json_set replaces the value of an existing key. json_add does not search: the key must be new. */
Json *json_new_object(Arena *arena);
Json *json_new_array(Arena *arena);
Json *json_new_text(const char *text, Arena *arena);
Json *json_new_number(double number, Arena *arena);
Json *json_new_bool(bool truth, Arena *arena);
Json *json_new_null(Arena *arena);
Json *json_new_texts(const char *const *texts,
                     Arena *arena); /* an array of the texts of a NULL-terminated list */
Json *json_new_integers(const int64_t *numbers, int count, Arena *arena);
void json_set(Json *object, const char *key, Json *value);
void json_add(Json *object, const char *key, Json *value);
void json_set_text(Json *object, const char *key, const char *text);
void json_set_number(Json *object, const char *key, double number);
void json_set_bool(Json *object, const char *key, bool truth);
void json_append(Json *array, Json *value);
void json_remove(Json *object, const char *key);

/* Sets the value at a dotted path ("train.optimizer.lr") and creates missing objects. Fails if a value on
   the path is not an object. If the path leads into a `method` that is a text ("method.base"), the text
   first becomes {"name": text}. */
bool json_set_path(Json *root, const char *path, Json *value, const char *source, Error *err);

/* Prints a tree to text that the arena owns. Numbers have the fewest digits that read back exactly; whole
   numbers have no exponent. Equal trees give equal bytes. */
char *json_print(const Json *json, Arena *arena); /* on one line, without spaces */
char *json_print_bare(const Json *json,
                      Arena *arena); /* as json_print; a text has no quotes, but escapes stay */
char *json_print_pretty(const Json *json, Arena *arena); /* indented, ends with a newline */

/* Sets an error about a value (EXIT_USAGE): "SOURCE: 'PATH' must be WANTED, got VALUE"; with an empty path
   "SOURCE: must be WANTED, got VALUE". A NULL value is "nothing". Returns false. */
bool json_value_error(const Json *json, const char *source, const char *path, const char *wanted, Error *err);

/* Checks that a value, unless NULL, is a list with 1 to `most` items; the error is like that of
   json_value_error. */
bool json_check_list(const Json *json, const char *source, const char *path, int most, Error *err);

/* For other errors: a value as a short text on one line (3, "fast", an object); the same for a text,
   without quotes; a number with the fewest digits that read back exactly. All return `out`. */
enum { JSON_EXCERPT_SIZE = 72, JSON_NUMBER_SIZE = 32 };
const char *json_excerpt(const Json *json, char out[JSON_EXCERPT_SIZE]);
const char *json_excerpt_text(const char *text, char out[JSON_EXCERPT_SIZE]);
const char *json_number_text(double number, char out[JSON_NUMBER_SIZE]);

#endif
