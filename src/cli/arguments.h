/* arguments: the options of all commands, and their parsing.
 *
 * One table in arguments.c holds every option once: long name, letter, name of the value, help. Only
 * lower-case letters are short options; any other character is just a key into the table. A command lists
 * the letters of the options that it takes (cli/main.c). Parsing, --help and the error messages use that
 * table.
 */
#ifndef POSLAB_CLI_ARGUMENTS_H
#define POSLAB_CLI_ARGUMENTS_H

#include "base/arena.h"

typedef struct Arguments {
    const char *const *words; /* what is no option, NULL-terminated */
    int word_count;
    const char *value[128]; /* by letter; "" for an option without a value, NULL if not given */
    const char **sets;      /* every --set, --where or --variant, NULL-terminated */
    const char *typed;      /* the command line, quoted for a shell */
    Arena *arena;
} Arguments;

/* argv[0] is the command's name; `letters` are its options. */
bool arguments_parse(Arguments *arguments, const char *letters, int argc, char **argv, Error *err);

void arguments_print(const char *letters); /* what --help says about them, to stdout */

bool arguments_given(const Arguments *arguments, int letter);

/* The value as a whole number; leaves *count as it is if the option is not given. */
bool arguments_count(const Arguments *arguments, int letter, int64_t low, int64_t high, int64_t *count,
                     Error *err);

/* The value "128,512" as numbers; leaves them as they are if the option is not given. */
bool arguments_list(const Arguments *arguments, int letter, int *numbers, int *count, int most, Error *err);

/* A command line as one could type it again. */
const char *arguments_quote(char **argv, Arena *arena);

#endif
