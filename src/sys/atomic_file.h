/* atomic_file: files that appear complete or not at all.
 *
 * All files that the program writes, except databases, are written through this module. Data is written to
 * PATH.tmp by write(2), and the first error is recorded; then the file is synced and renamed to PATH, and the
 * folder is synced. A process that is stopped before the rename leaves PATH unchanged. The temporary name is
 * fixed, so the next writer replaces the file that a killed one left. A PATH that exists and is not a regular
 * file is refused, and symbolic links are not followed.
 */
#ifndef POSLAB_SYS_ATOMIC_FILE_H
#define POSLAB_SYS_ATOMIC_FILE_H

#include "base/json.h"

typedef struct AtomicFile {
    const char *path, *temporary;
    FILE *stream;
    int fd, error; /* error: the first errno of write, or 0 */
} AtomicFile;

/* Returns the stream to write to, or NULL with err set. The struct `file` must not be moved or freed before
   atomic_file_end. */
FILE *atomic_file_begin(AtomicFile *file, const char *path, Arena *arena, Error *err);

/* Must follow each successful atomic_file_begin. With `good`, the written data becomes PATH; without it, or
   after any error, PATH is unchanged and the temporary file is removed. Returns false with err set by the
   caller (good is false) or by this function. */
bool atomic_file_end(AtomicFile *file, bool good, Error *err);

/* Writes a text to a file. */
bool file_write(const char *path, const char *text, Arena *arena, Error *err);

/* Publishes a file written by other means: syncs `temporary`, renames it to `path` and syncs the folder. On
   failure `temporary` is removed. */
bool atomic_file_publish(const char *temporary, const char *path, Error *err);

/* Syncs the folder of `path`, which makes files created, renamed or removed in it durable. Sets errno on
   failure. */
bool atomic_file_sync_folder(const char *path);

/* mkdir -p; the parent of each new folder is synced. */
bool atomic_file_make_folder(const char *path, Error *err);

/* Opens a file that other processes may have open, and creates it if it is missing; `flags` as for open(2).
   Anything but a regular file, also a symbolic link, is refused. Returns the descriptor, or -1 with err
   set. */
int file_open(const char *path, int flags, Error *err);

/* Writes all bytes, also after interruptions by signals. Sets errno on failure. */
bool atomic_file_write_all(int fd, const void *bytes, size_t size);

/* A file that comes with the program, "plots/curves.gp": in the current folder, in that of the program, or
   where it was installed. NULL if there is none. */
const char *file_find(const char *name, Arena *arena);

/* Reads a whole file and appends a zero byte, which *size (unless NULL) does not count. Of a file of more
   than `most` bytes, at least most + 1 are read. Owned by the arena; NULL with errno set if the file cannot
   be read. */
char *file_read(const char *path, size_t most, size_t *size, Arena *arena);

/* Reads and parses a file; `source` names it in errors, as in json_parse. Owned by the arena. NULL with err
   set: EXIT_USAGE for a path that does not exist or is a folder. */
Json *file_read_json(const char *path, const char *source, Arena *arena, Error *err);

/* Called at the start of the program. The next file opened would get the descriptor of a closed standard
   stream, and messages would be written into it; so closed streams are opened to /dev/null. */
void atomic_file_reserve_standard_streams(void);

#endif
