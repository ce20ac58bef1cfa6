/* path_pattern: finds the files that match a pattern.
 *
 * A path that exists matches itself, even if it contains special characters. Otherwise `*`, `?` and `[...]`
 * match within one component, as in the shell, and a component `**` matches any number of folders, also none.
 * A pattern with `**` matches files only; at its end `**` matches all files below a folder. Names that begin
 * with a dot are matched only by components that begin with a dot. Symbolic links to folders are followed;
 * `**` visits each folder once.
 */
#ifndef POSLAB_SYS_PATH_PATTERN_H
#define POSLAB_SYS_PATH_PATTERN_H

#include "base/arena.h"

typedef struct Paths {
    const char **items; /* [count] sorted, owned by the arena */
    int count;          /* 0: no file matches */
    bool wild;          /* found by a pattern; false: the path itself */
} Paths;

/* Fails with EXIT_SYSTEM if a folder or a path cannot be examined; the message begins with `place` and names
   the path and the reason. */
bool path_pattern_find(Paths *paths, const char *pattern, const char *place, Arena *arena, Error *err);

#endif
