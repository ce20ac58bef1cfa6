/* atomic_file: streams are made by fopencookie, so that the buffered output of stdio is also written by
 * atomic_file_write_all, which records errors.
 */
#include "sys/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_syntax.h"

bool atomic_file_write_all(int fd, const void *bytes, size_t size) {
    for (const char *next = bytes; size;) {
        ssize_t done = write(fd, next, size);
        if (done < 0 && errno == EINTR) continue;
        if (done == 0) errno = ENOSPC; /* a write of 0 bytes must not loop for ever */
        if (done <= 0) return false;
        next += done;
        size -= (size_t)done;
    }
    return true;
}

int file_open(const char *path, int flags, Error *err) {
    struct stat status;
    int fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) return fd;
    if (fd >= 0 || errno == ELOOP || errno == ENXIO) /* ENXIO: a pipe or a socket */
        error_set(err, EXIT_SYSTEM, "cannot write '%s': it is not a regular file; remove it", path);
    else
        error_system(err, "cannot open '%s'", path);
    if (fd >= 0) close(fd);
    return -1;
}

/* Stores the folder of a path in `folder`. */
static const char *folder_of(const char *path, char folder[PATH_MAX]) {
    const char *slash = strrchr(path, '/');
    if (!slash) return ".";
    int size = snprintf(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    return size < PATH_MAX ? folder : ""; /* "": too long; opening it fails */
}

/* Some file systems cannot sync a folder (EINVAL) and need not. */
bool atomic_file_sync_folder(const char *path) {
    char folder[PATH_MAX];
    int fd = open(folder_of(path, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return false;
    bool good = fsync(fd) == 0 || errno == EINVAL;
    int saved = errno;
    close(fd);
    errno = saved;
    return good;
}

static bool make_one(const char *path, Error *err) {
    if (mkdir(path, 0777) == 0)
        return atomic_file_sync_folder(path) || error_system(err, "cannot sync '%s'", path);
    return errno == EEXIST || error_system(err, "cannot make folder '%s'", path);
}

bool atomic_file_make_folder(const char *path, Error *err) {
    char copy[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", path) >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return error_system(err, "cannot make folder '%.200s...'", path);
    }
    for (char *slash = copy + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        if (!make_one(copy, err)) return false;
    }
    return make_one(copy, err);
}

/* Syncs and closes the file and renames it to `path`; sets errno on failure. */
static bool publish(int fd, const char *temporary, const char *path) {
    bool good = fsync(fd) == 0;
    int saved = errno;
    if (close(fd) != 0 && good) {
        good = false;
        saved = errno;
    }
    if (good && rename(temporary, path) == 0) return atomic_file_sync_folder(path);
    if (good) saved = errno;
    unlink(temporary);
    errno = saved;
    return false;
}

bool atomic_file_publish(const char *temporary, const char *path, Error *err) {
    int fd = open(temporary, O_RDONLY | O_CLOEXEC);
    return (fd >= 0 && publish(fd, temporary, path)) || error_system(err, "cannot write '%s'", path);
}

const char *file_find(const char *name, Arena *arena) {
    char program[4096] = "";
    if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) program[0] = '\0';
    const char *slash = strrchr(program, '/');
    int length = slash ? (int)(slash - program) + 1 : 0; /* of its folder */
    const char *const places[] = {name, arena_format(arena, "%.*s%s", length, program, name),
                                  arena_format(arena, "%.*s../share/poslab/%s", length, program, name)};
    for (int i = 0; i < COUNT_OF(places); i++)
        if (access(places[i], R_OK) == 0) return places[i];
    return NULL;
}

char *file_read(const char *path, size_t most, size_t *size, Arena *arena) {
    FILE *file = fopen(path, "re");
    if (!file) return NULL;
    size_t count = 0, room = 64 * 1024, got = 0;
    char *text = NEW(arena, room + 1, char);
    while (count <= most && (got = fread(text + count, 1, room - count, file)) > 0) {
        count += got;
        if (count < room) continue;
        text = arena_grow(arena, text, room + 1, 2 * room + 1, 1);
        room *= 2;
    }
    int saved = ferror(file) ? errno : 0;
    fclose(file);
    if (size) *size = count;
    text[count] = '\0';
    errno = saved;
    return saved ? NULL : text;
}

/* The error about a file that cannot be created. */
static bool fail_to_create(const char *path, Error *err) {
    return errno == ENOENT
               ? error_set(err, EXIT_SYSTEM, "cannot write '%s': its folder does not exist; create it", path)
               : error_system(err, "cannot write '%s'", path);
}

/* The write function of the stream; stdio takes 0 for a failure. */
static ssize_t take_bytes(void *user, const char *bytes, size_t size) {
    AtomicFile *file = user;
    if (!file->error && atomic_file_write_all(file->fd, bytes, size)) return (ssize_t)size;
    if (!file->error) file->error = errno;
    return 0;
}

FILE *atomic_file_begin(AtomicFile *file, const char *path, Arena *arena, Error *err) {
    struct stat status;
    *file = (AtomicFile){.path = path, .temporary = arena_format(arena, "%s.tmp", path)};
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        error_set(err, EXIT_SYSTEM, "cannot write '%s': it is not a regular file; remove it", path);
        return NULL;
    }
    unlink(file->temporary);
    file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file->fd < 0) {
        fail_to_create(path, err);
        return NULL;
    }
    file->stream = fopencookie(file, "w", (cookie_io_functions_t){.write = take_bytes});
    if (!file->stream) error_fatal("no memory for a stream");
    return file->stream;
}

bool atomic_file_end(AtomicFile *file, bool good, Error *err) {
    bool written = fclose(file->stream) == 0 && !file->error;
    if (good && written) {
        if (publish(file->fd, file->temporary, file->path)) return true;
        return error_system(err, "cannot write '%s'", file->path);
    }
    close(file->fd);
    unlink(file->temporary);
    errno = file->error;
    return good ? error_system(err, "cannot write '%s'", file->path) : false;
}

bool file_write(const char *path, const char *text, Arena *arena, Error *err) {
    AtomicFile file;
    FILE *out = atomic_file_begin(&file, path, arena, err);
    if (out) fputs(text, out);
    return out && atomic_file_end(&file, true, err);
}

void atomic_file_reserve_standard_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDONLY);
}

Json *file_read_json(const char *path, const char *source, Arena *arena, Error *err) {
    Arena *scratch = arena_new(0);
    size_t size;
    const char *text = file_read(path, JSON_SYNTAX_MAX_SIZE, &size, scratch);
    Json *json = text ? json_parse(text, size, source, arena, err) : NULL;
    if (!text) {
        bool typing = errno == ENOENT || errno == ENOTDIR || errno == EISDIR; /* most likely a typing error */
        if (errno == ENOENT)
            error_set(err, EXIT_USAGE, "%s does not exist; check its path", source);
        else
            error_system(err, "%s: cannot read", source);
        if (typing) err->code = EXIT_USAGE;
    }
    arena_free(scratch);
    return json;
}
