/* path_pattern: the files that a pattern names.
 *
 * A path that exists is itself, whatever characters it contains. Anything else is a pattern: `*`, `?` and
 * `[...]` match within one component of the path, as in the shell; a component that is `**` matches any
 * number of folders, also none. With `**`, only files match, not folders; at the end of a pattern it matches
 * all files below a folder. A name that begins with a dot is matched by a component that begins with a dot
 * only. Symbolic links to folders are followed, and `**` visits each folder once.
 */
#ifndef POSLAB_SYS_PATH_PATTERN_H
#define POSLAB_SYS_PATH_PATTERN_H

#include "base/arena.h"

typedef struct Paths {
    const char **items; /* [count] sorted, owned by the arena */
    int count;          /* 0: there is no such file */
    bool wild;          /* found by a pattern; false: the path itself */
} Paths;

/* Fails where a folder or a path cannot be examined: EXIT_SYSTEM, naming it and the reason after `place`. */
bool path_pattern_find(Paths *paths, const char *pattern, const char *place, Arena *arena, Error *err);

#endif
