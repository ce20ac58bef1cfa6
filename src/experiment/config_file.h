/* config_file: reads the file of an experiment, and the keys that do not belong to its points.
 *
 * `extends` names another config, relative to the file. The objects of the two files are merged member by
 * member. Lists, `method`, `sweep` and `exclude` replace those of the other config. `name`, `description`,
 * `tags` and `$schema` are not inherited.
 */
#ifndef POSLAB_EXPERIMENT_CONFIG_FILE_H
#define POSLAB_EXPERIMENT_CONFIG_FILE_H

#include "base/json.h"

enum { CONFIG_FILE_MAX_TAGS = 100 };

/* The JSON of a config merged with the configs that it extends, without the key `extends`. Errors about
   values of another file name that file. A file that cannot be read, a cycle, and a chain of more than 16
   files are errors. */
Json *config_file_read(const char *path, const char *source, Arena *arena, Error *err);

/* The file name without folder and extension: "quick" for "configs/quick.json". */
const char *config_file_stem(const char *path, Arena *arena);

/* Whether `name` is a valid name of an experiment: [A-Za-z0-9._-]{1,64}, not starting with '.' or '-'. */
bool config_file_check_name(const char *name, const char *source, Error *err);

/* Checks that `description`, if present, is a text, and `tags`, if present, a list of texts. */
bool config_file_check_notes(const Json *json, const char *source, Error *err);

#endif
