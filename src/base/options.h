/* fields: tables of options, and their passage from and to JSON.
 *
 * Everything that a config can say is a row of a Field table: key, type, default, range, help. Reading checks
 * against the table (unknown key, wrong type, out of range: an error with the path and, for a misspelt key,
 * the nearest known one); writing gives the canonical form, all defaults spelled out, in table order. JSON
 * itself is in json.h.
 */
#ifndef POSLAB_FIELDS_H
#define POSLAB_FIELDS_H

#include "base/json.h"

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
    size_t offset;    /* of the member in the options struct */
    double standard;  /* the default */
    double low, high; /* inclusive range of numbers; both 0: no range */
    const char *const *choices;
    const char *help; /* one line, for `poslab methods NAME` and the README */
    bool or_zero;     /* numbers: 0 is allowed besides [low, high]; help says what it means */
} Field;

/* All defaults into *options. */
void fields_default(void *options, const Field *fields, int count);

/* Reads the members of `object` into *options (which fields_default has filled). `skip` lists keys that the
   caller reads itself (NULL-terminated, or NULL). Errors name place and path: "config 'x.json': 'train.lr'
   must be in (0, 1], got 3". `path` is the object's own path, "" at the root. Text is copied to the arena. */
bool fields_read(void *options, const Field *fields, int count, const Json *object, const char *const *skip,
                 const char *place, const char *path, Arena *arena, Err *err);

/* Adds every field of *options to `object`, in table order. */
void fields_write(Json *object, const void *options, const Field *fields, int count);

/* The name in `names` (NULL-terminated) nearest to `word` by edit distance, or NULL where none is close. */
const char *nearest_name(const char *word, const char *const *names);

#endif
