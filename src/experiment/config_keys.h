/* config_keys: all keys of a config as rows of option tables.
 *
 * The module of a section has its rows. This module has the rows of the top level, of a method and of a
 * variant, and the list of all sections. From these it generates the descriptions of the keys, which
 * `poslab help config`, the man page and configs/README.md print, and a JSON Schema. A key without a row is
 * an error in a config.
 */
#ifndef POSLAB_EXPERIMENT_CONFIG_KEYS_H
#define POSLAB_EXPERIMENT_CONFIG_KEYS_H

#include "base/options.h"

typedef struct ConfigKeysTop { /* the struct that the rows of the top level describe */
    const char *name;
} ConfigKeysTop;

extern const OptionSection config_keys_file; /* the top level of a file */
/* the top level of one point: without sweep and the keys of the file */
extern const OptionSection config_keys_point;
extern const OptionSection config_keys_method;  /* the keys of a method, without its own options */
extern const OptionSection config_keys_moving;  /* the same for a method that chooses positions */
extern const OptionSection config_keys_variant; /* an item of `evaluate.variants` */

/* All sections of a file, NULL-terminated. The options of methods are in the registry of methods. */
extern const OptionSection *const config_keys_sections[];

typedef struct ConfigKey {
    const char *path, *type, *default_value,
        *help; /* texts for people; the type includes the range; default_value is NULL if there is none */
} ConfigKey;

/* The keys of a section whose values are not sections. */
ConfigKey *config_keys_list(const OptionSection *section, int *count, Arena *arena);

/* The JSON Schema (draft 2020-12) of a config file. */
Json *config_keys_schema(Arena *arena);

#endif
