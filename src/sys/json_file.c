/* json_file: a path that does not exist is most likely a typing error, hence EXIT_USAGE. */
#include "sys/json_file.h"

#include <errno.h>

#include "base/json_syntax.h"
#include "sys/atomic_file.h"

Json *json_file_read(const char *path, const char *source, Arena *arena, Error *err) {
    Arena *scratch = arena_new(0);
    size_t size;
    const char *text = file_read(path, JSON_SYNTAX_MAX_SIZE, &size, scratch);
    Json *json = text ? json_parse(text, size, source, arena, err) : NULL;
    if (!text) {
        bool typing = errno == ENOENT || errno == ENOTDIR || errno == EISDIR; /* most likely a typing error */
        error_system(err, "%s: cannot read", source);
        if (typing) err->code = EXIT_USAGE;
    }
    arena_free(scratch);
    return json;
}
