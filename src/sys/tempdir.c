#include "sys/tempdir.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "sys/atomic_file.h"

const char *tempdir_make(Arena *arena, Error *err) {
    const char *home = getenv("TMPDIR");
    char *folder = arena_format(arena, "%s/poslab-XXXXXX", home && *home ? home : "/tmp");
    if (mkdtemp(folder)) return folder;
    error_system(err, "cannot make temporary folder '%s' (TMPDIR)", folder);
    return NULL;
}

void tempdir_remove(const char *folder) {
    DIR *directory = folder ? opendir(folder) : NULL;
    if (!directory) return;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        unlinkat(dirfd(directory), entry->d_name, 0); /* fails for "." and ".." */
    closedir(directory);
    rmdir(folder);
}

bool tempdir_copy(const char *to, const char *from, Arena *arena, Error *err) {
    AtomicFile target;
    char bytes[1 << 16];
    FILE *in = fopen(from, "re");
    if (!in) return error_system(err, "cannot read '%s'", from);
    FILE *out = atomic_file_begin(&target, to, arena, err);
    bool read = true;
    if (out) {
        for (size_t got; (got = fread(bytes, 1, sizeof bytes, in)) > 0;)
            if (fwrite(bytes, 1, got, out) != got) break;
        read = !ferror(in) || error_system(err, "cannot read '%s'", from);
    }
    fclose(in);
    return out && atomic_file_end(&target, read, err);
}
