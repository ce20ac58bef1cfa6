/* config_file: the file of an experiment, and what is in it besides the points.
 *
 * `extends` names another config, relative to the file. Its objects are completed member by member; lists,
 * `method`, `sweep` and `exclude` replace those of the other config as a whole. `name`, `description`, `tags`
 * and `$schema` belong to their file alone.
 */
#ifndef POSLAB_EXPERIMENT_CONFIG_FILE_H
#define POSLAB_EXPERIMENT_CONFIG_FILE_H

#include "base/json.h"

/* The JSON of a config with all that it extends, without the key `extends`. Errors about values of another
   file name that file. A file that cannot be read, a circle, and more than 16 files in a chain are errors. */
Json *config_file_read(const char *path, const char *source, Arena *arena, Error *err);

/* "configs/quick.json": "quick". */
const char *config_file_stem(const char *path, Arena *arena);

/* Whether it can be the name of an experiment: [A-Za-z0-9._-]{1,64}, not starting with '.' or '-'. */
bool config_file_check_name(const char *name, const char *source, Error *err);

/* Whether `description` is a text and `tags` is a list of texts, if they are there. */
bool config_file_check_notes(const Json *json, const char *source, Error *err);

#endif
