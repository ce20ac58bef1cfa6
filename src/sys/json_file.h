/* json_file: JSON in files. */
#ifndef POSLAB_SYS_JSON_FILE_H
#define POSLAB_SYS_JSON_FILE_H

#include "base/json.h"

/* As json_parse. A path that does not exist or is a folder is EXIT_USAGE. */
Json *json_file_read(const char *path, const char *source, Arena *arena, Error *err);

#endif
