/* atomic_file: files that appear complete or not at all.
 *
 * Everything that the program writes into files, except databases, goes through this module. Data is written
 * to PATH.tmp by write(2), and every error is recorded; then the file is synced and renamed to PATH, and the
 * folder is synced. A process that is stopped before the rename leaves PATH unchanged. The temporary name is
 * fixed, so the next writer removes what a killed one left. A PATH that exists and is not a regular file is
 * refused, and symbolic links are not followed. Small files are read whole (file_read).
 */
#ifndef POSLAB_SYS_ATOMIC_FILE_H
#define POSLAB_SYS_ATOMIC_FILE_H

#include "base/arena.h"

typedef struct AtomicFile {
    const char *path, *temporary;
    FILE *stream;
    int fd, error; /* error: the first errno of write, or 0 */
} AtomicFile;

/* The stream to write to, or NULL with err set. `file` must stay where it is until atomic_file_end. */
FILE *atomic_file_begin(AtomicFile *file, const char *path, Arena *arena, Error *err);

/* After a successful atomic_file_begin, always: with `good`, all that was written becomes PATH; without, or
   when anything has failed, nothing is left. Returns false with err set by the caller (good is false) or
   here. */
bool atomic_file_end(AtomicFile *file, bool good, Error *err);

/* The end of the same way for a file that others have written: syncs `temporary`, renames it to `path`, syncs
   the folder. On failure `temporary` is removed. */
bool atomic_file_publish(const char *temporary, const char *path, Error *err);

/* Makes lasting what was made, renamed or removed in the folder of `path`. Sets errno. */
bool atomic_file_sync_folder(const char *path);

/* mkdir -p; each new folder is synced into the one above it. */
bool atomic_file_make_folder(const char *path, Error *err);

/* Opens a file that others may have open as well, made if it is missing: `flags` say how, as for open. What
   is there must be a regular file; a symbolic link is refused. Returns the descriptor, or -1 with err set. */
int file_open(const char *path, int flags, Error *err);

/* Writes all bytes, whatever is interrupted; sets errno. */
bool atomic_file_write_all(int fd, const void *bytes, size_t size);

/* The whole of a file followed by a zero byte, owned by the arena; *size (unless NULL) is without that
   byte. Of a file of more than `most` bytes, at least most + 1 are read. NULL if it cannot be read; sets
   errno. */
char *file_read(const char *path, size_t most, size_t *size, Arena *arena);

/* For the start of the program: a closed standard stream would become the number of the next file opened, and
   messages would go there. Its place is taken by what can only be read, and is empty. */
void atomic_file_reserve_standard_streams(void);

#endif
