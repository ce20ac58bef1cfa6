/* json_file: reads JSON from a file. */
#ifndef POSLAB_SYS_JSON_FILE_H
#define POSLAB_SYS_JSON_FILE_H

#include "base/json.h"

/* Reads and parses a file; `source` names it in errors, as in json_parse. Owned by the arena. Returns NULL
   with err set: EXIT_USAGE for a path that does not exist or is a folder. */
Json *json_file_read(const char *path, const char *source, Arena *arena, Error *err);

#endif
