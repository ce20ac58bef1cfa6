/* options: tables of options, read from JSON and written to it.
 *
 * Everything that a config can contain is a row of an OptionField table: key, type, default, range, help.
 * Reading checks against the table; an unknown key, a wrong type or a value out of range is an error with
 * the path and, for a misspelt key, the nearest known one. Writing produces the canonical form: every option
 * in table order, defaults included. JSON itself is in base/json.h.
 */
#ifndef POSLAB_BASE_OPTIONS_H
#define POSLAB_BASE_OPTIONS_H

#include "base/json.h"

typedef enum OptionType {
    OPTION_INT,    /* int64_t; whole numbers, 4e6 is one */
    OPTION_REAL,   /* double */
    OPTION_BOOL,   /* bool; default 0 or 1 */
    OPTION_CHOICE, /* int: index into choices (NULL-terminated); default is an index */
    OPTION_TEXT,   /* const char *, owned by the arena given to options_read; default is choices[0], or "" */
} OptionType;

typedef struct OptionField {
    const char *key;
    OptionType type;
    size_t offset;        /* of the member in the options struct */
    double default_value; /* the default */
    double low, high;     /* inclusive range of numbers; both 0: no range */
    const char *const *choices;
    const char *help; /* one line, for `poslab methods NAME` and the README */
    bool or_zero;     /* numbers: 0 is allowed besides [low, high]; help says what it means */
} OptionField;

/* All defaults into *options. */
void options_default(void *options, const OptionField *fields, int count);

/* Reads the members of `object` into *options (which options_default has filled). `skip` lists keys that the
   caller reads itself (NULL-terminated, or NULL). Errors name place and path: "config 'x.json': 'train.lr'
   must be in (0, 1], got 3". `path` is the object's own path, "" at the root. Text is copied to the arena. */
bool options_read(void *options, const OptionField *fields, int count, const Json *object,
                  const char *const *skip, const char *source, const char *path, Arena *arena, Error *err);

/* Adds every field of *options to `object`, in table order. */
void options_write(Json *object, const void *options, const OptionField *fields, int count);

/* The name in `names` (NULL-terminated) nearest to `word` by edit distance, or NULL where none is close. */
const char *options_nearest_name(const char *word, const char *const *names);

#endif
