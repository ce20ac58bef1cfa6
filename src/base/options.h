/* options: tables of options, read from JSON and from the command line, and written to JSON.
 *
 * Everything that a config can contain is a row of an OptionField table: key, type, default, range, help.
 * Reading checks against the table; an unknown key, a wrong type or a value out of range is an error with
 * the path and, for a misspelt key, the nearest known one. Writing produces the canonical form: every option
 * in table order, defaults included. JSON itself is in base/json.h. The options of a command are rows of the
 * same type (cli/arguments.h), which can be lists and have a letter, a name for the argument and a heading.
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

/* Options of commands that can be given several times. The member is a NULL-terminated `const char *const *`
   (NULL: not given) of texts, an OptionNumbers of other types. */
typedef enum OptionList {
    OPTION_SINGLE, /* no list; given again, the last value counts */
    OPTION_ITEMS,  /* each argument is an item */
    OPTION_COMMAS, /* an argument is one item or several, separated by commas */
} OptionList;

typedef struct OptionNumbers { /* {NULL, 0}: not given; of choices the indices */
    double *values;
    int count;
} OptionNumbers;

typedef struct OptionField {
    const char *key;
    OptionType type;
    size_t offset;        /* of the member in the options struct */
    double default_value; /* the default */
    double low, high;     /* inclusive range of numbers; both 0: no range */
    const char *const *choices;
    const char *help; /* one line, for `poslab methods NAME`, `poslab help config` and the README */
    bool newer;   /* a choice that is newer than stored runs: the default is not written, so that keys stay */
    bool or_zero; /* numbers: 0 is allowed besides [low, high]; help says what it means */
    /* Of a command's options only: */
    OptionList list;
    int most;             /* items of a list; 0: any number */
    char letter;          /* of the short form; 0: none */
    const char *argument; /* what the argument is called; NULL: a flag, which is a bool */
    const char *implied;  /* the argument where none is given: "--key" or "--key=ARGUMENT"; NULL: required */
    const char *group;    /* the heading under which help lists it */
} OptionField;

/* A key whose value is a section or a list: the caller of options_read reads it itself. */
typedef struct OptionPart {
    const char *key;
    const char *type, *default_value, *help; /* for people; of a section NULL. default NULL: there is none */
    const char *schema;                      /* JSON Schema of the value; NULL: a section */
} OptionPart;

/* The rows of one object of a config. */
typedef struct OptionSection {
    const char *path; /* "train.optimizer", "" at the root; with "[]" at the end: the items of a list */
    const char *help; /* one sentence */
    const OptionField *fields;
    int field_count;
    const OptionPart *parts; /* ended by one without a key; NULL: none */
} OptionSection;

/* All defaults into *options. */
void options_default(void *options, const OptionField *fields, int count);

/* Reads the members of `object` into *options (which options_default has filled). `parts` are the keys that
   the caller reads itself (or NULL). Errors name place and path: "config 'x.json': 'train.lr' must be in
   (0, 1], got 3"; every wrong member has a line. `path` is the object's own path, "" at the root. Text is
   copied to the arena. */
bool options_read(void *options, const OptionField *fields, int count, const Json *object,
                  const OptionPart *parts, const char *source, const char *path, Arena *arena, Error *err);

/* Reads the argument of a command's option; NULL: of a flag. Errors name the option: "--jobs takes a whole
   number from 1 to 1024, got '0'". Items are added to a list. Text is not copied. */
bool options_read_argument(void *options, const OptionField *field, const char *text, Arena *arena,
                           Error *err);

/* "a, b or c": the choices of a field; each between `quote`s. */
const char *options_choices_text(const OptionField *field, const char *quote, Arena *arena);

/* Adds every field of *options to `object`, in table order, except newer ones that have their default. */
void options_write(Json *object, const void *options, const OptionField *fields, int count);

/* The path of the key of a config that people mean by a word ("lr": "train.optimizer.lr"), or NULL. */
const char *options_synonym(const char *word);

/* The name in `names` (NULL-terminated) nearest to `word` by edit distance, or NULL where none is close. */
const char *options_nearest_name(const char *word, const char *const *names);

#endif
