/* options: tables of options, read from JSON and from the command line, and written to JSON.
 *
 * Every key of a config is a row of an OptionField table: key, type, default, range, help. Reading checks
 * values against the table. An unknown key, a wrong type and a value out of range are errors with the path
 * and, for a misspelt key, the nearest known key. Writing gives the canonical form: every option in table
 * order, including defaults. The options of a command are rows of the same type (cli/arguments.h), with
 * further members.
 */
#ifndef POSLAB_BASE_OPTIONS_H
#define POSLAB_BASE_OPTIONS_H

#include "base/json.h"

typedef enum OptionType {
    OPTION_INT,    /* int64_t; whole numbers, including 4e6 */
    OPTION_REAL,   /* double */
    OPTION_BOOL,   /* bool; default 0 or 1 */
    OPTION_CHOICE, /* int: index into `choices` (NULL-terminated); the default is an index */
    OPTION_TEXT,   /* const char *, owned by the arena of options_read; the default is choices[0], or "" */
} OptionType;

/* How an option of a command can be repeated. A list of texts is a NULL-terminated `const char *const *`
   (NULL: not given); a list of another type is an OptionNumbers. */
typedef enum OptionList {
    OPTION_SINGLE, /* not a list; the last value is used */
    OPTION_ITEMS,  /* each argument is an item */
    OPTION_COMMAS, /* each argument is one item or several, separated by commas */
} OptionList;

typedef struct OptionNumbers { /* {NULL, 0}: not given; for choices, the indices */
    double *values;
    int count;
} OptionNumbers;

typedef struct OptionField {
    const char *key;
    OptionType type;
    size_t offset; /* offset of the member in the options struct */
    double default_value;
    double low, high; /* inclusive range of a number; both 0: no range */
    const char *const *choices;
    const char *help; /* one line, for `poslab help`, `poslab methods NAME` and the generated tables */
    bool newer;       /* newer than stored runs: the default is not written, so that keys stay */
    bool or_zero;     /* 0 is allowed in addition to [low, high]; the help text says what it means */
    /* Only for options of commands: */
    OptionList list;
    int most;             /* maximum number of items of a list; 0: no limit */
    char letter;          /* letter of the short form; 0: none */
    const char *argument; /* name of the argument in help texts; NULL: a flag (bool) */
    const char *implied;  /* the value if the option is given without an argument ("--key" or
                             "--key=ARGUMENT"); NULL: an argument is required */
    const char *group;    /* heading in help texts */
} OptionField;

/* A key whose value is a section or a list. The caller of options_read reads this value. The members after
   `help` describe it for the JSON Schema (experiment/config_keys.c). */
typedef struct OptionPart {
    const char *key;
    const char *type, *default_value,
        *help; /* texts for people; NULL for a section; default_value NULL: none */
    const char
        *definition; /* the schema's definition of the value, or of the items of a list; NULL: `item` */
    OptionType item;
    double low, high; /* range of a number; high 0: no limit */
    int most;         /* maximum number of items of a list; 0: not a list */
    bool or_item;     /* instead of the list, an item alone is allowed */
    bool or_empty;    /* the list may be empty */
} OptionPart;

/* The options of one object of a config. */
typedef struct OptionSection {
    const char *path; /* "train.optimizer", "" at the root; ends with "[]" for items of a list */
    const char *help; /* one sentence */
    const OptionField *fields;
    int field_count;
    const OptionPart *parts; /* ends with a part without a key; NULL: no parts */
} OptionSection;

/* Sets all members of *options to their defaults. */
void options_default(void *options, const OptionField *fields, int count);

/* Reads the members of `object` into *options, which options_default has set; the caller reads the parts of
   the section. Errors name source and path: "config 'x.json': 'train.lr' must be in (0, 1], got 3", one line
   for each wrong member. NULL has no members. Texts are copied to the arena. */
bool options_read(void *options, const OptionSection *section, const Json *object, const char *source,
                  Arena *arena, Error *err);

/* Where sections are read from. A part of a config that is wrong sets `err`; options_note then adds it to all
   errors so far, so that the next part can be read. It returns `fine`. */
typedef struct OptionReader {
    const char *source;
    Arena *arena;
    Error *err, *errors; /* errors: code 0 if there is none so far */
} OptionReader;
bool options_note(const OptionReader *reader, bool fine);

/* Sets the error of json_value_error; returns false. */
bool options_refuse(const OptionReader *reader, const Json *json, const char *path, const char *wanted);

/* As json_check_list. */
bool options_check_list(const OptionReader *reader, const Json *json, const char *path, int most);

/* Sets the defaults, reads the members of a section and notes its errors. */
bool options_read_section(const OptionReader *reader, void *options, const OptionSection *section,
                          const Json *json);

/* Reads the argument of a command's option (NULL for a flag). Errors name the option: "--jobs takes a whole
   number from 1 to 1024, got '0'". Items are added to a list. Texts are not copied. */
bool options_read_argument(void *options, const OptionField *field, const char *text, Arena *arena,
                           Error *err);

/* Whether the field has a range. */
bool options_ranged(const OptionField *field);

/* The choices of a field as "a, b or c", each between `quote`s. */
const char *options_choices_text(const OptionField *field, const char *quote, Arena *arena);

/* Adds every field of *options to `object`, in table order, except `newer` fields that have their
   default. */
void options_write(Json *object, const void *options, const OptionField *fields, int count);

/* options_json: these fields as a new object. options_changes: those that do not have their default. */
Json *options_json(const void *options, const OptionField *fields, int count, Arena *arena);
Json *options_changes(const void *options, const OptionField *fields, int count, Arena *arena);

Json *options_default_json(const OptionField *field, Arena *arena); /* the default of a field */

/* Number `index` of a text option that is `count` finite numbers separated by commas; NAN for other texts. */
double options_number_of(const char *list, int index, int count);

/* The path of the config key that is usually meant by a word ("lr": "train.optimizer.lr"), or NULL. */
const char *options_synonym(const char *word);

#endif
