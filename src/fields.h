/* fields: tables of options, and their passage from and to JSON.
 *
 * Everything that a config can say is a row of a Field table: key, type, default, range, help. Reading checks
 * against the table (unknown key, wrong type, out of range: an error with the path and, for a misspelt key, the
 * nearest known one); writing gives the canonical form, all defaults spelled out, in table order. This module is
 * the only one that sees cJSON; others hold JSON as an opaque tree.
 */
#ifndef POSLAB_FIELDS_H
#define POSLAB_FIELDS_H

#include "arena.h"
#include "base.h"

typedef enum FieldType {
    FIELD_INT,    /* int64_t; whole numbers, 4e6 is one */
    FIELD_REAL,   /* double */
    FIELD_BOOL,   /* bool; default 0 or 1 */
    FIELD_CHOICE, /* int: index into choices (NULL-terminated); default is an index */
    FIELD_TEXT,   /* const char *, owned by the arena given to fields_read; default is choices[0], or "" */
} FieldType;

typedef struct Field {
    const char *key;
    FieldType type;
    size_t offset; /* of the member in the options struct */
    double standard; /* the default */
    double low, high; /* inclusive range of numbers; both 0: no range */
    const char *const *choices;
    const char *help; /* one line, for `poslab methods NAME` and the README */
} Field;

typedef struct Json Json; /* a cJSON tree under our name */

/* Reading text: strict JSON, at most 64 deep and 16 MiB, no duplicate keys, nothing behind the value.
   `place` names the text in errors ("config 'x.json'"). The tree must be given to json_free. */
Json *json_parse(const char *text, size_t length, const char *place, Err *err);
Json *json_read_file(const char *path, const char *place, Err *err);
void json_free(Json *json);
Json *json_copy(const Json *json);

/* Looking: NULL (or the fallback) where there is nothing of that kind. Text lives as long as the tree. */
bool json_is_object(const Json *json);
bool json_is_array(const Json *json);
bool json_is_text(const Json *json);
bool json_is_number(const Json *json);
const Json *json_get(const Json *object, const char *key);
const Json *json_at(const Json *array, int index);
int json_count(const Json *array_or_object);
const char *json_key(const Json *object, int index);            /* key of the index-th member */
const Json *json_member(const Json *object, int index);         /* value of the index-th member */
const char *json_text(const Json *json, const char *fallback);
double json_number(const Json *json, double fallback);

/* Building: the tree takes ownership of values; setting an existing key replaces it. */
Json *json_new_object(void);
Json *json_new_array(void);
Json *json_new_text(const char *text);
Json *json_new_number(double number);
Json *json_new_bool(bool truth);
void json_set(Json *object, const char *key, Json *value);
void json_set_text(Json *object, const char *key, const char *text);
void json_set_number(Json *object, const char *key, double number);
void json_append(Json *array, Json *value);
void json_remove(Json *object, const char *key);

/* Sets the value at a dotted path ("train.optimizer.lr"), making missing objects on the way; takes ownership.
   Fails where something on the way is not an object. A `method` that is a string and is entered
   ("method.base") becomes {"name": string} first. */
bool json_set_path(Json *root, const char *path, Json *value, const char *place, Err *err);

/* The tree as text, owned by the arena. Numbers are written with the fewest digits that read back exactly;
   whole numbers without exponent. Deterministic: equal trees give equal bytes. */
char *json_print(const Json *json, Arena *arena);        /* compact, on one line */
char *json_print_pretty(const Json *json, Arena *arena); /* indented, with a newline at the end */

/* All defaults into *options. */
void fields_default(void *options, const Field *fields, int count);

/* Reads the members of `object` into *options (which fields_default has filled). `skip` lists keys that the caller
   reads itself (NULL-terminated, or NULL). Errors name place and path: "config 'x.json': 'train.lr' must be in
   (0, 1], got 3". `path` is the object's own path, "" at the root. Text is copied to the arena. */
bool fields_read(void *options, const Field *fields, int count, const Json *object, const char *const *skip,
                 const char *place, const char *path, Arena *arena, Err *err);

/* Adds every field of *options to `object`, in table order. */
void fields_write(Json *object, const void *options, const Field *fields, int count);

/* The name in `names` (NULL-terminated) nearest to `word` by edit distance, or NULL where none is close. */
const char *nearest_name(const char *word, const char *const *names);

#endif
