/* config_keys: all keys of a config, as rows.
 *
 * The rows of a section are in the module that the section is for; here are those of the top level, of a
 * method and of a variant, the list of all sections, and what is written from it: descriptions of the keys,
 * which `poslab help config`, the man page and configs/README.md print, and a JSON Schema. Reading a config
 * refuses every key that has no row.
 */
#ifndef POSLAB_EXPERIMENT_CONFIG_KEYS_H
#define POSLAB_EXPERIMENT_CONFIG_KEYS_H

#include "base/options.h"

typedef struct ConfigKeysTop { /* what the rows of the top level describe */
    const char *name;
} ConfigKeysTop;

extern const OptionSection config_keys_file;  /* the top level of a file */
extern const OptionSection config_keys_point; /* of one point: no sweep, and nothing that is about the file */
extern const OptionSection config_keys_method;  /* besides the method's own options */
extern const OptionSection config_keys_moving;  /* the same for a method that chooses positions */
extern const OptionSection config_keys_variant; /* an item of `evaluate.variants` */

/* All sections of a file, NULL-terminated; the options of methods are in the registry. */
extern const OptionSection *const config_keys_sections[];

typedef struct ConfigKey {
    const char *path, *type, *default_value,
        *help; /* for people; the type with its range; default NULL: none */
} ConfigKey;

/* The keys of a section that are values or lists. */
ConfigKey *config_keys_list(const OptionSection *section, int *count, Arena *arena);

/* JSON Schema, draft 2020-12, of a config file. */
Json *config_keys_schema(Arena *arena);

#endif
